import NIOCore
import OCI

/// An archive in a plain file, read from any place in it.
public struct ArchiveSource: Sendable {
    public let path: String
    /// Whether it ends with the seal of this Lifeboat's format: what others wrote never does.
    public let isSealed: Bool
    /// The sha256 of its contents; nil for what others wrote.
    public let id: Digest?
    /// What was passed over, for people.
    public let notes: [String]
    /// What is wrong with it as a whole, where it was opened for what can still be read in it.
    public private(set) var fault: ArchiveError?
    let file: any File
    let named: [NamedImage]
    let blobs: Blobs
    let referrers: ReferrerTable

    /// Where the blobs are.
    enum Blobs: Sendable {
        case planned(ArchiveMap)
        case found([Digest: Place])
    }

    struct Place: Sendable, Hashable {
        let contentOffset: Int64
        let size: Int64
    }

    /// An archive of ours, whose front and seal were read.
    init(_ map: ArchiveMap, file: any File, path: String, fault: ArchiveError? = nil) {
        self.init(
            path: path, isSealed: fault == nil, id: map.id, notes: [], file: file, named: map.contents.images,
            blobs: .planned(map),
            referrers: ReferrerTable {
                map.blobs.reduce(into: [:]) { table, blob in
                    if let subject = blob.subject { table[subject, default: []].append(blob.descriptor) }
                }
            })
        self.fault = fault
    }

    init(
        path: String, isSealed: Bool, id: Digest?, notes: [String], file: any File, named: [NamedImage], blobs: Blobs,
        referrers: ReferrerTable
    ) {
        self.path = path
        self.isSealed = isSealed
        self.id = id
        self.notes = notes
        self.file = file
        self.named = named
        self.blobs = blobs
        self.referrers = referrers
    }

    func place(_ digest: Digest) -> Place? {
        switch blobs {
        case .planned(let map):
            map.slotNumbers[digest].map { Place(contentOffset: map.slots[$0].contentOffset, size: map.slots[$0].size) }
        case .found(let places): places[digest]
        }
    }

    /// Where a blob is, its headers compared with what they should be.
    ///
    /// - Throws: `ArchiveError` `.damaged` for a blob that is not there, for another size, or changed headers.
    func checkedPlace(_ blob: Descriptor) async throws -> Place {
        guard let place = place(blob.digest) else {
            throw ArchiveError.damaged(
                "\(path) lacks \(blob.digest), to which an image in it points",
                advice: "--platform, if it holds some platforms of an image only")
        }
        guard place.size == blob.size else {
            throw ArchiveError.damaged("blob \(blob.digest) has \(place.size) bytes in \(path), want \(blob.size)")
        }
        if case .planned(let map) = blobs, let number = map.slotNumbers[blob.digest] {
            let header = map.header(number)
            guard try await file.read(at: map.slots[number].headerOffset, count: header.readableBytes) == header else {
                throw ArchiveError.damaged(
                    "\(path) is damaged: the header of blob \(blob.digest) at byte \(map.slots[number].headerOffset) "
                        + "is not what it should be",
                    advice: "lifeboat verify \(path) names all that is damaged")
            }
        }
        return place
    }

    /// The bytes of a blob, to be verified as they pass.
    func content(_ blob: Descriptor, after prefix: Prefix?) async throws -> Content {
        let place = try await checkedPlace(blob)
        let file = file
        return Content(blob, from: path, after: prefix) { send in
            let done = prefix?.count ?? 0
            try await file.forEachChunk(from: place.contentOffset + done, count: place.size - done) {
                try await send($0)
            }
        }
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        guard descriptor.size <= Manifest.sizeLimit else {
            throw ArchiveError.policy(
                "manifest \(descriptor.digest) has \(descriptor.size) bytes, the limit is \(Manifest.sizeLimit)")
        }
        let place = try await checkedPlace(descriptor)
        let bytes = try await file.read(at: place.contentOffset, count: Int(place.size))
        return try Manifest(bytes, as: descriptor, from: path)
    }

    public func close() async throws { try await file.close() }
}
