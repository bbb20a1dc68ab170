import NIOCore
import OCI
import Synchronization

/// A plain tar into a pipe, in order.
final class PipeWriter: ArchiveWriter {
    private let plan: ArchivePlan
    private let file: any File
    private let progress: Mutex<Progress>

    private struct Progress {
        /// The slot that comes next.
        var next: Int
        /// What is out already of that slot's content, from an attempt that failed.
        var sent: Prefix?
    }

    init(_ plan: ArchivePlan, _ file: any File) {
        self.plan = plan
        self.file = file
        progress = Mutex(Progress(next: plan.map.manifestCount))
    }

    private var map: ArchiveMap { plan.map }
    var isSequential: Bool { true }

    func start(reading manifest: @Sendable (Digest) async throws -> Manifest) async throws {
        try await file.writeNext(plan.front)
        for (number, blob) in map.blobs.enumerated() where blob.role == .manifest {
            var entry = map.header(number)
            entry.writeImmutableBuffer(try await map.checked(manifest(blob.digest), blob))
            entry.writeRepeatingByte(0, count: Tar.padding(blob.size))
            try await file.writeNext(entry)
        }
    }

    func holds(_ number: Int) -> Bool { false }

    func write(_ content: Content, to number: Int) async throws {
        let (next, sent) = progress.withLock { ($0.next, $0.sent) }
        guard number == next else {
            throw ArchiveError(
                .internal, "blob \(content.descriptor.digest) is number \(number) of \(file.path), want \(next) first")
        }
        if sent == nil { try await file.writeNext(map.header(number)) }
        // Bytes cannot be taken back: a second attempt passes over those that are out, if they are the same.
        var passed = Prefix(content.descriptor.digest.algorithm)
        var known = sent ?? passed
        progress.withLock { $0.sent = known }
        let out = known
        try await content.forEachChunk { chunk in
            var rest = chunk
            if passed.count < out.count {
                let head = rest.readSlice(length: Int(min(Int64(rest.readableBytes), out.count - passed.count)))
                passed.append(head ?? ByteBuffer())
                if passed.count == out.count, passed.digest != out.digest {
                    throw ArchiveError.damaged(
                        "the first \(out.count) bytes of \(content.descriptor.digest) were damaged and are written "
                            + "to \(file.path), which cannot take them back")
                }
            }
            guard rest.readableBytes > 0 else { return }
            try await file.writeNext(rest)
            known.append(rest)
            let sent = known
            progress.withLock { $0.sent = sent }
        }
        try await file.writeNext(ByteBuffer(repeating: 0, count: Tar.padding(content.descriptor.size)))
        progress.withLock { $0 = Progress(next: number + 1) }
    }

    func finish() async throws { try await file.writeNext(map.tail) }

    func close() async throws { try await file.close() }
}
