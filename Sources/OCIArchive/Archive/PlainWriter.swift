import NIOCore
import OCI
import Synchronization

/// A plain tar: each blob has its place, so many are written at once.
final class PlainWriter: ArchiveWriter {
    let plan: ArchivePlan
    let file: any File
    /// Whether the file is from an earlier run that had the same plan: what is right in it stays.
    let isResumed: Bool
    /// Slots that a write of this run has begun and not ended.
    private let cutOff = Mutex<Set<Int>>([])

    init(plan: ArchivePlan, file: any File, isResumed: Bool) {
        self.plan = plan
        self.file = file
        self.isResumed = isResumed
    }

    private var map: ArchiveMap { plan.map }
    var isSequential: Bool { false }

    func start(reading manifest: @Sendable (Digest) async throws -> Manifest) async throws {
        if !isResumed {
            try await file.truncate(0)
            try await file.reserve(map.size)
        }
        // A seal says that everything before it is there: it goes first and comes last.
        try await file.write(ByteBuffer(repeating: 0, count: map.tail.readableBytes), at: map.seal.headerOffset)
        try await file.write(plan.front, at: 0)
        try await map.writeManifests(to: file, reading: manifest)
    }

    func holds(_ number: Int) async throws -> Bool {
        guard isResumed else { return false }
        return try await SlotCheck(map, file: file, archive: file.path).fault(in: number) == nil
    }

    func begun(_ number: Int) async throws -> Prefix? {
        guard isResumed || cutOff.withLock({ $0.contains(number) }) else { return nil }
        return try await SlotBeginning(map, file: file).read(number)
    }

    func write(_ content: Content, to number: Int) async throws {
        do {
            try await map.write(content, to: number, of: file)
        } catch let error as any Failure where error.kind == .damaged {
            // Nothing is to go on from these bytes.
            cutOff.withLock { _ = $0.remove(number) }
            try await file.write(
                ByteBuffer(repeating: 0, count: Int(Tar.blockSize)), at: map.slots[number].headerOffset)
            throw error
        } catch {
            cutOff.withLock { _ = $0.insert(number) }
            throw error
        }
    }

    func finish() async throws {
        try await file.sync()
        try await file.write(map.tail, at: map.seal.headerOffset)
        try await file.sync()
    }

    func close() async throws { try await file.close() }

    /// Whether a file holds the beginning of exactly this archive.
    static func canResume(_ plan: ArchivePlan, from file: any File) async throws -> Bool {
        guard try await file.status().size == plan.size else { return false }
        let front = plan.front
        return try await file.read(at: 0, count: front.readableBytes) == front
    }
}
