import NIOCore
import OCI

/// A backup as a store: the images that its record names, with the blobs of its set.
///
/// Nothing but what the record lists is given out, and the bytes of that are checked as they pass.
public struct BackupSource: Sendable {
    public let set: BackupSet
    public let backup: Backup
    /// What was wanted in the backup and is not in it.
    public let missing: [MissingImage]
    let named: [NamedImage]
    let blobs: [Digest: ArchivedBlob]
    /// What refers to each manifest that is referred to, sorted.
    let referrers: [Digest: [Digest]]
    private let byRepository: [RepositoryName: [NamedImage]]

    init(_ record: BackupRecord, backup: Backup, in set: BackupSet) throws {
        self.set = set
        self.backup = backup
        named = record.images
        missing = record.missing
        byRepository = Dictionary(grouping: record.images, by: \.repository)
        var blobs: [Digest: ArchivedBlob] = [:]
        blobs.reserveCapacity(record.blobs.count)
        var referrers: [Digest: [Digest]] = [:]
        for blob in record.blobs {
            guard blobs.updateValue(blob, forKey: blob.digest) == nil else {
                throw ArchiveError.damaged("\(set.place(of: backup.file)) lists \(blob.digest) twice")
            }
            if let subject = blob.subject { referrers[subject, default: []].append(blob.digest) }
        }
        self.blobs = blobs
        self.referrers = referrers.mapValues { $0.sorted() }
    }

    /// Which backup it is, for people: `backup 0123456789ab of 2026-11-21T02:00:00Z`.
    public var summary: String { "backup \(backup.name) of \(backup.moment)" }

    /// The blob's line in the record.
    ///
    /// - Throws: `ArchiveError` `.damaged` if the record has none of that digest and size.
    func listed(_ blob: Descriptor) throws -> ArchivedBlob {
        guard let found = blobs[blob.digest] else {
            throw ArchiveError.damaged(
                "\(name) lacks \(blob.digest), to which an image in it points",
                advice: "--platform, if it holds some platforms of an image only")
        }
        guard found.size == blob.size else {
            throw ArchiveError.damaged("blob \(blob.digest) has \(found.size) bytes in \(name), want \(blob.size)")
        }
        return found
    }

    func manifest(_ digest: Digest) async throws -> Manifest? {
        guard let blob = blobs[digest], blob.role == .manifest else { return nil }
        return try await manifest(blob.descriptor)
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        let blob = try listed(descriptor)
        guard blob.size <= Manifest.sizeLimit else {
            throw ArchiveError.policy(
                "manifest \(blob.digest) has \(blob.size) bytes, the limit is \(Manifest.sizeLimit)")
        }
        let bytes = try await read(descriptor, after: nil) { try await $0.collect(upTo: Manifest.sizeLimit) }
        return try Manifest(bytes, as: descriptor, from: name)
    }

    func images(of repository: RepositoryName) throws -> RepositoryImages {
        try RepositoryImages(byRepository[repository] ?? [], of: repository, in: name)
    }
}

extension BackupSet {
    /// A backup as a store.
    ///
    /// - Throws: as `record`.
    public func source(of backup: Backup) async throws -> BackupSource {
        try BackupSource(try await record(backup), backup: backup, in: self)
    }
}
