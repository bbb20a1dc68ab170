import NIOCore
import OCI

/// Reads all of an archive and says whether it is what it should be.
public struct ArchiveVerification: Sendable {
    private let path: String
    private let opening: ArchiveOpening
    private let concurrency: Int
    private let observe: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - concurrency: how many blobs of a plain archive are hashed at once.
    ///   - progress: is told of bytes as they are checked, from several tasks.
    public init(
        path: String, opening: ArchiveOpening = ArchiveOpening(), concurrency: Int = System.coreCount,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.path = path
        self.opening = opening
        self.concurrency = concurrency
        observe = progress
    }

    init(path: String, fileSystem: any FileSystem) {
        self.init(path: path, opening: ArchiveOpening(fileSystem: fileSystem))
    }

    /// - Throws: `ArchiveError` `.usage` or `.notFound` where there is no archive to read, `FileError`. What is wrong
    ///   with the bytes is not thrown but found.
    public func run() async throws -> ArchiveReport {
        let (file, isPipe) = try await openForReading(path, opening.fileSystem)
        let result: Result<ArchiveReport, any Error>
        do {
            result = .success(try await verify(file, isPipe: isPipe))
        } catch {
            result = .failure(error)
        }
        try await file.close()
        return try result.get()
    }

    private func verify(_ file: any File, isPipe: Bool) async throws -> ArchiveReport {
        let head = try await file.head(isPipe: isPipe)
        let format = ArchiveFormat(magicOf: head) ?? .plain
        var report = ArchiveReport(path: shown(path, limit: 1000), format: format)
        do {
            if isPipe {
                // In order, once: what it is must be known before the check begins.
                let copy = try await opening.fileSystem.open(opening.workFolder + "/archive", .temporary)
                let whole = FileStream(file, after: head, isPipe: true)
                var offset: Int64 = 0
                while let chunk = try await whole.next() {
                    try await copy.write(chunk, at: offset)
                    offset += Int64(chunk.readableBytes)
                }
                try await verifyFile(copy, head, into: &report)
                try await copy.close()
            } else {
                try await verifyFile(file, head, into: &report)
            }
        } catch let failure as any Failure where ArchiveReport.isFinding(failure) {
            report.add(failure, at: "archive")
        }
        return report
    }

    private func verifyFile(_ file: any File, _ head: ByteBuffer, into report: inout ArchiveReport) async throws {
        let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: opening.limits)
        guard let front = try await ArchiveFront.read(TarStream(stream, archive: report.path)) else {
            return try await ForeignVerification(file: file, head: head, opening: opening, observe: observe)
                .run(into: &report)
        }
        report.flavor = .ours
        report.id = front.map.id
        report.count(front.map)
        for fault in front.faults { report.add(.damaged, at: "front", fault) }
        let check = FrontCheck(front.map)
        let names = front.map.contents.images.map(\.fullName)
        do {
            try await verifyOurs(front.map, check, file, head, into: &report)
        } catch let failure as any Failure where ArchiveReport.isFinding(failure) {
            report.add(failure, at: "archive")
        }
        report.noteComplete(of: names)
        report.note(front.map.contents)
    }

    private func verifyOurs(
        _ map: ArchiveMap, _ check: FrontCheck, _ file: any File, _ head: ByteBuffer, into report: inout ArchiveReport
    ) async throws {
        if report.format == .plain {
            try await PlainVerification(
                map: map, front: check, file: file, concurrency: concurrency, observe: observe
            ).run(into: &report)
        } else {
            let again = ArchiveStream.open(file, head: head, isPipe: false, limits: opening.limits)
            try await StreamVerification(
                map: map, front: check, bytes: ByteCursor(again, archive: report.path), observe: observe
            ).run(into: &report)
        }
    }
}
