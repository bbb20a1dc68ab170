import NIOCore
import OCI

/// Opens an older docker-archive: a tar with manifest.json and no `oci-layout`.
public typealias DockerArchiveOpening =
    @Sendable (_ listing: ArchiveListing, _ file: any File, _ defaultRepository: RepositoryName?) async throws
    -> any ImageCatalog

/// How an archive is opened.
public struct ArchiveOpening: Sendable {
    public var fileSystem: any FileSystem
    /// Where a foreign archive that is compressed or comes from a pipe is unpacked to, in a file without a name.
    public var workFolder: String
    /// The repository of images whose archive names a tag only, or nothing.
    public var defaultRepository: RepositoryName?
    public var limits: DecodingLimits
    public var docker: DockerArchiveOpening?
    /// Whether a plain archive of ours that is cut off, unsealed or damaged in front is opened for what can still be read in
    /// it; `ArchiveSource.fault` says then what is wrong with it.
    public var acceptsUnsealed = false

    public init(
        fileSystem: any FileSystem = LocalFileSystem(), workFolder: String = ".",
        defaultRepository: RepositoryName? = nil, limits: DecodingLimits = DecodingLimits(),
        docker: DockerArchiveOpening? = nil
    ) {
        self.fileSystem = fileSystem
        self.workFolder = workFolder
        self.defaultRepository = defaultRepository
        self.limits = limits
        self.docker = docker
    }
}

/// Opens an archive, whoever wrote it: ours and OCI layouts in a tar, plain or compressed, in a file or on standard
/// input (`-`); and old docker-archives through `opening.docker`.
///
/// - Parameter path: of the archive; for one in volumes also that of any of them, a pattern such as `images.*.tar`, or
///   the name that it would have undivided.
/// - Returns: an `ArchiveSource`, a `SequentialArchive` for ours where it can only be read in order, a `LinkedArchive` for
///   deltas and volumes, or what `opening.docker` returns.
/// - Throws: `ArchiveError` `.notFound`, `.usage` for what is no file, `.damaged`, `.policy`.
public func openArchive(_ path: String, _ opening: ArchiveOpening = ArchiveOpening()) async throws -> any ImageCatalog {
    let search = VolumeSearch(opening.fileSystem)
    let path = try await search.file(for: path)
    let opened = try await openFile(path, opening)
    guard let first = ArchivePart(opened), !first.map.contents.lineage.isWhole else { return opened }
    return linked(try await search.parts(around: first, at: path, opening))
}

/// Whether there is something at a path, or volumes of an archive of that name beside it.
public func archiveExists(_ path: String, _ fileSystem: any FileSystem) async throws -> Bool {
    if try await fileSystem.status(path, followLinks: true) != nil { return true }
    return try await !VolumeSearch(fileSystem).volumes(of: path).isEmpty
}

/// Opens one file, whatever it is part of.
func openFile(_ path: String, _ opening: ArchiveOpening) async throws -> any ImageCatalog {
    let (file, isPipe) = try await openForReading(path, opening.fileSystem)
    do {
        return try await OpeningSteps(path: shown(path, limit: 1000), opening: opening).open(file, isPipe: isPipe)
    } catch {
        await afterFailure { try await file.close() }
        throw error
    }
}

/// - Returns: the open file, and whether it can only be read in order.
func openForReading(_ path: String, _ fileSystem: any FileSystem) async throws -> (any File, Bool) {
    if path == "-" {
        let file = try await fileSystem.standardInput()
        switch try await file.status().kind {
        case .file: return (file, false)
        case .pipe: return (file, true)
        case let kind:
            try await file.close()
            throw ArchiveError.usage("standard input is \(kind.article), want an archive")
        }
    }
    guard let status = try await fileSystem.status(path, followLinks: true) else {
        throw ArchiveError(.notFound, "there is no file \(shown(path, limit: 1000))", advice: "check the path")
    }
    guard status.kind == .file else {
        throw ArchiveError.usage(
            "\(shown(path, limit: 1000)) is \(status.kind.article), want an archive",
            advice: status.kind == .pipe ? "- in its place, and < \(shown(path, limit: 1000)) at the end" : nil)
    }
    guard status.size > 0 else { throw ArchiveError.damaged("\(shown(path, limit: 1000)) is empty") }
    return (try await fileSystem.open(path, .read), false)
}

private struct OpeningSteps {
    let path: String
    let opening: ArchiveOpening

    func open(_ file: any File, isPipe: Bool) async throws -> any ImageCatalog {
        let head = try await file.head(isPipe: isPipe)
        let isPlain = ArchiveFormat(magicOf: head) == nil
        let stream = ArchiveStream.open(file, head: head, isPipe: isPipe, limits: opening.limits)
        if isPlain, !isPipe { return try await openPlain(file, stream) }
        let workFile = opening.workFolder + "/archive"
        let tee = TeeStream(stream) { [fileSystem = opening.fileSystem] in
            try await fileSystem.open(workFile, .temporary)
        }
        let tar = TarStream(tee, archive: path)
        if let front = try await ArchiveFront.read(tar) {
            try await tee.stopCopying()
            return try await SequentialArchive(front, tar, file: file, path: path) {
                try await opening.fileSystem.open(workFile, .temporary)
            }
        }
        let copy = try await tee.copyRest()
        try await file.close()
        return try await openForeign(copy)
    }

    private func openPlain(_ file: any File, _ stream: any ByteStream) async throws -> any ImageCatalog {
        do {
            return try await openWhole(file, stream)
        } catch let fault as ArchiveError where fault.kind == .damaged && opening.acceptsUnsealed {
            guard let map = try await ContentsSearch.soundMap(in: file, archive: path) else { throw fault }
            return ArchiveSource(map, file: file, path: path, fault: fault)
        }
    }

    private func openWhole(_ file: any File, _ stream: any ByteStream) async throws -> any ImageCatalog {
        guard let front = try await ArchiveFront.read(TarStream(stream, archive: path)) else {
            return try await openForeign(file)
        }
        try front.checkFaults(path)
        try await checkEnd(front.map, file)
        return ArchiveSource(front.map, file: file, path: path)
    }

    private func checkEnd(_ map: ArchiveMap, _ file: any File) async throws {
        let size = try await file.status().size
        guard size >= map.size else {
            let complete = map.slots.count { $0.end <= size }
            throw ArchiveError.damaged(
                "\(path) is cut off: it has \(size) of \(map.size) bytes, \(complete) of \(map.slots.count) blobs are "
                    + "within them",
                advice:
                    "lifeboat verify \(path) says which images are complete, lifeboat import --on-error continue takes those"
            )
        }
        guard size == map.size else {
            throw ArchiveError.damaged("\(path) has \(size - map.size) bytes behind its end")
        }
        guard try await file.read(at: map.seal.headerOffset, count: map.tail.readableBytes) == map.tail else {
            throw ArchiveError.damaged(
                "\(path) is not sealed: it was not written to its end, or was changed",
                advice: "lifeboat verify \(path) names what is damaged")
        }
    }

    private func openForeign(_ file: any File) async throws -> any ImageCatalog {
        let listing = try ArchiveListing(try await TarReader.entries(of: file, archive: path), archive: path)
        switch listing.flavor {
        case .docker:
            guard let docker = opening.docker else {
                throw ArchiveError.policy("\(path) is a docker-archive, which is not read here")
            }
            return try await docker(listing, file, opening.defaultRepository)
        case .oci, .ours:
            return try await ForeignArchive(listing: listing, file: file)
                .open(defaultRepository: opening.defaultRepository)
        case nil:
            throw ArchiveError.damaged(
                "\(path) is a tar without images: it has neither oci-layout nor manifest.json")
        }
    }
}

extension File {
    /// The first block, by which filters are told apart; of a pipe it is gone afterwards.
    func head(isPipe: Bool) async throws -> ByteBuffer {
        guard isPipe else { return try await read(at: 0, count: Int(Tar.blockSize)) }
        var head = ByteBuffer()
        while head.readableBytes < Int(Tar.blockSize) {
            let more = try await readNext(Int(Tar.blockSize) - head.readableBytes)
            guard more.readableBytes > 0 else { break }
            head.writeImmutableBuffer(more)
        }
        return head
    }
}
