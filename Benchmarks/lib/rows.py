"""What is measured: each row is one piece of work, done by several tools in turn."""
import json, os, shlex, shutil, subprocess, sys, time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import bare
from images import documents, images
from synthetic import Storage

NAMES = ["export-all", "export-one", "export-one-slow", "export-one-far", "import-all", "registry-to-registry",
         "nothing-to-do", "three-changed", "verify", "serve", "serve-again", "plan", "scale-1", "scale-4", "scale-16"]


def nothing():
    pass


@dataclass
class Tool:
    name: str
    command: list = field(default_factory=list)
    prepare: Callable = nothing
    clean: Callable = nothing
    # Instead of the command: returns the figures and what was printed.
    measure: Callable = None


@dataclass
class Row:
    name: str
    what: str
    # What Lifeboat must reach: at most (or at least) so many times the seconds of the tool named.
    bar: str
    limit: float
    against: str
    tools: list


class Field:
    """The registries, filled, and the rows over them."""

    def __init__(self, lifeboat, layout, names, work, servers):
        self.lifeboat, self.layout, self.work, self.servers = lifeboat, layout, work, servers
        self.names = [name for name in names if name != "big/image"]
        self.first = servers.registry("first")
        for name in [*self.names, "big/image"]:
            subprocess.run(
                ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--dest-tls-verify=false",
                 f"oci:{layout}:{name}:latest", f"docker://{self.first.host}/{self.repository(name)}:latest"], check=True)
        self.second = None

    def rows(self, wanted):
        for name in NAMES:
            if not wanted or name in wanted:
                yield getattr(self, name.replace("-", "_"))()

    # Commands

    def ours(self, *arguments):
        return [self.lifeboat, *arguments, "--json"]

    def skopeo(self, source, target, names, *flags):
        """Copies one image after the other: in source and target, {} is the name."""
        line = " ".join(["skopeo --insecure-policy copy --quiet --all", *flags, f'"{source}" "{target}"'])
        return self.each(line, names)

    def each(self, line, names):
        line = line.replace("{}", "$name")
        return ["bash", "-c", f"for name in {' '.join(map(shlex.quote, names))}; do {line} || exit; done"]

    def others(self, commands, **settings):
        """Tools that are measured where they are installed."""
        return [Tool(name, command, **settings) for name, command in commands.items() if shutil.which(name)]

    def repository(self, name):
        return name if name == "big/image" else f"all/{name}"

    def bare(self, mode, names, *places):
        """The least that any client has to do for these images."""
        found, work = documents(self.layout), self.work / f"bare-{len(names)}.json"
        work.write_text(json.dumps(bare.work({self.repository(name): found[name] for name in names})))
        return [sys.executable, "-B", bare.__file__, mode, work, *places]

    # Places

    def out(self):
        return self.work / "out"

    def clear(self):
        shutil.rmtree(self.out(), ignore_errors=True)
        self.out().mkdir()

    def empty_second(self):
        """The second registry, with nothing in it."""
        if self.second:
            self.second.stop()
        shutil.rmtree(self.work / "second", ignore_errors=True)
        self.second = self.servers.registry("second")

    def fill_second(self):
        self.empty_second()
        subprocess.run(self.ours("import", f"{self.first.host}/all/**", "--to", self.second.host), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def forget(self):
        """Three images go from the second registry."""
        for name in self.names[-3:]:
            shutil.rmtree(self.work / "second/docker/registry/v2/repositories/all" / name)

    def archive(self):
        archive = self.work / "all.tar"
        if not archive.exists():
            subprocess.run(self.ours("export", f"{self.first.host}/all/**", "--to", archive), check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return archive

    # Rows

    def export_all(self):
        host, out = self.first.host, self.out()
        tools = [
            Tool("lifeboat", self.ours("export", *self.images(host), "--to", out / "all.tar", "--no-referrers"),
                 self.clear, self.clear),
            Tool("skopeo", self.skopeo(f"docker://{host}/all/{{}}:latest", f"oci:{out}/layout:{{}}", self.names,
                                       "--src-tls-verify=false"), self.clear, self.clear),
            Tool("bare", self.bare("export", self.names, host, out / "all"), self.clear, self.clear),
            *self.others({
                "crane": ["bash", "-c", f"crane pull --insecure --format=oci {' '.join(self.images(host))} {out}/layout"],
                "oras": self.each(f"oras copy --from-plain-http --to-oci-layout {host}/all/{{}}:latest "
                                  f"{out}/layout:latest", self.names),
                "regctl": self.each(f"regctl --host reg={host},tls=disabled image copy {host}/all/{{}}:latest "
                                    f"ocidir://{out}/layout:latest", self.names),
            }, prepare=self.clear, clean=self.clear)]
        return Row("export-all", f"{len(self.names)} images into one archive (others: a layout folder)",
                   "≤ 0.25 × skopeo", 0.25, "skopeo", tools)

    def images(self, host):
        """By name, and without signatures, which the others do not look for: the same work for all tools."""
        return [f"{host}/all/{name}:latest" for name in self.names]

    def one(self, name, what, host, bar, limit):
        out, image = self.out(), f"{host}/big/image:latest"
        return Row(name, what, bar, limit, "skopeo", [
            Tool("lifeboat", self.ours("export", image, "--to", out / "one.tar"), self.clear, self.clear),
            Tool("skopeo", self.skopeo(f"docker://{image}", f"oci-archive:{out}/one.tar:big/image", ["big/image"],
                                       "--src-tls-verify=false"), self.clear, self.clear),
            Tool("bare", self.bare("export", ["big/image"], host, out / "one"), self.clear, self.clear),
            *self.others({
                "crane": ["crane", "pull", "--insecure", "--format=oci", image, out / "one"],
                "oras": ["oras", "copy", "--from-plain-http", "--to-oci-layout", image, f"{out}/one:latest"],
                "regctl": ["regctl", "--host", f"reg={host},tls=disabled", "image", "export", image, out / "one.tar"],
            }, prepare=self.clear, clean=self.clear)])

    def export_one(self):
        return self.one("export-one", "the big image", self.first.host, "≤ 0.25 × skopeo", 0.25)

    def export_one_slow(self):
        slow = self.servers.slow(self.first, 20_000_000)
        return self.one("export-one-slow", "the same, 20 MB/s on each connection (nginx)", slow.host,
                        "≤ 0.2 × skopeo", 0.2)

    def export_one_far(self):
        far = self.servers.far(self.first, 40)
        return self.one("export-one-far", "the same, 40 ms round trip", far.host, "", None)

    def import_all(self):
        self.empty_second()
        archive = self.archive()

        def ready(tool):
            def prepare():
                self.empty_second()
                tool.command = make(self.second.host)[tool.name]
            return prepare

        def make(host):
            return {"lifeboat": self.ours("import", archive, "--to", host),
                    "skopeo": self.skopeo(f"oci:{self.layout}:{{}}:latest", f"docker://{host}/all/{{}}:latest",
                                          self.names, "--dest-tls-verify=false")}

        tools = [Tool("lifeboat"), Tool("skopeo")]
        for tool in tools:
            tool.prepare = ready(tool)
        return Row("import-all", "all images from the archive (skopeo: from a layout) into an empty registry",
                   "≤ 0.55 × skopeo", 0.55, "skopeo", tools)

    def copies(self, host):
        first = self.first.host
        return {
            "lifeboat": self.ours("import", *self.images(first), "--to", host, "--no-referrers"),
            "skopeo": self.skopeo(f"docker://{first}/all/{{}}:latest", f"docker://{host}/all/{{}}:latest", self.names,
                                  "--src-tls-verify=false", "--dest-tls-verify=false"),
            "crane": self.each(f"crane copy --insecure {first}/all/{{}}:latest {host}/all/{{}}:latest", self.names),
            "oras": self.each("oras copy --from-plain-http --to-plain-http "
                              f"{first}/all/{{}}:latest {host}/all/{{}}:latest", self.names),
            "regctl": self.each(f"regctl --host reg={first},tls=disabled --host reg={host},tls=disabled image copy "
                                f"{first}/all/{{}}:latest {host}/all/{{}}:latest", self.names),
            "regsync": ["regsync", "once", "-c", self.regsync(host)],
            "bare": self.bare("copy", self.names, first, host),
        }

    def regsync(self, host):
        first = self.first.host
        lines = ["version: 1", "creds:"]
        lines += [f"  - {{registry: '{registry}', tls: disabled}}" for registry in [first, host]]
        lines += ["sync:"]
        lines += [f"  - {{source: '{first}/all/{name}:latest', target: '{host}/all/{name}:latest', type: image}}"
                  for name in self.names]
        path = self.work / "regsync.yml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def copying(self, name, what, bar, limit, prepare, *more):
        tools = [Tool(tool) for tool in ["lifeboat", "skopeo", *more, "crane", "oras", "regctl", "regsync"]
                 if tool in ["lifeboat", *more] or shutil.which(tool)]
        for tool in tools:
            def ready(tool=tool):
                prepare()
                tool.command = self.copies(self.second.host)[tool.name]
            tool.prepare = ready
        return Row(name, what, bar, limit, "skopeo", tools)

    def registry_to_registry(self):
        return self.copying("registry-to-registry", "all images into an empty registry", "≤ 0.5 × skopeo", 0.5,
                            self.empty_second, "bare")

    def nothing_to_do(self):
        self.fill_second()
        return self.copying("nothing-to-do", "the same again", "≤ 0.1 × skopeo", 0.1, nothing)

    def three_changed(self):
        self.fill_second()
        return self.copying("three-changed", f"the same with 3 of {len(self.names)} missing", "", None, self.forget)

    def verify(self):
        archive = self.archive()
        return Row("verify", "the archive of all images (openssl: its SHA-256)", "≤ 0.625 × openssl", 0.625, "openssl", [
            Tool("lifeboat", self.ours("verify", archive)),
            Tool("openssl", ["openssl", "dgst", "-sha256", archive])])

    def serve(self):
        return self.pulling("serve", "blobs pulled by curl, 8 at once, for the first time; CPU and memory of the server")

    def serve_again(self):
        return self.pulling("serve-again", "blobs pulled for the second time", before=1)

    def pulling(self, name, what, before=0):
        """All blobs of all images, eight at once, from each server, which has sent them so often before."""
        archive = self.archive()
        blobs = self.blobs()

        def pull(start):
            def measure(work):
                server = start()
                urls = work / "urls"
                urls.write_text("".join(
                    f'url = "http://{server.host}/v2/{blob}"\noutput = /dev/null\n' for blob in blobs))
                try:
                    for _ in range(before + 1):
                        cpu, _ = server.figures()
                        sent = server.requests()
                        begin = time.monotonic()
                        subprocess.run(["curl", "--silent", "--no-progress-meter", "--fail", "--parallel", "--parallel-max", "8",
                                        "--config", urls], check=True)
                        seconds = time.monotonic() - begin
                    after, peak = server.figures()
                    return {"seconds": seconds, "cpu": after - cpu, "peak": peak, "requests": server.requests() - sent}
                finally:
                    if server is not self.first:
                        server.stop()
            return measure

        return Row(name, f"{len(blobs)} {what}", "", None, "docker-registry", [
            Tool("lifeboat", measure=pull(lambda: self.servers.lifeboat(self.lifeboat, archive))),
            Tool("docker-registry", measure=pull(lambda: self.first))])

    def plan(self):
        """Tags of images that differ, a hundred in each repository. Nothing but manifests is read."""
        tags = int(os.environ.get("BENCH_TAGS", 10_000))
        Storage(self.work / "tags").fill(max(1, tags // 100), tags=min(tags, 100), has_blobs=False)
        host = self.servers.registry("tags").host
        definition = self.work / "plan.yaml"
        definition.write_text(
            f"version: 1\nstores: {{many: {{registry: '{host}'}}, out: {{archive: {self.work / 'never.tar'}}}}}\n"
            "images: [{repositories: ['**']}]\nsteps: [{name: all, export: {from: many, to: out}}]\n")
        return Row("plan", f"what an export of {tags:,} tags would move", "", None, "lifeboat",
                   [Tool("lifeboat", [self.lifeboat, "plan", definition, "--json"])])

    def scaled(self, factor):
        count, name = len(self.names) * factor, f"scale-{factor}"
        Storage(self.work / name).fill(count)
        registry = self.servers.registry(name)
        return Row(name, f"export of {count} images of 1 MiB and one that they share", "", None, "lifeboat", [
            Tool("lifeboat", self.ours("export", f"{registry.host}/**", "--to", self.out() / "all.tar"), self.clear, self.clear)])

    def scale_1(self):
        return self.scaled(1)

    def scale_4(self):
        return self.scaled(4)

    def scale_16(self):
        return self.scaled(16)

    def blobs(self):
        found, manifests = {}, images(self.layout)
        for name in self.names:
            for manifest in manifests[name]:
                for blob in manifest["layers"]:
                    found.setdefault(blob["digest"], f"all/{name}/blobs/{blob['digest']}")
        return sorted(found.values())
