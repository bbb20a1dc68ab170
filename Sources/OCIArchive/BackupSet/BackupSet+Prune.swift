import NIOCore
import OCI
import Synchronization

extension BackupSet {
    /// How long blobs stay in the trash unless somebody says otherwise, in seconds: three days.
    public static let defaultGrace: Int64 = 3 * 86_400

    /// Puts blobs that no backup needs into the trash, and deletes what was there for longer than `grace`.
    ///
    /// Whatever stops it, every blob that a backup needs is in its place, or is put back by the next run.
    ///
    /// - Parameters:
    ///   - grace: seconds; with 0 nothing goes into the trash, it is deleted at once.
    ///   - isDryRun: whether to say only what would be done. No lock is taken then.
    /// - Throws: `ArchiveError`: `.locked` while another process writes, `.damaged` if a record cannot be read or is
    ///   missing, `.policy` if a backup is suspect or the clock is behind; `FileError`.
    @discardableResult
    public func prune(grace: Int64 = BackupSet.defaultGrace, isDryRun: Bool = false) async throws -> PruneReport {
        if isDryRun {
            var pruning = Pruning(set: self, grace: grace, isDryRun: true)
            return try await pruning.run()
        }
        return try await locked(shared: false) {
            var pruning = Pruning(set: self, grace: grace, isDryRun: false)
            return try await pruning.run()
        }
    }
}

/// One pruning of a set, by whoever holds its lock alone.
struct Pruning {
    private let set: BackupSet
    private let grace: Int64
    private let isDryRun: Bool
    private let now: Int64
    private var blobs = NeededBlobs()
    private var report = PruneReport()
    /// Names that are no blobs and are left alone, of which the first few are said.
    private var others: [String] = []

    private static let othersSaid = 5

    init(set: BackupSet, grace: Int64, isDryRun: Bool) {
        self.set = set
        self.grace = grace
        self.isDryRun = isDryRun
        now = set.now
    }

    mutating func run() async throws -> PruneReport {
        let state = try await set.state()
        try check(state)
        if !isDryRun {
            try await set.folder.sweep()
            try await set.writeNewestIndex()
        }
        // Of the trash too: what is needed there is taken back, what is not may be deleted.
        let trash = try await set.trashFolders()
        others += trash.others
        try await list(set.path + "/blobs")
        for folder in trash.folders { try await list(folder.path) }
        blobs.sort()
        let backups = state.backups
        report.backups = backups.count
        blobs = try await mark(blobs, of: backups)
        for folder in trash.folders { try await empty(folder.path, filled: folder.moment) }
        try await discard()
        if let first = others.first {
            let more = others.count > 1 ? " and \(others.count - 1) more" : ""
            report.notes.append("left alone, since it is no blob: \(shown(first, limit: 1000))\(more)")
        }
        return report
    }

    /// Marks what the backups need, as many of them at a time as there are processors.
    private func mark(_ blobs: NeededBlobs, of backups: [Backup]) async throws -> NeededBlobs {
        let marked = Mutex(blobs)
        try await forEach(backups, limit: System.coreCount) { backup in
            do {
                try await set.forEachBlobs(of: backup) { needed in
                    marked.withLock { marked in for blob in needed { marked.mark(blob.digest) } }
                }
            } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
                throw refusal(error.description, advice: set.adviceAbout(record: backup.file))
            }
        }
        return marked.withLock { $0 }
    }

    private func refusal(_ reason: String, advice: String) -> ArchiveError {
        .damaged("\(set.name) is not pruned: \(reason)", advice: advice)
    }

    private func check(_ state: BackupSetState) throws {
        if let alarm = state.alarms.first(where: { $0.kind != .damagedEvidence }) {
            throw refusal(alarm.description, advice: alarm.advice)
        }
        if let suspect = state.backups.first(where: state.isSuspect) {
            throw ArchiveError.policy(
                "\(set.name) is not pruned: backup \(suspect.name) of \(suspect.moment) is suspect: "
                    + shown(suspect.header.suspect ?? "", limit: 300),
                advice: "if the source has really lost that much: lifeboat backups accept \(set.name) \(suspect.name); "
                    + "if not: lifeboat forget \(set.name) \(suspect.name)")
        }
        if let newest = state.backups.last, newest.header.ended > now {
            throw ArchiveError.policy(
                "\(set.name) is not pruned: the clock says \(Moment(now)), and the newest backup is of \(newest.moment)",
                advice: "set the clock; nothing is forgotten or pruned by a clock that is behind")
        }
    }

    // MARK: What is there

    private mutating func list(_ folder: String) async throws {
        for algorithm in Digest.Algorithm.allCases {
            let path = folder + "/" + algorithm.rawValue
            guard try await set.files.status(path, followLinks: false)?.kind == .folder else { continue }
            let reader = try await set.files.openFolder(path)
            while case let names = try await reader.next(), !names.isEmpty {
                others += blobs.add(names, of: algorithm).map { path + "/" + $0 }
            }
        }
    }

    // MARK: The trash

    /// Takes back what is needed, and deletes the rest if it has been there for long enough.
    private mutating func empty(_ folder: String, filled: Moment) async throws {
        // Filled in the future: the clock went back. It waits.
        let isDue = filled.seconds <= now && now - filled.seconds >= grace
        for algorithm in Digest.Algorithm.allCases {
            let path = folder + "/" + algorithm.rawValue
            guard try await set.files.status(path, followLinks: false)?.kind == .folder else { continue }
            var isChanged = false
            let reader = try await set.files.openFolder(path)
            while case let names = try await reader.next(), !names.isEmpty {
                for name in names {
                    let need = blobs.need(of: name, algorithm)
                    guard need != .unknown,
                        let status = try await set.files.status(path + "/" + name, followLinks: false)
                    else { continue }
                    let place = "\(set.path)/blobs/\(algorithm.rawValue)/\(name)"
                    if need == .needed, try await set.files.status(place, followLinks: false) == nil {
                        report.takenBack.add(status.size)
                        if !isDryRun { try await set.files.rename(path + "/" + name, to: place) }
                        isChanged = true
                    } else if isDue {
                        report.freed.add(status.size)
                        if !isDryRun { try await set.files.remove(path + "/" + name) }
                        isChanged = true
                    } else {
                        wait(status.size, until: filled)
                    }
                }
            }
            guard isChanged, !isDryRun else { continue }
            if report.takenBack.blobs > 0 { try await set.files.syncFolder(set.path + "/blobs/" + algorithm.rawValue) }
            try await set.files.syncFolder(path)
            try await removeIfEmpty(path)
        }
        if !isDryRun { try await removeIfEmpty(folder) }
    }

    private mutating func wait(_ size: Int64, until filled: Moment) {
        report.waiting.add(size)
        let due = Moment(filled.seconds + grace)
        if report.freedNext.map({ due < $0 }) ?? true { report.freedNext = due }
    }

    private func removeIfEmpty(_ folder: String) async throws {
        guard try await set.files.list(folder).isEmpty else { return }
        try await set.files.remove(folder)
    }

    /// Puts what no backup needs into the trash.
    private mutating func discard() async throws {
        let trash = set.trashPath + "/" + Moment(now).compact
        for algorithm in Digest.Algorithm.allCases {
            let path = set.path + "/blobs/" + algorithm.rawValue
            guard try await set.files.status(path, followLinks: false)?.kind == .folder else { continue }
            let target = trash + "/" + algorithm.rawValue
            var isBegun = false
            let reader = try await set.files.openFolder(path)
            while case let names = try await reader.next(), !names.isEmpty {
                for name in names {
                    switch blobs.need(of: name, algorithm) {
                    case .unknown: continue
                    case .needed:
                        report.kept += 1
                        continue
                    case .unneeded: break
                    }
                    guard let status = try await set.files.status(path + "/" + name, followLinks: false) else {
                        continue
                    }
                    guard grace > 0 else {
                        report.freed.add(status.size)
                        if !isDryRun { try await set.files.remove(path + "/" + name) }
                        continue
                    }
                    report.trashed.add(status.size)
                    wait(status.size, until: Moment(now))
                    guard !isDryRun else { continue }
                    if !isBegun { try await set.files.createFolder(target) }
                    isBegun = true
                    try await set.files.rename(path + "/" + name, to: target + "/" + name)
                }
            }
            guard isBegun else { continue }
            try await set.files.syncFolder(target)
            try await set.files.syncFolder(path)
            try await set.files.syncFolder(trash)
            try await set.files.syncFolder(set.trashPath)
        }
    }
}
