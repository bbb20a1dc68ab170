import NIOCore
import OCI

extension ArchiveTarget: PlannedTarget {
    public var name: String { shown(path, limit: 1000) }

    public func begin(
        _ images: [PlannedImage], reading manifest: @escaping @Sendable (Digest) async throws -> Manifest
    ) async throws -> [Descriptor] {
        try await begin(
            try await ArchivePlan(images, archive: path, since: base, reading: manifest), reading: manifest)
    }

    /// Takes a plan that was made before, such as that of a volume.
    ///
    /// - Parameters:
    ///   - others: what interrupted runs have left under other names.
    ///   - damaged: the very archive of this plan, which is to be replaced by a whole one.
    func begin(
        _ plan: ArchivePlan, others: [PartialRemains] = [], repairing damaged: PartialRemains? = nil,
        reading manifest: @escaping @Sendable (Digest) async throws -> Manifest
    ) async throws -> [Descriptor] {
        let ledger = SlotLedger(count: plan.map.slots.count)
        if isPipe {
            let writer = PipeWriter(plan, try await fileSystem.standardOutput())
            try await start(Session(plan: plan, ledger: ledger, writer: writer, found: nil), manifest)
            return plan.blobs
        }
        let found = try await fileSystem.status(path, followLinks: true)
        if damaged == nil, try await checkName(plan) {
            try await removeRemains()
            await ledger.complete(0..<plan.map.slots.count)
            enter(Session(plan: plan, ledger: ledger, writer: nil, found: found))
            return []
        }
        let partial = try await openPartial()
        let (writer, remains) = try await open(plan, partial)
        do {
            try await start(
                Session(
                    plan: plan, ledger: ledger, writer: writer, found: found, remains: remains,
                    others: others + (damaged.map { [$0] } ?? [])),
                manifest, repairing: damaged)
        } catch {
            await afterFailure {
                try await remains?.close()
                // Not even an empty file stays of what never began.
                if try await self.fileSystem.status(self.partialPath, followLinks: false)?.size == 0 {
                    try await self.fileSystem.remove(self.partialPath)
                }
                try await writer.close()
            }
            throw error
        }
        return plan.blobs
    }

    private func start(
        _ session: Session, _ manifest: @Sendable (Digest) async throws -> Manifest,
        repairing damaged: PartialRemains? = nil
    ) async throws {
        guard let writer = session.writer else { return }
        let (map, ledger) = (session.plan.map, session.ledger)
        try await writer.start(reading: manifest)
        await ledger.complete(0..<map.manifestCount)
        enter(session)
        for remains in [session.remains, damaged].compactMap(\.self) {
            try await remains.copyAll(to: writer) { digest in
                guard let number = map.slotNumbers[digest], await ledger.claim(number) else { return nil }
                guard try await !writer.holds(number) else {
                    await ledger.release(number, complete: true)
                    return nil
                }
                return number
            } done: { number, isComplete in
                await ledger.release(number, complete: isComplete)
            }
        }
    }

    // MARK: What earlier runs left

    /// What writes into the partial, going on where an earlier run of the same plan ended; and what one of another plan
    /// has left.
    private func open(_ plan: ArchivePlan, _ partial: any File) async throws -> (any ArchiveWriter, PartialRemains?) {
        var file = partial
        do {
            if let writer = try await resumed(plan, file) { return (writer, try await olderRemains()) }
            var remains: PartialRemains?
            if let found = try await PartialRemains.read(file, path: oldPath) {
                try await fileSystem.rename(partialPath, to: oldPath)
                remains = found
                file = try await openPartial()
            } else {
                remains = try await olderRemains()
            }
            if format == .plain { try await checkSpace(for: plan, file, &remains) }
            return (try await newWriter(plan, file), remains)
        } catch {
            let opened = file
            await afterFailure {
                if try await opened.status().size == 0 { try await self.fileSystem.remove(self.partialPath) }
                try await opened.close()
                try await partial.close()
            }
            throw error
        }
    }

    private func newWriter(
        _ plan: ArchivePlan, _ file: any File, after done: GroupResume = GroupResume()
    ) async throws -> any ArchiveWriter {
        guard format != .plain else { return PlainWriter(plan: plan, file: file, isResumed: false) }
        let (path, fileSystem) = (partialPath, fileSystem)
        return try await GroupWriter(plan, format, file, after: done) { try await fileSystem.open(path, .temporary) }
    }

    /// - Returns: nil if the file holds nothing of this very plan.
    private func resumed(_ plan: ArchivePlan, _ file: any File) async throws -> (any ArchiveWriter)? {
        if format == .plain {
            guard try await PlainWriter.canResume(plan, from: file) else { return nil }
            return PlainWriter(plan: plan, file: file, isResumed: true)
        }
        let done = try await GroupResume(plan, format, file)
        return done.count > 0 ? try await newWriter(plan, file, after: done) : nil
    }

    /// The partial of another plan that an earlier run has put aside.
    private func olderRemains() async throws -> PartialRemains? {
        guard try await fileSystem.status(oldPath, followLinks: false)?.kind == .file else { return nil }
        let file = try await fileSystem.open(oldPath, .read)
        if let remains = try await PartialRemains.read(file, path: oldPath) { return remains }
        try await file.close()
        return nil
    }

    /// - Parameter remains: given up where there is no room for both.
    private func checkSpace(
        for plan: ArchivePlan, _ file: any File, _ remains: inout PartialRemains?
    ) async throws {
        while true {
            // What the file holds already comes free as it is overwritten.
            let free = try await fileSystem.freeSpace(parentFolder(of: path)) + file.status().size
            if free >= plan.size { return }
            guard let old = remains else {
                throw ArchiveError(
                    .local, "\(shown(path, limit: 1000)) needs \(plan.size) bytes, \(free) are free",
                    advice: "free space on that file system, or write somewhere else")
            }
            try await old.close()
            try await fileSystem.remove(oldPath)
            remains = nil
        }
    }

    /// Nothing stays beside an archive that is there, unless somebody is at work on it.
    private func removeRemains() async throws {
        if try await fileSystem.status(partialPath, followLinks: false)?.kind == .file {
            let file: any File
            do {
                file = try await openPartial()
            } catch let error as ArchiveError where error.kind == .locked {
                return
            }
            try await fileSystem.remove(partialPath)
            try await file.close()
        }
        try await removeOld()
    }

    private func removeOld() async throws {
        guard try await fileSystem.status(oldPath, followLinks: false)?.kind == .file else { return }
        try await fileSystem.remove(oldPath)
    }

    /// Opens and locks the partial.
    private func openPartial() async throws -> any File {
        if let status = try await fileSystem.status(partialPath, followLinks: false), status.kind != .file {
            throw ArchiveError(
                .conflict, "\(shown(partialPath, limit: 1000)) is \(status.kind.article), want nothing or a file",
                advice: "move it away")
        }
        let file = try await fileSystem.open(partialPath, .readWrite)
        do {
            let status = try await file.status()
            // Whoever held the lock may have given the file its final name in between.
            guard try await file.lock(),
                let named = try await fileSystem.status(partialPath, followLinks: false),
                named.kind == .file, named.inode == status.inode, named.device == status.device
            else {
                throw ArchiveError(
                    .locked, "\(shown(path, limit: 1000)) is being written by another run",
                    advice: "wait until it ends, or another name")
            }
        } catch {
            await afterFailure { try await file.close() }
            throw error
        }
        return file
    }

    public func target(_ repository: RepositoryName) throws -> any ImageTarget {
        ArchiveTargetRepository(archive: self, repository: repository)
    }

    @discardableResult
    public func commit() async throws -> Digest {
        try await seal()
        return try await publish()
    }

    /// Completes the file beside its name.
    func seal() async throws {
        let session = try session()
        if let missing = await session.ledger.missing() {
            throw ArchiveError(
                .internal,
                "\(shown(path, limit: 1000)) is not complete: \(missing.count) blobs are missing, first "
                    + session.plan.map.blobs[missing.first].digest.description)
        }
        try await session.writer?.finish()
    }

    /// Gives a sealed file its name.
    func publish() async throws -> Digest {
        let session = try session()
        let id = session.plan.id
        guard let writer = session.writer else {
            _ = leave()
            return id
        }
        if !isPipe {
            try await checkUnchanged(session)
            try await fileSystem.rename(partialPath, to: path)
            try await fileSystem.syncFolder(parentFolder(of: path))
            try await removeOld()
        }
        _ = leave()
        try await session.remains?.close()
        try await writer.close()
        return id
    }

    /// What appeared under the name in the meantime is not replaced unasked.
    private func checkUnchanged(_ session: Session) async throws {
        let now = try await fileSystem.status(path, followLinks: true)
        guard replaces || now == nil || now?.stamp == session.found?.stamp else {
            throw ArchiveError(
                .conflict, "\(shown(path, limit: 1000)) has appeared or changed while the archive was written",
                advice: "move it away and run this again, which takes up what is done")
        }
    }

    public var notes: [String] {
        base.map {
            ["it builds on \($0.base.description): that, or a registry that has its images, is needed to read it"]
        } ?? []
    }

    public func abort() async {
        guard let session = leave(), let writer = session.writer else { return }
        // The partial is not trusted by anybody, so nothing depends on how it was closed.
        await afterFailure { try await session.remains?.close() }
        await afterFailure { try await writer.close() }
    }
}
