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
        let listed = ListedBlobs(map)
        for image in images {
            guard let blob = listed[image.descriptor.digest], blob.role == .manifest, blob.size == image.descriptor.size
            else {
                faults.append("\(image.fullName) is not among the manifests")
                continue
            }
        }
        return faults + map.contents.lineageFaults(of: map.id)
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
    private let listed: ListedBlobs
    private var parents: [Digest: [Digest]] = [:]
    /// What manifests point to; of deltas and volumes only.
    private var children: [Digest: [Digest]] = [:]
    private let omitted: Set<Digest>
    private let names: [Digest: [String]]

    init(_ map: ArchiveMap) {
        self.map = map
        listed = ListedBlobs(map)
        omitted = Set(map.contents.omitted)
        names = Dictionary(grouping: map.contents.images, by: \.descriptor.digest).mapValues { $0.map(\.fullName) }
        for blob in map.blobs {
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
            if let known = listed[child.digest] {
                parents[child.digest, default: []].append(blob.digest)
                if !map.contents.lineage.isWhole { children[blob.digest, default: []].append(child.digest) }
                guard known.size != child.size else { continue }
                faults.append(
                    (blob.digest, "\(child.digest) has \(known.size) bytes, the manifest says \(child.size)"))
            } else if !omitted.contains(child.digest) {
                faults.append((blob.digest, "\(child.digest) is not in the archive"))
            }
        }
    }

    /// Images that are said to be complete in this file, and are not; known when all manifests were taken.
    var incomplete: [(digest: Digest, fault: String)] {
        guard !map.contents.lineage.isWhole else { return [] }
        var faults: [(Digest, String)] = []
        var seen: Set<Digest> = []
        for (number, image) in map.contents.images.enumerated() where map.contents.isComplete(number) {
            var queue = [image.descriptor.digest]
            while let digest = queue.popLast() {
                guard seen.insert(digest).inserted else { continue }
                if let blob = listed[digest], !map.contents.isHere(blob) {
                    faults.append((digest, "\(image.fullName) is said to be complete here, and this is not here"))
                }
                queue += children[digest] ?? []
            }
        }
        return faults
    }

    /// The images that a blob is part of, directly or as part of a referrer.
    func images(of digest: Digest) -> [String] { images(of: [digest]) }

    /// The images that any of the blobs is part of.
    func images(of digests: [Digest]) -> [String] {
        Set(owners(of: digests).flatMap { names[$0] ?? [] }).sorted()
    }

    /// The blobs, and all manifests that they are part of.
    func owners(of digests: [Digest]) -> Set<Digest> {
        var seen = Set(digests)
        var queue = digests
        while let next = queue.popLast() {
            for parent in parents[next] ?? [] where seen.insert(parent).inserted { queue.append(parent) }
        }
        return seen
    }
}

/// The blobs that an archive lists, wherever they are.
struct ListedBlobs: Sendable {
    private let map: ArchiveMap
    /// Those that stand elsewhere.
    private let others: [Digest: ArchivedBlob]

    init(_ map: ArchiveMap) {
        self.map = map
        others =
            map.contents.lineage.isWhole
            ? [:]
            : Dictionary(
                map.contents.blobs.filter { !map.contents.isHere($0) }.map { ($0.digest, $0) },
                uniquingKeysWith: { first, _ in first })
    }

    subscript(digest: Digest) -> ArchivedBlob? { map.slotNumbers[digest].map { map.blobs[$0] } ?? others[digest] }
}

extension ArchiveContents {
    /// What is wrong with what the contents say of the volumes: all of it follows from the lists.
    ///
    /// - Parameter id: of these contents.
    func lineageFaults(of id: Digest) -> [String] {
        guard let volume = lineage.volume else { return [] }
        var faults: [String] = []
        var whole = self
        whole.lineage.volume = nil
        for number in whole.blobs.indices { whole.blobs[number].volume = nil }
        whole.needs = whole.lineage.isWhole ? [] : whole.needs.map { ImageNeeds(base: $0.base) }
        if whole.id != volume.whole { faults.append("the whole that it is a volume of is not \(volume.whole)") }
        if let first = volume.first {
            var one = self
            one.lineage.volume = VolumeNumber(number: 1, count: volume.count, first: nil, whole: volume.whole)
            if one.id != first { faults.append("the first volume of what it lists is not \(first)") }
        }
        return faults
    }

    /// The id of these contents, with the files of the front that follow from them.
    private var id: Digest {
        var contents = self
        contents.files = ArchivePlan.files(of: contents)
        return Digest(of: contents.encoded())
    }
}
