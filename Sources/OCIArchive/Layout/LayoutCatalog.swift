import NIOCore
import OCI

/// The list of images of one folder, in memory and in `index.json`; the only one who writes that file.
///
/// The file is read again when another process has replaced it; what we have not written yet is applied on top.
actor LayoutCatalog {
    /// The longest wait for another process to finish its write of the list.
    private static let lockPatience = Duration.seconds(10)
    private static let lockInterval = Duration.milliseconds(20)
    /// While gathering, writing the list takes at most about a twentieth of the time, and not more than once a second.
    private static let leastInterval: Int64 = 1000
    private static let intervalFactor: Int64 = 20

    nonisolated let folder: LayoutFolder
    private let defaultRepository: RepositoryName?
    private let isGathering: Bool
    private let isWritable: Bool

    private var index = LayoutIndex()
    /// Counts the states of `index`.
    private(set) var generation = 0
    private var stamp: String?
    private var pending: [LayoutIndex.Change] = []
    private var changed = 0
    private var written = 0
    private var writing: Task<Void, any Error>?
    private var loading: Task<Void, any Error>?
    private var lastWrite: (ended: Int64, took: Int64) = (0, 0)

    init(folder: LayoutFolder, defaultRepository: RepositoryName?, isGathering: Bool, isWritable: Bool) {
        self.folder = folder
        self.defaultRepository = defaultRepository
        self.isGathering = isGathering
        self.isWritable = isWritable
    }

    /// The list as it is now, with what is not written yet.
    func current() async throws -> LayoutIndex {
        if writing == nil { try await refresh() }
        return index
    }

    /// All that the list names, and the count of the state that it is of.
    func roots() async throws -> ([Descriptor], generation: Int) {
        let entries = try await current().entries
        return (entries.map(\.descriptor), generation)
    }

    /// Changes the list: durably, or, while gathering, with the next write.
    func change(_ changes: [LayoutIndex.Change]) async throws {
        if stamp == nil, written == 0 { try await refresh() }
        for change in changes { index.apply(change) }
        pending += changes
        changed += 1
        generation += 1
        if !isGathering || isDue { try await flush() }
    }

    /// Returns when everything changed so far is in the file; callers at the same time share a write.
    func flush() async throws {
        let wanted = changed
        while written < wanted {
            let task = writing ?? startWriting()
            try await task.value
        }
    }

    private var isDue: Bool {
        folder.surroundings.now() - lastWrite.ended
            >= max(Self.leastInterval, lastWrite.took * Self.intervalFactor)
    }

    // Unstructured, so that a caller who is cancelled leaves nothing half done for the others who wait.
    private func startWriting() -> Task<Void, any Error> {
        let task = Task {
            defer { self.writing = nil }
            try await self.write()
        }
        writing = task
        return task
    }

    private func write() async throws {
        let started = folder.surroundings.now()
        let lock = try await lockFolder()
        try await closing(lock) {
            try await refresh()
            let (bytes, number, count) = (index.bytes, changed, pending.count)
            try await folder.syncBlobs()
            // The marker comes last: a folder that says that it is a layout has its list.
            stamp = try await folder.replace(folder.indexPath, with: bytes)
            try await folder.mark()
            try await folder.files.syncFolder(folder.path)
            written = number
            pending.removeFirst(count)
        }
        let ended = folder.surroundings.now()
        lastWrite = (ended, ended - started)
    }

    private func lockFolder() async throws -> any File {
        var waited = Duration.zero
        while waited < Self.lockPatience {
            if let lock = try await folder.openWorkFile(folder.lockPath, .readWrite) { return lock }
            try await folder.surroundings.sleep(for: Self.lockInterval)
            waited += Self.lockInterval
        }
        throw ArchiveError(
            .locked, "another process is writing \(shown(folder.indexPath))",
            advice: "wait until it has ended, and run it again")
    }

    private func refresh() async throws {
        while let running = loading { try await running.value }
        let now = try await folder.status(folder.indexPath)
        if now != nil, now?.stamp == stamp { return }
        if let running = loading { return try await running.value }
        let task = Task {
            defer { self.loading = nil }
            try await self.load()
        }
        loading = task
        try await task.value
    }

    private func load() async throws {
        guard let (bytes, status) = try await folder.read(folder.indexPath, upTo: LayoutIndex.sizeLimit) else {
            if isWritable, try await folder.status(folder.markerPath) == nil { return }
            throw ArchiveError(
                .damaged, "\(shown(folder.path)) has no index.json",
                advice: "the folder is an incomplete OCI layout; write it again, or restore it from elsewhere")
        }
        var fresh = try LayoutIndex(
            parsing: bytes, in: shown(folder.indexPath), defaultRepository: defaultRepository)
        for change in pending { fresh.apply(change) }
        index = fresh
        stamp = status.stamp
        generation += 1
    }
}
