"""What an OCI layout holds."""
import json


def images(layout):
    """The manifests of the images tagged latest, by REPOSITORY: one for each platform."""
    found = {}

    def manifests(digest):
        document = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
        if "manifests" not in document:
            return [document]
        return [manifest for child in document["manifests"] for manifest in manifests(child["digest"])]

    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
        if name.endswith(":latest"):
            found[name.removesuffix(":latest")] = manifests(entry["digest"])
    return dict(sorted(found.items()))
