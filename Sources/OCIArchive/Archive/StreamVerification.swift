import NIOCore
import OCI

/// Checks every byte of an archive of ours as it comes out of a filter, in one pass.
struct StreamVerification {
    let map: ArchiveMap
    let front: FrontCheck
    let bytes: ByteCursor
    let observe: @Sendable (Int) -> Void

    func run(into report: inout ArchiveReport) async throws {
        for fault in front.faults { report.add(.damaged, at: "front", fault) }
        for frame in front.frames {
            if try await !bytes.equal(frame.header) {
                report.add(
                    .damaged, at: "front", "the header at byte \(frame.slot.headerOffset) is not what it should be")
            }
            try await bytes.skip(frame.slot.size)
            if try await !bytes.equal(ByteBuffer(repeating: 0, count: Tar.padding(frame.slot.size))) {
                report.add(.damaged, at: "front", "the padding behind byte \(frame.slot.contentOffset) is not zero")
            }
        }
        var manifests = ManifestCheck(map)
        var faults: [(digest: Digest, fault: String)] = []
        var checked = 0
        do {
            for number in map.slots.indices {
                faults += try await self.faults(in: number, &manifests, archive: report.path)
                checked += 1
            }
        } catch {
            add(manifests.faults + faults, manifests, to: &report)
            report.addDamaged(manifests.images(of: map.blobs[checked...].map(\.digest)))
            throw error
        }
        add(manifests.faults + manifests.incomplete + faults, manifests, to: &report)
        report.isSealed = try await bytes.equal(map.tail)
        if !report.isSealed {
            report.add(.damaged, at: "seal", "the archive is not sealed: it was not written to its end, or was changed")
        }
        if try await !bytes.isAtEnd() { report.add(.damaged, at: "end", "the archive goes on behind its end") }
    }

    private func add(
        _ faults: [(digest: Digest, fault: String)], _ manifests: ManifestCheck, to report: inout ArchiveReport
    ) {
        for (digest, fault) in faults {
            report.add(.damaged, at: "blob \(digest)", fault, images: manifests.images(of: digest))
        }
    }

    private func faults(
        in number: Int, _ manifests: inout ManifestCheck, archive: String
    ) async throws -> [(digest: Digest, fault: String)] {
        let blob = map.blobs[number]
        var faults: [String] = []
        if try await !bytes.equal(map.header(number)) { faults.append("its header is not what it should be") }
        var digester = Digester(blob.digest.algorithm)
        var manifest: ByteBuffer? = blob.role == .manifest ? ByteBuffer() : nil
        try await bytes.forEachChunk(blob.size) { chunk in
            digester.update(chunk)
            manifest?.writeImmutableBuffer(chunk)
            observe(chunk.readableBytes)
        }
        let digest = digester.finalize()
        if digest != blob.digest {
            faults.append("got \(digest), want \(blob.digest)")
        } else if let manifest {
            manifests.take(manifest, blob, archive: archive)
        }
        if try await !bytes.equal(ByteBuffer(repeating: 0, count: Tar.padding(blob.size))) {
            faults.append("the padding behind it is not zero")
        }
        return faults.map { (blob.digest, $0) }
    }
}

/// A place in a stream, moved by exact counts of bytes.
actor ByteCursor {
    private let stream: any ByteStream
    private let archive: String
    private var buffer = ByteBuffer()
    private var position: Int64 = 0

    init(_ stream: any ByteStream, archive: String) {
        self.stream = stream
        self.archive = archive
    }

    /// Whether the next bytes are these.
    func equal(_ wanted: ByteBuffer) async throws -> Bool {
        var rest = wanted
        var isEqual = true
        while rest.readableBytes > 0 {
            let chunk = try await next(Int64(rest.readableBytes))
            if rest.readSlice(length: chunk.readableBytes) != chunk { isEqual = false }
        }
        return isEqual
    }

    func skip(_ count: Int64) async throws {
        try await forEachChunk(count) { _ in }
    }

    func forEachChunk(_ count: Int64, _ receive: (ByteBuffer) throws -> Void) async throws {
        var rest = count
        while rest > 0 {
            let chunk = try await next(rest)
            rest -= Int64(chunk.readableBytes)
            try receive(chunk)
        }
    }

    func isAtEnd() async throws -> Bool {
        if buffer.readableBytes == 0 { buffer = try await stream.next() ?? ByteBuffer() }
        return buffer.readableBytes == 0
    }

    private func next(_ limit: Int64) async throws -> ByteBuffer {
        guard try await !isAtEnd() else { throw ArchiveError.damaged("\(archive) is cut off at byte \(position)") }
        let chunk = buffer.readSlice(length: Int(min(limit, Int64(buffer.readableBytes)))) ?? ByteBuffer()
        position += Int64(chunk.readableBytes)
        return chunk
    }
}
