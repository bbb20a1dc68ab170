import NIOCore
import OCI

/// Where everything stands in the tar of an archive of ours: all offsets follow from the contents.
struct ArchiveMap: Sendable {
    /// An entry: headers, content, and zeros up to the next block.
    struct Slot: Sendable, Hashable {
        let headerOffset: Int64
        let contentOffset: Int64
        let size: Int64

        var end: Int64 { contentOffset + Tar.padded(size) }

        init(_ name: String, size: Int64, at offset: Int64) {
            headerOffset = offset
            contentOffset = offset + TarHeader.size(name: name, size: size)
            self.size = size
        }
    }

    let contents: ArchiveContents
    let id: Digest
    /// `oci-layout`, `index.json` and `lifeboat/contents`.
    let front: [Slot]
    /// The blobs that stand in this file: all of the contents, but for deltas and volumes.
    let blobs: [ArchivedBlob]
    /// One for each of `blobs`.
    let slots: [Slot]
    let slotNumbers: [Digest: Int]
    let seal: Slot
    let sealBytes: ByteBuffer

    /// - Throws: `ArchiveError` `.damaged` if a blob stands twice or sizes make no sense, `.policy` above the limit of
    ///   entries.
    init(_ contents: ArchiveContents, id: Digest, contentsSize: Int64, archive: String) throws {
        self.contents = contents
        self.id = id
        blobs = contents.lineage.isWhole ? contents.blobs : contents.blobs.filter(contents.isHere)
        let entryCount = blobs.count + 4  // the front, and the seal
        guard entryCount <= Tar.entryLimit else {
            throw ArchiveError.policy(
                "\(archive) would have \(entryCount) entries, the limit is \(Tar.entryLimit)",
                advice: "fewer images in one archive")
        }
        var offset: Int64 = 0
        func slot(_ name: String, _ size: Int64) throws -> Slot {
            guard size < Int64.max - offset - (Tar.extensionLimit << 1) else {
                throw ArchiveError.damaged("\(archive): '\(shown(name, limit: 200))' is said to have \(size) bytes")
            }
            let slot = Slot(name, size: size, at: offset)
            offset = slot.end
            return slot
        }
        var front: [Slot] = []
        for file in contents.files { front.append(try slot(file.name, file.size)) }
        front.append(try slot(ArchiveNames.contents, contentsSize))
        self.front = front
        var slots: [Slot] = []
        slots.reserveCapacity(blobs.count)
        var numbers: [Digest: Int] = [:]
        numbers.reserveCapacity(blobs.count)
        for (number, blob) in blobs.enumerated() {
            guard numbers.updateValue(number, forKey: blob.digest) == nil else {
                throw ArchiveError.damaged("\(archive) lists \(blob.digest) twice")
            }
            slots.append(try slot(blob.name, blob.size))
        }
        self.slots = slots
        slotNumbers = numbers
        sealBytes = ArchiveSeal(
            id: id, entryCount: Int64(entryCount), offset: offset, version: contents.version
        ).encoded()
        seal = try slot(ArchiveNames.seal, Int64(sealBytes.readableBytes))
    }

    /// Where the blocks of zeros begin that end the tar.
    var end: Int64 { seal.end }

    /// Bytes of the whole tar.
    var size: Int64 { end + ArchiveMap.endSize }

    static let endSize = 2 * Tar.blockSize

    /// Where the manifests begin.
    var frontSize: Int64 { front.last.map(\.end) ?? 0 }

    /// The headers of a blob.
    func header(_ number: Int) -> ByteBuffer {
        TarHeader.bytes(name: blobs[number].name, size: blobs[number].size)
    }

    /// The seal's entry and the end of the tar.
    var tail: ByteBuffer {
        var bytes = TarEntryBytes.whole(ArchiveNames.seal, sealBytes)
        bytes.writeRepeatingByte(0, count: Int(ArchiveMap.endSize))
        return bytes
    }
}

/// The last entry of an archive: that everything before it was written and synced.
struct ArchiveSeal: Sendable, Hashable {
    let id: Digest
    /// Entries of the tar, the seal included.
    let entryCount: Int64
    /// Where its own header begins.
    let offset: Int64
    /// The version of the contents.
    let version: Int64

    func encoded() -> ByteBuffer {
        let json = JSONValue.object([
            "contents": .string(id.description), "entries": .number(entryCount), "offset": .number(offset),
            "version": .number(version),
        ])
        return ByteBuffer(string: json.text + "\n")
    }
}

/// Whole entries in memory.
enum TarEntryBytes {
    static func whole(_ name: String, _ content: ByteBuffer) -> ByteBuffer {
        var bytes = TarHeader.bytes(name: name, size: Int64(content.readableBytes))
        bytes.writeImmutableBuffer(content)
        bytes.writeRepeatingByte(0, count: Tar.padding(Int64(content.readableBytes)))
        return bytes
    }
}
