import OCI
import OCIArchive

/// How a definition or a command wants one archive to be written or read; what is nil is as it is for all.
public struct ArchiveSettings: Sendable, Hashable {
    /// The most bytes of a file, where it is written in volumes.
    public var volumeSize: Int64?
    /// What it is to build on where it is written: an archive, the contents of one in a file, or a backup.
    public var since: StoreDefinition?
    /// What a delta builds on, where it is read.
    public var bases: [StoreDefinition] = []
    /// The backup set that it is to join, which may have what a delta builds on.
    public var joinedSet: String?

    public init() {}

    /// Reads `50GB`, `4700MB`, `650MiB`, or bytes without a unit.
    ///
    /// - Throws: `LifeboatError` `.policy` for anything else.
    public static func volumeSize(_ text: String) throws(LifeboatError) -> Int64 { try Quantity.size(text) }
}

extension RunEnvironment {
    /// What the archive of a store is to be like.
    func archiveSettings(_ definition: StoreDefinition) -> ArchiveSettings {
        settings.archives[definition] ?? ArchiveSettings()
    }

    /// The archive at `path`, together with what it builds on if that was given.
    func openedArchive(_ path: String) async throws -> any ImageCatalog {
        let opened = try await openArchive(path, archiveOpening)
        let bases = archiveSettings(.archive(path: path)).bases
        if bases.isEmpty { return try await joined(opened, archiveSettings(.archive(path: path)).joinedSet) }
        guard let delta = opened as? any LinkedArchive, delta.lineage.base != nil else {
            throw LifeboatError(
                .usage, "\(opened.name) builds on nothing, so there is no use for --base (base:) with it",
                advice: "leave --base out")
        }
        var catalogs: [any ImageCatalog] = []
        for base in bases { catalogs.append(try await openedBase(base, of: opened)) }
        return try await delta.building(on: catalogs)
    }

    /// A delta with the backup of a set that it builds on, or the latest, if that has the same blobs.
    private func joined(_ opened: any ImageCatalog, _ path: String?) async throws -> any ImageCatalog {
        guard let path, let delta = opened as? any LinkedArchive, let base = delta.lineage.base else { return opened }
        let set = try await BackupSet.open(path, surroundings: surroundings, files: fileSystem)
        let backups = try await set.backups()
        guard let backup = backups.first(where: { $0.id == base.id }) ?? backups.last else { return opened }
        return try await delta.building(on: [try await set.source(of: backup)])
    }

    private func openedBase(_ base: StoreDefinition, of delta: any ImageCatalog) async throws -> any ImageCatalog {
        switch base {
        case .archive(let path): return try await openArchive(path, archiveOpening)
        case .layout(let path): return try await openedLayout(path)
        case .backups(let path, let at):
            // A definition says only that it is a folder.
            guard try await BackupSet.isSet(path, in: fileSystem) else { return try await openedLayout(path) }
            return try await openedBackup(path, at)
        case .registry:
            throw LifeboatError(
                .usage, "\(base.description) cannot be what \(delta.name) builds on",
                advice: "an archive or a layout folder; a registry that has its images needs no --base")
        }
    }

    func openedBackup(_ path: String, _ at: String?) async throws -> BackupSource {
        let set = try await BackupSet.open(path, surroundings: surroundings, files: fileSystem)
        return try await set.source(of: try await set.find(at ?? "latest"))
    }

    private func base(_ path: String, _ at: String?) async throws -> BaseContents {
        let set = try await BackupSet.open(path, surroundings: surroundings, files: fileSystem)
        let backup = try await set.find(at ?? "latest")
        let record = try await set.record(backup)
        return BaseContents(
            ArchiveBase(id: backup.id, name: ArchiveBase.backupPrefix + backup.name, time: backup.header.ended),
            images: record.images, blobs: record.blobs.map(\.digest))
    }

    func openedLayout(_ path: String) async throws -> Layout {
        try await Layout.open(
            path, defaultRepository: defaultRepository, surroundings: surroundings, files: fileSystem)
    }

    /// The archive that will be written to `path`: whole or in volumes, full or a delta.
    func archiveTarget(_ path: String, replacesFile: Bool) async throws -> any PlannedTarget {
        let settings = archiveSettings(.archive(path: path))
        let base: BaseContents? =
            switch settings.since {
            case .archive(let path): try await BaseContents.read(path, archiveOpening)
            case .backups(let path, let at): try await base(path, at)
            case nil: nil
            case let other?:
                throw LifeboatError(
                    .usage, "\(other.description) cannot be what a delta builds on, since it has no id",
                    advice: "an archive, the lifeboat/contents of one, or a backup")
            }
        guard let volumeSize = settings.volumeSize else {
            return try ArchiveTarget(path: path, fileSystem: fileSystem, replace: replacesFile, since: base)
        }
        return try VolumesTarget(
            path: path, volumeSize: volumeSize, fileSystem: fileSystem, replace: replacesFile, since: base)
    }
}
