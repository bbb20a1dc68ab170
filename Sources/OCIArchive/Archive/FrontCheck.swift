import NIOCore
import OCI

/// What the front of an archive must be, apart from what the contents themselves say.
struct FrontCheck: Sendable {
    private let map: ArchiveMap

    init(_ map: ArchiveMap) {
        self.map = map
    }

    /// What is wrong with `oci-layout` and `index.json` as the contents record them.
    var faults: [String] {
        let files = map.contents.files
        var faults: [String] = []
        if files[0].digest != Digest(of: ArchiveNames.layoutBytes) { faults.append("oci-layout is not Lifeboat's") }
        if files[1].digest != Digest(of: ArchivePlan.indexBytes(of: map.contents)) {
            faults.append("index.json does not list what the contents list")
        }
        let images = map.contents.images
        if !zip(images, images.dropFirst()).allSatisfy({ $0.precedes($1) }) {
            faults.append("the images are not sorted")
        }
        for image in images {
            guard let number = map.slotNumbers[image.descriptor.digest],
                map.contents.blobs[number].role == .manifest, map.contents.blobs[number].size == image.descriptor.size
            else {
                faults.append("\(image.fullName) is not among the manifests")
                continue
            }
        }
        return faults
    }

    /// The headers of the three entries, with their offsets, and where the padding behind each begins.
    var frames: [(header: ByteBuffer, slot: ArchiveMap.Slot)] {
        let names = map.contents.files.map(\.name) + [ArchiveNames.contents]
        return zip(names, map.front).map { (TarHeader.bytes(name: $0, size: $1.size), $1) }
    }
}

/// Compares what manifests say with what the archive lists, and knows which images a blob belongs to.
struct ManifestCheck: Sendable {
    /// What is wrong with which manifest.
    private(set) var faults: [(digest: Digest, fault: String)] = []

    private let map: ArchiveMap
    private var parents: [Digest: [Digest]] = [:]
    private let omitted: Set<Digest>
    private let names: [Digest: [String]]

    init(_ map: ArchiveMap) {
        self.map = map
        omitted = Set(map.contents.omitted)
        names = Dictionary(grouping: map.contents.images, by: \.descriptor.digest).mapValues { $0.map(\.fullName) }
        for blob in map.contents.blobs {
            if let subject = blob.subject { parents[blob.digest, default: []].append(subject) }
        }
    }

    /// Takes a manifest whose bytes have the right digest.
    mutating func take(_ bytes: ByteBuffer, _ blob: ArchivedBlob, archive: String) {
        let manifest: Manifest
        do throws(OCIError) {
            manifest = try Manifest(bytes, as: blob.descriptor, from: archive)
        } catch {
            faults.append((blob.digest, error.description))
            return
        }
        if manifest.subject?.digest != blob.subject {
            faults.append((blob.digest, "its subject is not the one that the contents list"))
        }
        var seen: Set<Digest> = []
        for child in manifest.children where seen.insert(child.digest).inserted {
            if let number = map.slotNumbers[child.digest] {
                parents[child.digest, default: []].append(blob.digest)
                let size = map.contents.blobs[number].size
                guard size != child.size else { continue }
                faults.append((blob.digest, "\(child.digest) has \(size) bytes, the manifest says \(child.size)"))
            } else if !omitted.contains(child.digest) {
                faults.append((blob.digest, "\(child.digest) is not in the archive"))
            }
        }
    }

    /// The images that a blob is part of, directly or as part of a referrer.
    func images(of digest: Digest) -> [String] { images(of: [digest]) }

    /// The images that any of the blobs is part of.
    func images(of digests: [Digest]) -> [String] {
        var seen = Set(digests)
        var queue = digests
        var found: Set<String> = []
        while let next = queue.popLast() {
            found.formUnion(names[next] ?? [])
            for parent in parents[next] ?? [] where seen.insert(parent).inserted { queue.append(parent) }
        }
        return found.sorted()
    }
}
