import NIOCore
import OCI

/// How much an interrupted run has left of a compressed archive: whole groups from the first one on, each holding exactly
/// the bytes that it should.
struct GroupResume: Sendable {
    /// Whole groups, those without bytes counted.
    private(set) var count = 0
    /// Where the last of them ends.
    private(set) var end: Int64 = 0

    /// Nothing that could be used.
    init() {}

    /// Decompresses and compares what is there, as far as it is right.
    init(_ plan: ArchivePlan, _ format: ArchiveFormat, _ file: any File) async throws {
        let groups = 2 + plan.map.slots.count - plan.map.headCount
        while count < groups {
            if count == GroupWriter.headGroup, plan.map.headEnd == plan.map.frontSize {
                count += 1
                continue
            }
            do {
                guard let end = try await Self.check(count, plan, format, file, at: end) else { return }
                self.end = end
                count += 1
            } catch let error as ArchiveError where error.kind == .damaged || error.kind == .policy {
                return
            }
        }
    }

    /// Whether a slot is within the groups.
    func holds(_ number: Int, of map: ArchiveMap) -> Bool { GroupWriter.group(of: number, in: map) < count }

    /// - Returns: where the group ends that begins at `offset`; nil if it is not what it should be.
    private static func check(
        _ group: Int, _ plan: ArchivePlan, _ format: ArchiveFormat, _ file: any File, at offset: Int64
    ) async throws -> Int64? {
        let size = try await file.status().size
        guard offset < size else { return nil }
        var until = size
        if format == .zstd {
            guard let end = try await ZstdFrame.end(in: file, from: offset, size: size) else { return nil }
            until = end
        }
        let frame = FilterDecoder(format, frameOf: file, from: offset, until: until)
        let bytes = ByteCursor(frame, archive: shown(file.path, limit: 1000))
        if group == GroupWriter.frontGroup {
            guard try await bytes.equal(plan.front) else { return nil }
        } else {
            for number in GroupWriter.slots(of: group, in: plan.map) {
                guard try await isRight(number, plan.map, bytes) else { return nil }
            }
        }
        return try await bytes.isAtEnd() ? offset + frame.usedCount : nil
    }

    private static func isRight(_ number: Int, _ map: ArchiveMap, _ bytes: ByteCursor) async throws -> Bool {
        let blob = map.blobs[number]
        guard try await bytes.equal(map.header(number)) else { return false }
        var digester = Digester(blob.digest.algorithm)
        try await bytes.forEachChunk(blob.size) { digester.update($0) }
        guard digester.finalize() == blob.digest else { return false }
        return try await bytes.equal(ByteBuffer(repeating: 0, count: Tar.padding(blob.size)))
    }
}

/// Where a zstd frame ends, found by its block headers (RFC 8878, 3.1.1).
enum ZstdFrame {
    /// - Returns: nil if there is no whole frame.
    static func end(in file: any File, from start: Int64, size: Int64) async throws -> Int64? {
        var head = try await file.read(at: start, count: 5)
        guard head.readInteger(endianness: .little, as: UInt32.self) == 0xfd2f_b528,
            let descriptor = head.readInteger(as: UInt8.self)
        else { return nil }
        let isSingle = descriptor & 0x20 != 0
        let dictionary: Int64 = [0, 1, 2, 4][Int(descriptor & 3)]
        let contentSize: Int64 = [isSingle ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
        var offset = start + 5 + (isSingle ? 0 : 1) + dictionary + contentSize
        while true {
            var block = try await file.read(at: offset, count: 3)
            guard let low = block.readInteger(endianness: .little, as: UInt16.self),
                let high = block.readInteger(as: UInt8.self)
            else { return nil }
            let header = Int64(low) | Int64(high) << 16
            let isRunLength = header >> 1 & 3 == 1
            offset += 3 + (isRunLength ? 1 : header >> 3)
            if header & 1 == 1 { break }
        }
        if descriptor & 4 != 0 { offset += 4 }
        return offset <= size ? offset : nil
    }
}
