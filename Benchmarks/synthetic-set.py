#!/usr/bin/env python3
"""synthetic-set.py FOLDER [BACKUPS] [TAGS]: a backup set of records only (no blobs), to measure what reading them costs.

Every night 1 % of the tags move to a new image of one manifest, one config and one layer; three images of four share a
layer with another one. Deterministic."""
import hashlib, json, os, random, sys, time

folder, backups, tags = sys.argv[1], int((sys.argv + ["100"])[2]), int((sys.argv + ["", "30000"])[3])
random.seed(4)
os.makedirs(folder + "/records")
for name in ("evidence", "blobs/sha256"):
    os.makedirs(folder + "/" + name)


def line(members):
    return (json.dumps(members, sort_keys=True, separators=(",", ":")) + "\n").encode()


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


images = [0] * tags
head = None
for night in range(backups):
    ended = 1_760_000_000 + night * 86_400
    if night:
        for number in random.sample(range(tags), tags // 100):
            images[number] = night
    names, manifests, configs, layers = [], [], [], {}
    for number, version in enumerate(images):
        manifest = digest("m %d %d" % (number, version))
        layer = digest("l %d %d" % (number // 4, version))
        names.append(("team%02d/app%03d" % (number % 40, number // 40 % 400), "v1.%d" % number, manifest))
        manifests.append(manifest)
        configs.append(digest("c %d %d" % (number, version)))
        layers[layer] = None
    blobs = len(manifests) + len(configs) + len(layers)
    size = len(manifests) * 700 + len(configs) * 1500 + len(layers) * 5_000_000
    body = [line({
        "began": ended - 600, "blobs": blobs, "bytes": size, "bytesAdded": size if night == 0 else size // 100,
        "ended": ended, "images": len(names), "pipeline": "nightly", "record": "backup", "scope": "0123456789abcdef",
        "source": "registry.example.com", "state": "complete", "version": 1})]
    if head:
        body.append(line({"digest": head, "record": "head"}))
    for repository, tag, manifest in sorted(names):
        body.append(line({
            "digest": manifest, "mediaType": "application/vnd.oci.image.manifest.v1+json", "record": "image",
            "registry": "registry.example.com", "repository": repository, "size": 700, "tag": tag}))
    for manifest in manifests:
        body.append(line({
            "digest": manifest, "mediaType": "application/vnd.oci.image.manifest.v1+json", "record": "blob",
            "role": "manifest", "size": 700}))
    body += [line({"digest": config, "record": "blob", "role": "config", "size": 1500}) for config in configs]
    body += [line({"digest": layer, "record": "blob", "role": "layer", "size": 5_000_000}) for layer in layers]
    whole = b"".join(body)
    head = "sha256:" + hashlib.sha256(whole).hexdigest()

    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(ended)) + "-" + head[7:19] + ".jsonl"
    with open(folder + "/records/" + name, "wb") as file:
        file.write(whole + line({"digest": head, "lines": len(body), "record": "seal"}))
print(folder, backups, "records,", sum(os.path.getsize(folder + "/records/" + n) for n in os.listdir(folder + "/records")), "bytes")
