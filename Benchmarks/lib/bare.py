"""The least that a client can do: it receives, hashes, and writes or sends on. What it takes is the machine's limit.

  bare.py export WORK HOST FILE        each blob once into a file, wherever there is room
  bare.py copy WORK HOST TARGET        each blob once to another registry, mounted where it is needed again

WORK is what work() returns, as JSON. So there is nothing to find out, to keep for a second try, or to tell afterwards.
"""
import hashlib, http.client, json, os, sys, threading

from images import blobs

PIECE, THREADS = 256 << 10, 4


def work(repositories):
    """Requests for what images.documents found, by repository: the largest blobs first, nothing twice."""
    sizes, first, mounts, manifests, indexes = {}, {}, [], [], []
    for repository, documents in repositories.items():
        here = set()
        for place, (digest, kind, document) in enumerate(documents, start=1):
            reference = "latest" if place == len(documents) else digest
            (indexes if "manifests" in document else manifests).append([repository, reference, kind])
            for blob, size in blobs(document).items():
                sizes[blob] = size
                if first.setdefault(blob, repository) != repository and blob not in here:
                    mounts.append([repository, blob, first[blob]])
                here.add(blob)
    largest = sorted(first, key=sizes.get, reverse=True)
    return {"blobs": [[first[blob], blob] for blob in largest], "mounts": mounts, "manifests": manifests, "indexes": indexes}


def fail(what):
    sys.stderr.write(f"bare: {what}\n")
    os._exit(1)


class Worker:
    def __init__(self, source, target=None):
        self.source, self.target = (host and http.client.HTTPConnection(host) for host in (source, target))
        self.buffer = memoryview(bytearray(PIECE))

    def get(self, repository, digest, begin):
        """Hands a blob over in pieces to what `begin` makes of its size, and ends everything if its digest is another."""
        self.source.request("GET", f"/v2/{repository}/blobs/{digest}")
        answer = self.source.getresponse()
        if answer.status != 200:
            fail(f"{answer.status} for {repository}@{digest}")
        hash = hashlib.sha256()
        sink = begin(answer.length)
        while count := answer.readinto(self.buffer):
            hash.update(self.buffer[:count])
            sink(self.buffer[:count])
        if "sha256:" + hash.hexdigest() != digest:
            fail(f"wrong bytes for {repository}@{digest}")

    def manifest(self, repository, reference, kind):
        self.source.request("GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": kind})
        answer = self.source.getresponse()
        if answer.status != 200:
            fail(f"{answer.status} for {repository}:{reference}")
        return answer.read()

    def ask(self, method, path, body=None, headers={}):
        """The address that the target answers with."""
        self.target.request(method, path, body, headers)
        return self.answer(method, path)

    def answer(self, method, path):
        answer = self.target.getresponse()
        said = answer.read()
        if answer.status >= 300:
            fail(f"{method} {path}: {answer.status} {said[:200]}")
        return answer.headers.get("Location", "")

    def copy(self, repository, digest):
        path = self.ask("POST", f"/v2/{repository}/blobs/uploads/").split("/", 3)[3]
        path = f"/{path}{'&' if '?' in path else '?'}digest={digest}"

        def begin(size):
            self.target.putrequest("PUT", path)
            self.target.putheader("Content-Length", str(size))
            self.target.putheader("Content-Type", "application/octet-stream")
            self.target.endheaders()
            return self.target.send

        self.get(repository, digest, begin)
        self.answer("PUT", path)


def each(items, make, work):
    """Lets several workers take one item after the other."""
    items, lock = iter(items), threading.Lock()

    def run():
        worker = make()
        while True:
            with lock:
                item = next(items, None)
            if item is None:
                return
            try:
                work(worker, item)
            except Exception as error:
                fail(f"{item}: {error!r}")
    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def export(work, host, path):
    file, end, lock = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644), 0, threading.Lock()

    def place(size):
        nonlocal end
        with lock:
            end += size
            return end - size

    def begin(size):
        offset = place(size)

        def write(piece):
            nonlocal offset
            offset += os.pwrite(file, piece, offset)
        return write

    each(work["manifests"] + work["indexes"], lambda: Worker(host), lambda worker, item: worker.manifest(*item))
    each(work["blobs"], lambda: Worker(host), lambda worker, blob: worker.get(*blob, begin))


def copy(work, host, target):
    def put(worker, item):
        repository, reference, kind = item
        worker.ask("PUT", f"/v2/{repository}/manifests/{reference}", worker.manifest(*item), {"Content-Type": kind})

    def mount(worker, item):
        repository, digest, source = item
        worker.ask("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}")

    each(work["blobs"], lambda: Worker(host, target), lambda worker, item: worker.copy(*item))
    each(work["mounts"], lambda: Worker(host, target), mount)
    for part in work["manifests"], work["indexes"]:
        each(part, lambda: Worker(host, target), put)


if __name__ == "__main__":
    mode, path, *places = sys.argv[1:]
    with open(path) as file:
        {"export": export, "copy": copy}[mode](json.load(file), *places)
