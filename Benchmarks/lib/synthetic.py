"""Images of noise, put straight into the storage of a docker-registry: many of them, in seconds."""
import hashlib, json, random

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Storage:
    """The folder of a docker-registry (distribution, registry/storage/paths.go)."""

    def __init__(self, folder):
        self.root = folder / "docker/registry/v2"
        self.noise = random.Random(7)

    def fill(self, images, tags=1, size=1 << 20, has_blobs=True):
        """`images` repositories with `tags` images each: a layer that all share, and one of their own."""
        shared = self.blob(self.noise.randbytes(size)) if has_blobs else self.named("shared", size)
        for number in range(images):
            repository = self.root / f"repositories/many/image-{number:05}"
            for tag in range(tags):
                own = self.blob(self.noise.randbytes(size)) if has_blobs else self.named(f"{number}-{tag}", size)
                config = self.blob(json.dumps(
                    {"architecture": "amd64", "os": "linux", "config": {"Labels": {"number": f"{number}-{tag}"}},
                     "rootfs": {"type": "layers", "diff_ids": [shared[0], own[0]]}}).encode())
                manifest = self.blob(json.dumps(
                    {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.descriptor(CONFIG, config),
                     "layers": [self.descriptor(LAYER, layer) for layer in (shared, own)]}).encode())
                self.link(repository / "_manifests/revisions", manifest[0])
                self.link(repository / f"_manifests/tags/v{tag}/index", manifest[0])
                self.write(repository / f"_manifests/tags/v{tag}/current/link", manifest[0].encode())
                for blob in (shared, own, config):
                    self.link(repository / "_layers", blob[0])

    @staticmethod
    def descriptor(type, blob):
        return {"mediaType": type, "digest": blob[0], "size": blob[1]}

    @staticmethod
    def named(name, size):
        """A blob that nobody will ask for."""
        return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}", size

    def blob(self, content):
        hex = hashlib.sha256(content).hexdigest()
        self.write(self.root / f"blobs/sha256/{hex[:2]}/{hex}/data", content)
        return f"sha256:{hex}", len(content)

    def link(self, folder, digest):
        self.write(folder / digest.replace(":", "/") / "link", digest.encode())

    @staticmethod
    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
