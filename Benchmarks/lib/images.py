"""What an OCI layout holds."""
import json


def documents(layout):
    """Of the images tagged latest, by REPOSITORY: (digest, media type, document) of all manifests and indexes, the
    tagged one last."""
    found = {}

    def walk(entry):
        document = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
        children = [item for child in document.get("manifests", []) for item in walk(child)]
        return [*children, (entry["digest"], entry["mediaType"], document)]

    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
        if name.endswith(":latest"):
            found[name.removesuffix(":latest")] = walk(entry)
    return dict(sorted(found.items()))


def images(layout):
    """The manifests of the same images: one for each platform."""
    return {name: [document for _, _, document in found if "manifests" not in document]
            for name, found in documents(layout).items()}


def blobs(manifest):
    """By digest: the bytes of the config and of the layers; none of an index."""
    if "manifests" in manifest:
        return {}
    return {blob["digest"]: blob["size"] for blob in [manifest["config"], *manifest["layers"]]}
