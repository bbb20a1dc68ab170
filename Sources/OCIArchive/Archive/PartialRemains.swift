import NIOCore
import OCI

/// What an interrupted run of something else left: one more source of blobs, each of which is hashed before it is used.
struct PartialRemains: Sendable {
    let path: String
    private let file: any File
    private let map: ArchiveMap
    private let isPlain: Bool

    /// - Parameter file: closed by `close`.
    /// - Returns: nil if nothing can be made out in the file.
    static func read(_ file: any File, path: String) async throws -> PartialRemains? {
        let head = try await file.head(isPipe: false)
        guard head.readableBytes > 0 else { return nil }
        do {
            let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: DecodingLimits())
            guard let front = try await ArchiveFront.read(TarStream(stream, archive: path)) else { return nil }
            return PartialRemains(
                path: path, file: file, map: front.map, isPlain: ArchiveFormat(magicOf: head) == nil)
        } catch let error as any Failure where ArchiveReport.isFinding(error) {
            return nil
        }
    }

    /// Takes a blob over into a slot of another archive.
    ///
    /// - Returns: whether it was there, and right.
    func copy(_ blob: ArchivedBlob, to number: Int, of writer: any ArchiveWriter) async throws -> Bool {
        guard isPlain, let place = map.slotNumbers[blob.digest], map.blobs[place].size == blob.size else {
            return false
        }
        let (slot, header) = (map.slots[place], map.header(place))
        guard try await file.read(at: slot.headerOffset, count: header.readableBytes) == header else { return false }
        let content = Content(blob.descriptor, from: path) { [file] send in
            try await file.forEachChunk(from: slot.contentOffset, count: slot.size) { try await send($0) }
        }
        return try await write(content, to: number, of: writer)
    }

    /// Takes over whatever a compressed file has, in its order, which is the only one.
    ///
    /// - Parameter wanted: the slot of the other archive that lacks a blob; nil if none does.
    func copyAll(
        to writer: any ArchiveWriter, _ wanted: (Digest) async throws -> Int?, done: (Int, Bool) async -> Void
    ) async throws {
        guard !isPlain else { return }
        do {
            let head = try await file.head(isPipe: false)
            let stream = TarStream(
                ArchiveStream.open(file, head: head, isPipe: false, limits: DecodingLimits()), archive: path)
            while let entry = try await stream.nextEntry() {
                guard let number = map.slots.firstIndex(at: entry.headerOffset) else { continue }
                let blob = map.blobs[number]
                guard blob.name == entry.name, blob.size == entry.size, let slot = try await wanted(blob.digest) else {
                    continue
                }
                let content = Content(blob.descriptor, from: path) { send in
                    while let chunk = try await stream.nextChunk() { try await send(chunk) }
                }
                do {
                    await done(slot, try await write(content, to: slot, of: writer))
                } catch {
                    await done(slot, false)
                    throw error
                }
            }
        } catch let error as ArchiveError where error.kind == .damaged || error.kind == .policy {
            // This is how far the other run had come.
        }
    }

    private func write(_ content: Content, to number: Int, of writer: any ArchiveWriter) async throws -> Bool {
        do {
            try await writer.write(content, to: number)
            return true
        } catch let error as any Failure where error.kind == .damaged {
            return false
        }
    }

    func close() async throws { try await file.close() }
}

extension [ArchiveMap.Slot] {
    /// The slot that begins at an offset, by bisection.
    fileprivate func firstIndex(at offset: Int64) -> Int? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].headerOffset < offset { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].headerOffset == offset ? low : nil
    }
}
