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
    let lost = LostBlobs()

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
    /// - Throws: as `record`; of a damaged record the advice names the backup to take instead.
    public func source(of backup: Backup) async throws -> BackupSource {
        do {
            return try BackupSource(try await record(backup), backup: backup, in: self)
        } catch let error as ArchiveError where error.kind == .damaged {
            guard let whole = try await newestWhole(before: backup) else { throw error }
            let instead =
                "the newest whole backup before it is of \(whole.moment): --backup \(whole.name) (in a definition "
                + "at: \(whole.name))"
            throw ArchiveError.damaged(
                error.description, advice: instead + (error.advice.map { "; " + $0 } ?? ""))
        }
    }

    /// The newest good backup before one whose record is damaged, of the same pipeline where it has any, whose own
    /// record is sound.
    private func newestWhole(before backup: Backup) async throws -> Backup? {
        let accepted = try await accepted()
        let before = try await backups().prefix { $0.id != backup.id }.filter { $0.isGood(accepted) }
        let own = before.filter { $0.header.pipeline == backup.header.pipeline }
        for candidate in (own.isEmpty ? before : own).reversed() {
            do {
                _ = try await record(candidate)
                return candidate
            } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
                continue
            }
        }
        return nil
    }
}
