import OCI
import Synchronization

/// An archive that is being written in volumes, each a file of its own: they get their names together, at the end.
public final class VolumesTarget: Sendable {
    /// The path of the archive as it would be undivided; the volumes are beside it.
    public let path: String
    private let volumeSize: Int64
    private let format: ArchiveFormat
    private let fileSystem: any FileSystem
    private let replaces: Bool
    private let base: BaseContents?
    private let state = Mutex(State())

    private struct State {
        var volumes: [ArchiveTarget] = []
        /// The volume of every blob.
        var numbers: [Digest: Int] = [:]
        var whole: Digest?
        var inBase: Set<Digest> = []
        /// Volumes of another number of them, which go when these have their names.
        var outdated: [String] = []
        /// What an interrupted run that would have had another number of volumes has left: it goes then too.
        var remains: [VolumeRemains] = []
    }

    /// - Parameters:
    ///   - volumeSize: the most bytes of a file.
    ///   - replace: whether volumes that hold something else may be replaced.
    ///   - base: what the archive is to build on: it then holds only what that lacks.
    /// - Throws: `ArchiveError` `.usage` for a suffix that is no archive's, standard output, or volumes too small.
    public init(
        path: String, volumeSize: Int64, fileSystem: any FileSystem = LocalFileSystem(), replace: Bool = false,
        since base: BaseContents? = nil
    ) throws {
        guard path != "-" else {
            throw ArchiveError.usage("standard output is one stream, and takes no volumes", advice: "--to FILE.tar")
        }
        guard let format = ArchiveFormat(suffixOf: path) else {
            throw ArchiveError.usage(
                "\(shown(path, limit: 1000)) does not end like an archive",
                advice: "a name that ends with .tar, .tar.gz, .tar.zst or .tar.xz")
        }
        guard volumeSize >= ArchiveDivision.sizeMinimum else {
            throw ArchiveError.usage(
                "volumes of \(volumeSize) bytes are too small", advice: "\(ArchiveDivision.sizeMinimum) bytes or more")
        }
        self.path = path
        self.volumeSize = volumeSize
        self.format = format
        self.fileSystem = fileSystem
        replaces = replace
        self.base = base
    }

    fileprivate func volume(of blob: Digest) throws -> ArchiveTarget? {
        try state.withLock { state throws(ArchiveError) in
            if state.inBase.contains(blob) { return nil }
            guard let number = state.numbers[blob] else {
                throw ArchiveError(.internal, "\(blob) is not in the plan of \(path)")
            }
            return state.volumes[number - 1]
        }
    }
}

extension VolumesTarget: PlannedTarget {
    public var name: String { shown(path, limit: 1000) }

    public var isSequential: Bool { false }

    public func begin(
        _ images: [PlannedImage], reading manifest: @escaping @Sendable (Digest) async throws -> Manifest
    ) async throws -> [Descriptor] {
        let draft = try await ArchiveDraft(images, since: base, reading: manifest)
        let plans = try ArchiveDivision(draft: draft, volumeSize: volumeSize, format: format, archive: name).plans()
        let outdated = try await checkNames(count: plans.count)
        let remains = try await VolumeRemains.find(beside: path, unlike: plans.count, fileSystem)
        state.withLock { $0.remains = remains }
        var order: [Descriptor] = []
        for (number, plan) in zip(1..., plans) {
            let file = VolumeName(of: path, number: number, count: plans.count).path
            let volume = try ArchiveTarget(path: file, format: format, fileSystem: fileSystem, replace: replaces)
            do {
                order += try await volume.begin(plan, others: remains.compactMap(\.blobs), reading: manifest)
            } catch {
                await abort()
                throw error
            }
            state.withLock { state in
                state.volumes.append(volume)
                for blob in plan.map.blobs { state.numbers[blob.digest] = number }
            }
        }
        state.withLock { state in
            state.whole = plans[0].map.contents.lineage.volume?.whole
            state.inBase = plans[0].inBase
            state.outdated = outdated
        }
        return order
    }

    /// - Returns: what stands in the way and may be replaced: the archive undivided, or other volumes of it.
    /// - Throws: `ArchiveError` `.conflict` if it may not.
    private func checkNames(count: Int) async throws -> [String] {
        var others = try await VolumeSearch(fileSystem).volumes(of: path).filter {
            VolumeName(parsing: $0)?.count != count
        }
        if try await fileSystem.status(path, followLinks: true) != nil { others.append(path) }
        guard let first = others.first else { return [] }
        guard replaces else {
            throw ArchiveError(
                .conflict,
                "\(shown(first, limit: 1000)) exists, which is \(name) in another number of volumes than \(count)",
                advice: "another name, or --force to replace it")
        }
        return others
    }

    public func target(_ repository: RepositoryName) throws -> any ImageTarget {
        VolumesRepository(archive: self, repository: repository)
    }

    public func commit() async throws -> Digest {
        let (volumes, whole, outdated) = state.withLock { ($0.volumes, $0.whole, $0.outdated) }
        guard let whole else { throw ArchiveError(.internal, "\(path) is not being written") }
        for volume in volumes { try await volume.seal() }
        for volume in volumes { _ = try await volume.publish() }
        for path in outdated { try await fileSystem.remove(path) }
        for remains in state.withLock({ $0.remains }) {
            try await fileSystem.remove(remains.path)
            try await remains.file.close()
        }
        return whole
    }

    public func abort() async {
        let (volumes, remains) = state.withLock { state in
            defer { state.remains = [] }
            return (state.volumes, state.remains)
        }
        for volume in volumes { await volume.abort() }
        for remains in remains { await afterFailure { try await remains.file.close() } }
    }

    public var notes: [String] {
        let volumes = state.withLock { $0.volumes }
        guard let first = volumes.first, let last = volumes.last else { return [] }
        let files =
            volumes.count == 1
            ? shown(first.path, limit: 1000)
            : "\(shown(first.path, limit: 1000)) to \(shown(last.path, limit: 1000))"
        var notes = ["\(volumes.count == 1 ? "1 volume" : "\(volumes.count) volumes"), all of them needed: \(files)"]
        if let base {
            notes.append(
                "they build on \(base.base.description): that, or a registry that has its images, is needed to read them"
            )
        }
        return notes
    }
}

/// One repository of an archive that is being written in volumes.
private struct VolumesRepository: ResumableTarget {
    let archive: VolumesTarget
    let repository: RepositoryName

    var name: String { archive.path }

    func find(_ reference: TagOrDigest) -> Descriptor? { nil }

    func contains(_ blob: Descriptor) async throws -> Bool {
        guard let volume = try archive.volume(of: blob.digest) else { return true }
        return try await volume.target(repository).contains(blob)
    }

    func begun(_ blob: Descriptor) async throws -> Prefix? {
        guard let volume = try archive.volume(of: blob.digest) else { return nil }
        return try await (volume.target(repository) as? any ResumableTarget)?.begun(blob)
    }

    func write(_ content: Content) async throws {
        try await archive.volume(of: content.descriptor.digest)?.target(repository).write(content)
    }

    func push(_ manifest: Manifest, tags: [Tag]) async throws {
        try await archive.volume(of: manifest.descriptor.digest)?.target(repository).push(manifest, tags: tags)
    }
}

/// A partial volume that nobody is at work on, of another number of volumes than there will be.
private struct VolumeRemains: Sendable {
    let path: String
    /// Locked as long as it is open.
    let file: any File
    /// What can be taken from it; nil if nothing can.
    let blobs: PartialRemains?

    static func find(
        beside archive: String, unlike count: Int, _ fileSystem: any FileSystem
    ) async throws -> [VolumeRemains] {
        var found: [VolumeRemains] = []
        for path in try await VolumeSearch(fileSystem).partials(of: archive) {
            let volume = [".partial", ".partial.old"].first(where: path.hasSuffix).map { path.dropLast($0.count) }
            guard let volume, VolumeName(parsing: String(volume))?.count != count,
                try await fileSystem.status(path, followLinks: false)?.kind == .file
            else { continue }
            let file = try await fileSystem.open(path, .readWrite)
            guard try await file.lock() else {
                try await file.close()
                continue
            }
            found.append(
                VolumeRemains(path: path, file: file, blobs: try await PartialRemains.read(file, path: path)))
        }
        return found
    }
}
