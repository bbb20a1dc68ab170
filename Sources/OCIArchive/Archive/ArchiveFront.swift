import NIOCore
import OCI

/// The first three entries of an archive of ours, and all that follows from them.
struct ArchiveFront {
    let map: ArchiveMap
    /// What is wrong with the two files that the contents vouch for.
    let faults: [String]

    /// Reads the front of an archive from its start.
    ///
    /// - Returns: nil if it is not an archive of ours.
    /// - Throws: `ArchiveError` `.damaged` if it is, and cannot be read on.
    static func read(_ stream: TarStream) async throws -> ArchiveFront? {
        let archive = stream.archive
        guard let layout = try await stream.nextEntry(), layout.name == ArchiveNames.layout, layout.kind == .file,
            layout.size <= ArchiveNames.layoutLimit
        else { return nil }
        let layoutBytes = try await stream.content(of: layout, upTo: ArchiveNames.layoutLimit)
        guard let index = try await stream.nextEntry(), index.name == ArchiveNames.index, index.kind == .file else {
            return nil
        }
        var indexDigester = Digester(.sha256)
        while let chunk = try await stream.nextChunk() { indexDigester.update(chunk) }
        guard let entry = try await stream.nextEntry(), entry.name == ArchiveNames.contents, entry.kind == .file else {
            return nil
        }
        var reader = ArchiveContentsReader(archive: archive)
        while let chunk = try await stream.nextChunk() { try reader.take(chunk) }
        let (contents, id) = try reader.finish()
        let map = try ArchiveMap(contents, id: id, contentsSize: entry.size, archive: archive)
        var faults: [String] = []
        let found = [(layout, Digest(of: layoutBytes)), (index, indexDigester.finalize())]
        for (file, (entry, digest)) in zip(contents.files, found)
        where file.size != entry.size || file.digest != digest {
            faults.append("\(file.name): got \(digest) with \(entry.size) bytes, want \(file.digest) with \(file.size)")
        }
        for (slot, found) in zip(map.front, [layout, index, entry])
        where slot.headerOffset != found.headerOffset || slot.contentOffset != found.contentOffset {
            throw ArchiveError.damaged(
                "\(archive): '\(found.name)' stands at byte \(found.headerOffset), want \(slot.headerOffset)")
        }
        return ArchiveFront(map: map, faults: faults)
    }

    func checkFaults(_ archive: String) throws {
        if let fault = faults.first { throw ArchiveError.damaged("\(archive) is damaged: \(fault)") }
    }
}

/// Which archive a file is, without looking at all of it.
enum ArchiveIdentity {
    /// - Returns: the id of an archive of ours, plain or compressed; nil for anything else, also a damaged one.
    static func read(_ path: String, _ fileSystem: any FileSystem) async throws -> Digest? {
        let file = try await fileSystem.open(path, .read)
        return try await closing(file) {
            do {
                let head = try await file.read(at: 0, count: Int(Tar.blockSize))
                let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: DecodingLimits())
                return try await ArchiveFront.read(TarStream(stream, archive: path))?.map.id
            } catch let error as ArchiveError where error.kind == .damaged || error.kind == .policy {
                return nil
            } catch let error as OCIError where error.kind == .damaged || error.kind == .usage {
                return nil
            }
        }
    }
}

/// The plain bytes of an archive, whatever its filter.
enum ArchiveStream {
    /// - Parameter head: the first bytes of the file, which tell the filter; of a pipe they have been read.
    static func open(_ file: any File, head: ByteBuffer, isPipe: Bool, limits: DecodingLimits) -> any ByteStream {
        let pending = isPipe ? head : nil
        guard let format = ArchiveFormat(magicOf: head) else {
            return FileStream(file, after: pending, isPipe: isPipe)
        }
        return FilterDecoder(format, file, after: pending, isPipe: isPipe, limits: limits)
    }
}
