import NIOCore
import OCI

extension BackupSet {
    private static let readSize = 128 << 10

    /// A file in `records/` that is no backup, and why.
    public struct DamagedRecord: Sendable {
        public let file: String
        public let error: any Failure
    }

    /// All backups, oldest first: those whose record has a header and a seal. The lines between are not read.
    public func backups() async throws -> [Backup] { try await listing().backups }

    /// The files in `records/` that are no backups.
    public func damagedRecords() async throws -> [DamagedRecord] { try await listing().damaged }

    /// Both at once.
    public func listing() async throws -> (backups: [Backup], damaged: [DamagedRecord]) {
        let names = try await files.list(recordsPath)
        guard names.count <= BackupSet.recordLimit else {
            throw ArchiveError.policy("\(name) has \(names.count) records, the limit is \(BackupSet.recordLimit)")
        }
        let found = try await map(names, limit: 8) { file -> Result<Backup, any Error> in
            do {
                return .success(try await backup(in: file))
            } catch let error as any Failure where error.kind != .local && error.kind != .internal {
                return .failure(error)
            } catch let error as FileError where error.isNotFound {
                return .failure(error)
            }
        }
        var backups: [Backup] = []
        var damaged: [DamagedRecord] = []
        for (file, result) in zip(names, found) {
            switch result {
            case .success(let backup): backups.append(backup)
            case .failure(let error as FileError) where error.isNotFound: continue  // forgotten meanwhile
            case .failure(let error as any Failure): damaged.append(DamagedRecord(file: file, error: error))
            case .failure: continue
            }
        }
        backups.sort { ($0.header.ended, $0.id) < ($1.header.ended, $1.id) }
        return (try await ordered(backups), damaged)
    }

    /// Puts backups of one second in the order in which they name each other.
    private func ordered(_ backups: [Backup]) async throws -> [Backup] {
        var result: [Backup] = []
        result.reserveCapacity(backups.count)
        var rest = backups[...]
        while let first = rest.first {
            var tied = Array(rest.prefix { $0.header.ended == first.header.ended })
            rest = rest.dropFirst(tied.count)
            guard tied.count > 1 else {
                result += tied
                continue
            }
            var heads: [Digest: Set<Digest>] = [:]
            for backup in tied { heads[backup.id] = Set(try await readableLinks(of: backup).heads) }
            while !tied.isEmpty {
                let left = Set(tied.map(\.id))
                // None names itself, so that there is always one, unless records have been forged.
                let next = tied.firstIndex { heads[$0.id]?.isDisjoint(with: left) ?? true } ?? 0
                result.append(tied.remove(at: next))
            }
        }
        return result
    }

    /// - Throws: `ArchiveError` `.damaged` for a file that is no sealed record, or has another one's name.
    private func backup(in file: String) async throws -> Backup {
        let place = place(of: file)
        guard let (opened, status) = try await folder.open(recordsPath + "/" + file) else {
            throw FileError("open", recordsPath + "/" + file, code: 2)
        }
        return try await closing(opened) {
            let start = max(0, status.size - Int64(BackupSeal.sizeLimit))
            let seal = try BackupSeal(
                endOf: try await opened.read(at: start, count: BackupSeal.sizeLimit), place: place)
            var reader = BackupRecordReader(place: place)
            var line = try await opened.read(at: 0, count: ArchiveContents.lineLimit)
            guard let end = line.readableBytesView.firstIndex(of: UInt8(ascii: "\n")),
                let first = line.readSlice(length: end + 1 - line.readerIndex)
            else { throw ArchiveError.damaged("\(place) has no header") }
            try reader.take(first) { _ in }
            guard let header = reader.header else { throw ArchiveError.damaged("\(place) has no header") }
            let backup = Backup(id: seal.id, header: header)
            guard backup.file == file else {
                throw ArchiveError.damaged("\(place) has the name of another record: it is \(backup.file)")
            }
            return backup
        }
    }

    func place(of file: String) -> String { "record \(shown(file, limit: 200)) of \(name)" }

    /// The whole record, its bytes checked against its seal and its id.
    ///
    /// - Throws: `ArchiveError` `.damaged`; `.notFound` if it was forgotten meanwhile.
    public func record(_ backup: Backup) async throws -> BackupRecord {
        var record = BackupRecord(header: backup.header)
        record.images.reserveCapacity(backup.header.images)
        record.blobs.reserveCapacity(backup.header.blobs)
        try await read(backup) { part in
            switch part {
            case .head(let digest): record.heads.append(digest)
            case .forgotten(let digest): record.forgotten.append(digest)
            case .image(let image): record.images.append(image)
            case .missing(let image): record.missing.append(image)
            case .blob(let blob): record.blobs.append(blob)
            case .omitted(let digest): record.omitted.append(digest)
            }
        }
        return record
    }

    /// Calls `body` with every blob of a backup, manifests first, holding none of them.
    ///
    /// The record's bytes are checked at the end: what `body` was told counts only if this returns.
    public func forEachBlob(
        of backup: Backup, _ body: (ArchivedBlob) async throws -> Void
    ) async throws {
        try await forEachBlobs(of: backup) { blobs in
            for blob in blobs { try await body(blob) }
        }
    }

    /// The same with many of them at a time.
    func forEachBlobs(of backup: Backup, _ body: ([ArchivedBlob]) async throws -> Void) async throws {
        var gathered: [ArchivedBlob] = []
        try await stream(backup) { part in
            if case .blob(let blob) = part { gathered.append(blob) }
        } after: {
            if !gathered.isEmpty { try await body(gathered) }
            gathered.removeAll(keepingCapacity: true)
        }
    }

    /// Calls `body` with every image of a backup; as `forEachBlob`.
    public func forEachImage(
        of backup: Backup, _ body: (NamedImage) async throws -> Void
    ) async throws {
        var gathered: [NamedImage] = []
        try await stream(backup) { part in
            if case .image(let image) = part { gathered.append(image) }
        } after: {
            for image in gathered { try await body(image) }
            gathered.removeAll(keepingCapacity: true)
        }
    }

    private func read(_ backup: Backup, _ body: (BackupRecordReader.Part) throws -> Void) async throws {
        try await stream(backup, body) {}
    }

    /// - Parameter after: called after each piece of the file.
    private func stream(
        _ backup: Backup, _ body: (BackupRecordReader.Part) throws -> Void, after: () async throws -> Void
    ) async throws {
        let place = place(of: backup.file)
        guard let (file, status) = try await folder.open(recordsPath + "/" + backup.file) else {
            throw ArchiveError(
                .notFound, "\(name) has no backup \(backup.name) any more", advice: "lifeboat backups list \(name)")
        }
        try await closing(file) {
            var reader = BackupRecordReader(place: place)
            var offset: Int64 = 0
            while offset < status.size {
                let bytes = try await file.read(at: offset, count: BackupSet.readSize)
                guard bytes.readableBytes > 0 else { break }
                offset += Int64(bytes.readableBytes)
                try reader.take(bytes, body)
                try await after()
            }
            let (header, id) = try reader.finish()
            guard id == backup.id, header == backup.header else {
                throw ArchiveError.damaged("\(place) was replaced: got \(id), want \(backup.id)")
            }
        }
    }

    /// Reads a record whole, and holds its bytes against its seal without looking at what they say.
    ///
    /// - Throws: `ArchiveError` `.damaged`, `.notFound`; `FileError`.
    func checkBytes(of backup: Backup) async throws {
        let place = place(of: backup.file)
        guard let (file, status) = try await folder.open(recordsPath + "/" + backup.file) else {
            throw ArchiveError(.notFound, "\(place) is not there any more")
        }
        try await closing(file) {
            let tail = max(0, status.size - Int64(BackupSeal.sizeLimit))
            let end = try await file.read(at: tail, count: BackupSeal.sizeLimit).readableBytesView
            // The seal is the last line, and is not part of what it seals.
            let line = end.dropLast().lastIndex(of: UInt8(ascii: "\n")).map {
                end.distance(from: end.startIndex, to: $0) + 1
            }
            let sealed = tail + Int64(line ?? 0)
            var digester = Digester(.sha256)
            var offset: Int64 = 0
            while offset < sealed {
                let bytes = try await file.read(at: offset, count: Int(min(Int64(BackupSet.readSize), sealed - offset)))
                guard bytes.readableBytes > 0 else { break }
                offset += Int64(bytes.readableBytes)
                digester.update(bytes)
            }
            let id = digester.finalize()
            guard id == backup.id else {
                throw ArchiveError.damaged("\(place) was changed: got \(id), want \(backup.id)")
            }
        }
    }

    /// Makes a backup: writes its record, syncs it, and gives it its name. All that it lists must be in place.
    ///
    /// The same record twice is one backup.
    public func seal(_ record: BackupRecord) async throws -> Backup {
        let partial = try await LayoutPartial.create("record", in: folder)
        let id: Digest
        do {
            var run = WriteRun()
            id = try await record.write { try await run.append($0, to: partial.file) }
            try await run.flush(to: partial.file)
        } catch {
            await partial.discard()
            throw error
        }
        let backup = Backup(id: id, header: record.header)
        try await partial.commit(as: recordsPath + "/" + backup.file)
        try await files.syncFolder(recordsPath)
        return backup
    }
}
