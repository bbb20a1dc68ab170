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
    func begin(
        _ plan: ArchivePlan, reading manifest: @escaping @Sendable (Digest) async throws -> Manifest
    ) async throws -> [Descriptor] {
        let ledger = SlotLedger(count: plan.map.slots.count)
        if isPipe {
            let writer = PipeWriter(plan, try await fileSystem.standardOutput())
            try await start(writer, plan, ledger, found: nil, manifest)
            return plan.blobs
        }
        let found = isPipe ? nil : try await fileSystem.status(path, followLinks: true)
        if try await checkName(plan) {
            await ledger.complete(0..<plan.map.slots.count)
            enter(Session(plan: plan, ledger: ledger, writer: nil, found: found))
            return []
        }
        let file = try await openPartial()
        do {
            try await start(try await writer(plan, file), plan, ledger, found: found, manifest)
        } catch {
            // Not even an empty file stays of what never began.
            if try await file.status().size == 0 { try await fileSystem.remove(partialPath) }
            try await file.close()
            throw error
        }
        return plan.blobs
    }

    private func start(
        _ writer: any ArchiveWriter, _ plan: ArchivePlan, _ ledger: SlotLedger, found: FileStatus?,
        _ manifest: @Sendable (Digest) async throws -> Manifest
    ) async throws {
        try await writer.start(reading: manifest)
        await ledger.complete(0..<plan.map.manifestCount)
        enter(Session(plan: plan, ledger: ledger, writer: writer, found: found))
    }

    private func writer(_ plan: ArchivePlan, _ file: any File) async throws -> any ArchiveWriter {
        guard format == .plain else {
            let (path, fileSystem) = (partialPath, fileSystem)
            return try await GroupWriter(plan, format, file) { try await fileSystem.open(path, .temporary) }
        }
        let isResumed = try await PlainWriter.canResume(plan, from: file)
        if !isResumed {
            // What an older partial holds comes free as it is overwritten.
            let free = try await fileSystem.freeSpace(parentFolder(of: path)) + file.status().size
            guard free >= plan.size else {
                throw ArchiveError(
                    .local, "\(shown(path, limit: 1000)) needs \(plan.size) bytes, \(free) are free",
                    advice: "free space on that file system, or write somewhere else")
            }
        }
        return PlainWriter(plan: plan, file: file, isResumed: isResumed)
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
            try await file.close()
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
        }
        _ = leave()
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
        do {
            try await writer.close()
        } catch {
            // The partial is not trusted by anybody, so nothing depends on how it was closed.
        }
    }
}
