"""The table, the plot and the raw figures."""
import json, os, platform, subprocess
from pathlib import Path
from xml.sax.saxutils import escape

from images import blobs, images

COLOURS = {"lifeboat": "#d9480f", "bare": "#ced4da"}
OTHER = "#8899a6"
# MiB.
MOST_MEMORY = 64


def load():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def corpus(layout):
    """How many images, and their bytes: as tagged, and each blob once; the big one for itself."""
    sizes = {name: {digest: size for manifest in manifests for digest, size in blobs(manifest).items()}
             for name, manifests in images(layout).items()}
    big = sizes.pop("big/image", {})
    once = {digest: size for own in sizes.values() for digest, size in own.items()}
    tagged = sum(sum(own.values()) for own in sizes.values())
    return (f"{len(sizes)} images of {sum(map(len, sizes.values())) / len(sizes):.0f} blobs on average, {tagged / 1e9:.1f} GB as tagged, "
            f"{sum(once.values()) / 1e9:.2f} GB with each blob once; and one of {sum(big.values()) / 1e9:.2f} GB")


def facts(lifeboat, layout, runs, parent):
    processor = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                     platform.machine())
    version = subprocess.run(["skopeo", "--version"], capture_output=True, text=True).stdout.split()[-1]
    commit = subprocess.run(["git", "-C", Path(__file__).parent, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    return {"processor": f"{os.cpu_count()} × {processor}", "kernel": platform.release(), "commit": commit,
            "skopeo": version, "corpus": corpus(layout), "runs": runs,
            "output on": parent, "load before": load()}


def write(folder, facts, results):
    folder.mkdir(exist_ok=True)
    raw = {"facts": facts, "rows": {row.name: figures for row, figures in results}}
    (folder / "results.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    (folder / "results.md").write_text(table(facts, results))
    (folder / "results.svg").write_text(plot(results))
    print(table(facts, results))


def table(facts, results):
    lines = ["# Results", "", "Written by `make bench`. Medians; seconds in brackets are those of the fastest run. CPU is user and system",
             "time; peak is the most resident memory of all runs, at most 64 for Lifeboat; requests are those that the registries have counted.",
             "`bare` is the least that any client has to do: receive, hash, and write or send on (`Benchmarks/lib/bare.py`).", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "| row | tool | seconds | ratio | bar | CPU s | peak MiB | requests |",
              "|---|---|---:|---:|---|---:|---:|---:|"]
    for row, figures in results:
        base = figures[row.against]["seconds"]
        for number, (tool, figure) in enumerate(figures.items()):
            ratio = figure["seconds"] / base
            bar = ""
            if tool == "lifeboat" and row.limit:
                bar = f"{row.bar} {'✓' if ratio <= row.limit else '✗'}"
            what = f"**{row.name}**: {row.what}" if number == 0 else ""
            high = " ✗" if tool == "lifeboat" and figure["peak"] > MOST_MEMORY else ""
            lines.append(f"| {what} | {tool} | {figure['seconds']:.3f} ({min(figure['all']):.3f}) | {ratio:.2f} | {bar} "
                         f"| {figure['cpu']:.2f} | {figure['peak']:.0f}{high} | {figure['requests']} |")
    return "\n".join(lines) + "\n"


def plot(results):
    """Bars of seconds; in each row, or all of its kind such as scale-1 and scale-4, the slowest fills the width. A thin
    line spans the fastest and slowest run."""
    left, width, height = 190, 520, 18
    body, y = [], 12

    def kind(row):
        return row.name.rstrip("0123456789")

    for row, figures in results:
        most = max(max(figure["all"]) for other, those in results if kind(other) == kind(row) for figure in those.values())
        body.append(f'<text x="{left - 10}" y="{y + 13}" text-anchor="end" font-weight="bold">{escape(row.name)}</text>')
        for tool, figure in figures.items():
            length = width * figure["seconds"] / most
            low, high = (width * bound(figure["all"]) / most for bound in (min, max))
            body.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{height - 4}" fill="{COLOURS.get(tool, OTHER)}"/>')
            body.append(f'<path d="M{left + low:.1f} {y + 7}H{left + high:.1f}" stroke="#222"/>')
            body.append(f'<text x="{left + high + 6:.1f}" y="{y + 12}">{figure["seconds"]:.2f} s {escape(tool)}</text>')
            y += height
        y += 10
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 160}" height="{y}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(body) + "\n</svg>\n")
