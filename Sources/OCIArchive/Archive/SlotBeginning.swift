import NIOCore
import OCI

/// The beginning of a blob that was being written when a run was stopped.
struct SlotBeginning: Sendable {
    private let map: ArchiveMap
    private let file: any File

    init(_ map: ArchiveMap, file: any File) {
        self.map = map
        self.file = file
    }

    /// The bytes of a slot up to the last one that is not zero, hashed: blobs are written in order, so those before it
    /// have been written too; and if they have not, the digest of the whole will say so.
    ///
    /// - Returns: nil if there is nothing to go on from.
    func read(_ number: Int) async throws -> Prefix? {
        let (slot, blob, header) = (map.slots[number], map.blobs[number], map.header(number))
        guard try await file.read(at: slot.headerOffset, count: header.readableBytes) == header else { return nil }
        let count = try await length(slot)
        guard count > 0, count < blob.size else { return nil }
        var prefix = Prefix(blob.digest.algorithm)
        try await file.forEachChunk(from: slot.contentOffset, count: count) { prefix.append($0) }
        return prefix.count == count ? prefix : nil
    }

    private func length(_ slot: ArchiveMap.Slot) async throws -> Int64 {
        var end = slot.size
        while end > 0 {
            let start = max(0, end - Int64(LocalFile.readSize))
            let bytes = try await file.read(at: slot.contentOffset + start, count: Int(end - start))
            if let last = bytes.readableBytesView.lastIndex(where: { $0 != 0 }) {
                return start + Int64(last - bytes.readerIndex) + 1
            }
            end = start
        }
        return 0
    }
}
