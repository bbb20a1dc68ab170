import NIOCore
import OCI

/// What an interrupted run of something else left, or what rot has left of an archive: one more source of blobs, each of
/// which is hashed before it is used.
struct PartialRemains: Sendable {
    let path: String
    private let file: any File
    private let map: ArchiveMap
    private let isPlain: Bool
    /// Whether it was complete once, so that a changed header says nothing of what stands behind it.
    private var wasWhole = false

    private init(path: String, file: any File, map: ArchiveMap, isPlain: Bool) {
        (self.path, self.file, self.map, self.isPlain) = (path, file, map, isPlain)
    }

    /// An archive that was complete once.
    init(ofWhole map: ArchiveMap, file: any File, path: String, isPlain: Bool) {
        self.init(path: path, file: file, map: map, isPlain: isPlain)
        wasWhole = true
    }

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
        if !wasWhole {
            guard try await file.read(at: slot.headerOffset, count: header.readableBytes) == header else {
                return false
            }
        }
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
        try await forEachEntry { stream, entry, number in
            let blob = map.blobs[number]
            guard blob.name == entry.name, blob.size == entry.size, let slot = try await wanted(blob.digest) else {
                return true
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
            return true
        }
    }

    /// Every manifest whose bytes have the right digest.
    func forEachManifest(_ receive: (Manifest) async throws -> Void) async throws {
        guard isPlain else {
            return try await forEachEntry { stream, entry, number in
                guard number < map.manifestCount else { return false }
                let bytes = try await stream.content(of: entry, upTo: Manifest.sizeLimit)
                if let manifest = manifest(bytes, map.blobs[number]) { try await receive(manifest) }
                return true
            }
        }
        for (slot, blob) in zip(map.slots, map.blobs).prefix(map.manifestCount) {
            let bytes = try await file.read(at: slot.contentOffset, count: Int(slot.size))
            if let manifest = manifest(bytes, blob) { try await receive(manifest) }
        }
    }

    /// The entries that begin where a slot does, with the slot's number, in their order, as far as the other run had come.
    ///
    /// - Parameter receive: returns whether to go on.
    private func forEachEntry(_ receive: (TarStream, TarEntry, Int) async throws -> Bool) async throws {
        do {
            let head = try await file.head(isPipe: false)
            let stream = TarStream(
                ArchiveStream.open(file, head: head, isPipe: false, limits: DecodingLimits()), archive: path)
            while let entry = try await stream.nextEntry() {
                guard let number = map.slots.firstIndex(at: entry.headerOffset) else { continue }
                guard try await receive(stream, entry, number) else { return }
            }
        } catch let error as ArchiveError where error.kind == .damaged || error.kind == .policy {
            // What was read so far is right all the same.
        }
    }

    private func manifest(_ bytes: ByteBuffer, _ blob: ArchivedBlob) -> Manifest? {
        do throws(OCIError) {
            return try Manifest(bytes, as: blob.descriptor, from: path)
        } catch {
            return nil
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
