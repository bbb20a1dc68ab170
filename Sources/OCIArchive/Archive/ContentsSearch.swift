import NIOCore
import OCI

/// Finds the list of contents in an archive whose front is damaged: it begins with words of its own, at the start of a block.
struct ContentsSearch {
    /// How far is looked: behind an `index.json` of more than a million images.
    static let limit: Int64 = 1 << 30
    private static let beginning = Array(#"{"kind":""#.utf8)

    private let archive: String
    private var block = ByteBuffer()
    /// Where the block in hand begins.
    private var offset: Int64 = 0
    private var reader: ArchiveContentsReader?
    private var start: Int64 = 0
    private var size: Int64 = 0

    private init(_ archive: String) {
        self.archive = archive
    }

    /// - Returns: nil if there is no such list, or none that can be read to its end.
    static func map(in stream: any ByteStream, archive: String) async throws -> ArchiveMap? {
        var search = ContentsSearch(archive)
        do {
            while search.offset < limit, let chunk = try await stream.next() {
                if try search.take(chunk) { break }
            }
            return try search.finish()
        } catch let failure as any Failure where ArchiveReport.isFinding(failure) {
            return nil
        }
    }

    /// The list of a plain archive as far as nothing speaks against it, neither the seal nor what the list says of itself;
    /// else the one that the seal names, if it can be made anew.
    static func soundMap(in file: any File, archive: String) async throws -> ArchiveMap? {
        let sealed = try await ArchiveSeal.id(in: file)
        let stream = FileStream(file, after: nil, isPipe: false)
        if let map = try await map(in: stream, archive: archive), FrontCheck(map).faults.isEmpty,
            sealed?.hasRotted(from: map.id) ?? true
        {
            return map
        }
        guard let sealed, let map = try await rebuiltMap(of: file, archive: archive), map.id == sealed else {
            return nil
        }
        return map
    }

    /// What the list must be that `index.json` and the manifests lead to; the seal decides whether it is that.
    static func rebuiltMap(of file: any File, archive: String) async throws -> ArchiveMap? {
        do {
            let listing = try ArchiveListing(try await TarReader.entries(of: file, archive: archive), archive: archive)
            let source = try await ForeignArchive(listing: listing, file: file).open(defaultRepository: nil)
            var images: [PlannedImage] = []
            for image in source.images() {
                let repository = try source.source(image.repository)
                images.append(
                    PlannedImage(image, graph: try await ImageGraph.read(image.descriptor, from: repository)))
            }
            guard let first = images.first else { return nil }
            let repository = try source.source(first.image.repository)
            return try await ArchivePlan(images, archive: archive) { digest in
                try await repository.manifest(try await repository.resolve(.digest(digest)))
            }.map
        } catch let failure as any Failure where failure.kind != .local && failure.kind != .internal {
            return nil
        }
    }

    /// - Returns: whether the end of the list was found.
    private mutating func take(_ chunk: ByteBuffer) throws -> Bool {
        block.writeImmutableBuffer(chunk)
        while let bytes = block.readSlice(length: Int(Tar.blockSize)) {
            defer { offset += Tar.blockSize }
            let view = bytes.readableBytesView
            if reader == nil, view.starts(with: Self.beginning) {
                reader = ArchiveContentsReader(archive: archive)
                (start, size) = (offset, 0)
            } else if reader?.isBetweenLines == true, view.first != UInt8(ascii: "{") {
                return true
            }
            guard reader != nil else { continue }
            let end = view.firstIndex(of: 0) ?? view.endIndex
            let part = bytes.getSlice(at: bytes.readerIndex, length: end - view.startIndex) ?? ByteBuffer()
            size += Int64(part.readableBytes)
            try reader?.take(part)
            if end < view.endIndex { return true }
        }
        block.discardReadBytes()
        return false
    }

    private mutating func finish() throws -> ArchiveMap? {
        guard let (contents, id) = try reader?.finish() else { return nil }
        let map = try ArchiveMap(contents, id: id, contentsSize: size, archive: archive)
        return map.front.last?.contentOffset == start ? map : nil
    }
}

extension ArchiveSeal {
    /// The last entry but the zeros, as far as it can be read; the file ends with it.
    static func id(in file: any File) async throws -> Digest? {
        let length = Tar.blockSize + ArchiveMap.endSize
        let end = try await file.status().size
        guard end >= length else { return nil }
        let bytes = try await file.read(at: end - length, count: Int(Tar.blockSize))
        let view = bytes.readableBytesView
        let text = bytes.getSlice(
            at: bytes.readerIndex, length: (view.firstIndex(of: 0) ?? view.endIndex) - view.startIndex)
        do throws(OCIError) {
            guard let id = try JSONValue(parsing: text ?? ByteBuffer(), in: "seal")["contents"]?.stringValue else {
                return nil
            }
            return try Digest(parsing: id)
        } catch {
            return nil
        }
    }
}

extension Digest {
    /// More digits than rot changes in a digest that can still be read, and far fewer than differ between two digests.
    private static let rottenDigits = 16

    /// Whether it is the same but for a few digits.
    func hasRotted(from other: Digest) -> Bool {
        hex.utf8.count == other.hex.utf8.count
            && zip(hex.utf8, other.hex.utf8).count { $0 != $1 } <= Digest.rottenDigits
    }
}
