import OCI
import OCIArchive

/// Answers questions about many backups of a set.
public protocol BackupIndex: Sendable {
    /// Which digests a tag pointed to, in which backups.
    ///
    /// - Parameter backups: all of the set, oldest first.
    /// - Throws: a `Failure` if it cannot be said.
    func spans(of name: TagName, in set: BackupSet, _ backups: [Backup]) async throws -> [TagSpan]

    /// Which backups have a digest, and which images it is.
    func holders(of digest: Digest, in set: BackupSet, _ backups: [Backup]) async throws -> DigestHolders
}

/// The records themselves, each read as a whole: always right, and slow where there are many.
public struct RecordIndex: BackupIndex {
    public init() {}

    public func spans(of name: TagName, in set: BackupSet, _ backups: [Backup]) async throws -> [TagSpan] {
        var found = OpenSpans<TagSpan>()
        for (place, backup) in backups.enumerated() {
            try await set.forEachImage(of: backup) { image in
                guard name.names(image) else { return }
                found.add(
                    TagSpan(
                        registry: image.registry, digest: image.descriptor.digest,
                        span: BackupSpan(first: 0, last: 0)), at: place)
            }
        }
        return found.spans.map { key, span in TagSpan(registry: key.registry, digest: key.digest, span: span) }
    }

    public func holders(of digest: Digest, in set: BackupSet, _ backups: [Backup]) async throws -> DigestHolders {
        var holders = DigestHolders(digest)
        var images = OpenSpans<NamedImage>()
        var blobs = OpenSpans<Digest>()
        for (place, backup) in backups.enumerated() {
            try await set.forEachBlob(of: backup) { blob in
                guard blob.digest == digest else { return }
                (holders.role, holders.size) = (blob.role, blob.size)
                blobs.add(digest, at: place)
            }
            guard blobs.spans.last?.span.last == place else { continue }
            try await set.forEachImage(of: backup) { image in
                if image.descriptor.digest == digest { images.add(image, at: place) }
            }
        }
        holders.spans = blobs.spans.map(\.span)
        holders.images = images.spans.map { DigestHolders.Image(image: $0.key, span: $0.span) }
        return holders
    }
}

/// Puts together in which backups something is, told backup by backup.
struct OpenSpans<Key: Hashable> {
    /// In the order in which they began.
    private(set) var spans: [(key: Key, span: BackupSpan)] = []
    private var newest: [Key: Int] = [:]

    mutating func add(_ key: Key, at place: Int) {
        if let number = newest[key], spans[number].span.last >= place - 1 {
            spans[number].span.last = place
        } else {
            newest[key] = spans.count
            spans.append((key, BackupSpan(first: place, last: place)))
        }
    }
}

extension DigestHolders {
    /// The most manifests that are looked through for who needs a blob.
    static let manifestLimit = 200_000

    /// Images that need a blob which is no image itself, of one backup that has it.
    public static func users(of digest: Digest, in backup: Backup, of set: BackupSet) async throws -> [NamedImage] {
        let source = try await set.source(of: backup)
        var users: [NamedImage] = []
        var reach: [Digest: Bool] = [:]
        for image in source.images() {
            let reader = try source.source(image.repository)
            if try await reaches(digest, from: image.descriptor, reader, &reach) { users.append(image) }
        }
        return users
    }

    private static func reaches(
        _ wanted: Digest, from descriptor: Descriptor, _ reader: any ImageSource, _ known: inout [Digest: Bool]
    ) async throws -> Bool {
        if descriptor.digest == wanted { return true }
        guard descriptor.mediaType.isManifest, known.count < manifestLimit else { return false }
        if let answer = known[descriptor.digest] { return answer }
        known[descriptor.digest] = false
        var answer = false
        do {
            let manifest = try await reader.manifest(descriptor)
            for child in manifest.children where !answer {
                answer = try await reaches(wanted, from: child, reader, &known)
            }
        } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
            return false  // left out on purpose, or damaged: verify says which
        }
        known[descriptor.digest] = answer
        return answer
    }
}
