import NIOCore
import OCI

/// Reads what a docker-archive says of its images, and hashes their layers.
struct DockerArchiveReading {
    let listing: ArchiveListing
    let file: any File
    let defaultRepository: RepositoryName?
    private(set) var named: [NamedImage] = []
    private(set) var manifests: [Digest: Manifest] = [:]
    private(set) var places: [Digest: ArchiveSource.Place] = [:]
    /// Layers by the offset of their content, since several images may have one.
    private var layers: [Int64: Descriptor] = [:]

    private static let hashedAtATime: Int64 = 1 << 20

    init(listing: ArchiveListing, file: any File, defaultRepository: RepositoryName?) {
        self.listing = listing
        self.file = file
        self.defaultRepository = defaultRepository
    }

    mutating func readImages() async throws {
        let place = "manifest.json of \(listing.archive)"
        guard let entry = listing.files["manifest.json"] else {
            throw ArchiveError.damaged("\(listing.archive) is no docker-archive: it has no manifest.json")
        }
        let json = try JSONValue(parsing: try await content(of: entry, upTo: DockerArchive.listLimit), in: place)
        if case .null = json { throw ArchiveError.damaged("\(place) is null, want a list of images") }
        for (number, item) in try json.array(place).enumerated() {
            try await readImage(try item.object("\(place)[\(number)]"), in: "\(place)[\(number)]")
        }
    }

    private mutating func readImage(_ members: [String: JSONValue], in place: String) async throws {
        guard let configPath = try members["Config"]?.string("\(place).Config") else {
            throw ArchiveError.damaged("\(place) has no Config")
        }
        let (config, bytes) = try await readConfig(configPath, in: place)
        let diffs = try DockerArchiveReading.diffs(bytes, in: "\(shown(configPath)) of \(listing.archive)")
        let paths = try (members["Layers"] ?? .array([])).list("\(place).Layers")
        guard diffs.count == paths.count else {
            throw ArchiveError.damaged("\(place) has \(paths.count) layers, its config says \(diffs.count)")
        }
        var layers: [Descriptor] = []
        for (path, diff) in zip(paths, diffs) { layers.append(try await readLayer(path, diff: diff, in: place)) }
        let document: JSONValue = .object([
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociManifest.rawValue), "config": config.json,
            "layers": .array(layers.map(\.json)),
        ])
        let manifest = try Manifest(
            ByteBuffer(string: document.text), mediaType: .ociManifest, from: listing.archive)
        manifests[manifest.descriptor.digest] = manifest
        try name(manifest.descriptor, try (members["RepoTags"] ?? .null).list("\(place).RepoTags"))
    }

    private mutating func name(_ descriptor: Descriptor, _ tags: [String]) throws {
        for tag in tags {
            let naming = ImageNaming(annotations: [ImageNaming.fullNameAnnotation: tag])
            guard let image = naming.image(descriptor) else {
                throw ArchiveError.damaged("\(listing.archive) names an image '\(shown(tag, limit: 300))'")
            }
            named.append(image)
        }
        guard tags.isEmpty else { return }
        guard let defaultRepository else {
            throw ArchiveError.usage(
                "\(listing.archive) does not say which repository \(descriptor.digest.short) belongs to",
                advice: "--repository NAME")
        }
        named.append(NamedImage(registry: nil, repository: defaultRepository, tag: nil, descriptor: descriptor))
    }

    private mutating func readConfig(_ path: String, in place: String) async throws -> (Descriptor, ByteBuffer) {
        let entry = try resolve(path, in: place)
        let bytes = try await content(of: entry, upTo: DockerArchive.configLimit)
        let config = Descriptor(of: bytes, mediaType: .ociConfig)
        let stem = path.split(separator: "/").last?.split(separator: ".").first ?? ""
        if stem.utf8.count == 64, stem != config.digest.hex {
            throw ArchiveError.damaged(
                "config \(shown(path)) of \(listing.archive) is damaged: its bytes are \(config.digest)")
        }
        places[config.digest] = ArchiveSource.Place(contentOffset: entry.contentOffset, size: entry.size)
        return (config, bytes)
    }

    private static func diffs(_ config: ByteBuffer, in place: String) throws -> [Digest] {
        let root = try JSONValue(parsing: config, in: place).object(place)["rootfs"]
        guard let list = root?["diff_ids"] else { return [] }
        return try list.list("\(place): rootfs.diff_ids").map { try Digest(parsing: $0) }
    }

    /// A plain tar must be what the config says; a compressed one has another digest, and is taken as it is.
    private mutating func readLayer(_ path: String, diff: Digest, in place: String) async throws -> Descriptor {
        let entry = try resolve(path, in: place)
        let layer: Descriptor
        if let known = layers[entry.contentOffset] {
            layer = known
        } else {
            layer = try await hash(entry, algorithm: diff.algorithm)
            layers[entry.contentOffset] = layer
            places[layer.digest] = ArchiveSource.Place(contentOffset: entry.contentOffset, size: entry.size)
        }
        guard layer.mediaType != .ociLayer || layer.digest == diff else {
            throw ArchiveError.damaged(
                "layer \(shown(path)) of \(listing.archive) is damaged: got \(layer.digest), want \(diff)")
        }
        return layer
    }

    private func hash(_ entry: TarEntry, algorithm: Digest.Algorithm) async throws -> Descriptor {
        let head = try await file.read(at: entry.contentOffset, count: Int(min(entry.size, 6)))
        let type = try mediaType(of: entry, head)
        var digester = Digester(algorithm)
        var done: Int64 = 0
        while done < entry.size {
            let chunk = try await file.read(
                at: entry.contentOffset + done,
                count: Int(min(DockerArchiveReading.hashedAtATime, entry.size - done)))
            guard chunk.readableBytes > 0 else {
                throw ArchiveError.damaged("\(listing.archive) is cut off in \(shownName(entry))")
            }
            digester.update(chunk)
            done += Int64(chunk.readableBytes)
        }
        return Descriptor(mediaType: type, digest: digester.finalize(), size: entry.size)
    }

    private func mediaType(of entry: TarEntry, _ head: ByteBuffer) throws -> MediaType {
        let bytes = Array(head.readableBytesView)
        if bytes.starts(with: [0x1f, 0x8b]) { return .ociLayerGzip }
        if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { return .ociLayerZstd }
        if bytes.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) || bytes.starts(with: [0x42, 0x5a, 0x68]) {
            throw ArchiveError.policy(
                "layer \(shownName(entry)) of \(listing.archive) is compressed with xz or bzip2, which no OCI image has"
            )
        }
        return .ociLayer
    }
}

extension DockerArchiveReading {
    /// The entry of that name, or the one that a link of that name points to: one step, inside the archive.
    private func resolve(_ path: String, in place: String) throws -> TarEntry {
        guard let plain = TarEntry.path(path) else {
            throw ArchiveError.policy("\(place) names '\(shown(path, limit: 200))', which leads elsewhere")
        }
        if let entry = listing.files[plain] { return entry }
        guard let link = listing.links[plain] else {
            throw ArchiveError.damaged("'\(shown(path, limit: 200))' is missing from \(listing.archive)")
        }
        let target: String? =
            switch link.kind {
            case .hardLink(let name): TarEntry.path(name)
            case .symbolicLink(let name): DockerArchiveReading.path(name, from: plain)
            default: nil
            }
        guard let target, let entry = listing.files[target] else {
            throw ArchiveError.policy(
                "\(shownName(link)) of \(listing.archive) is a link that leads to no file of the archive")
        }
        return entry
    }

    /// The path that a symbolic link means, seen from its folder; nil if it leads out of the archive.
    static func path(_ target: String, from link: String) -> String? {
        guard !target.hasPrefix("/") else { return nil }
        var parts = link.split(separator: "/").dropLast()
        for part in target.split(separator: "/") {
            switch part {
            case ".": continue
            case "..": if parts.popLast() == nil { return nil }
            default: parts.append(part)
            }
        }
        return TarEntry.path(parts.joined(separator: "/"))
    }

    private func content(of entry: TarEntry, upTo limit: Int64) async throws -> ByteBuffer {
        guard entry.size <= limit else {
            throw ArchiveError.policy(
                "\(shownName(entry)) of \(listing.archive) has \(entry.size) bytes, the limit is \(limit)")
        }
        return try await file.read(at: entry.contentOffset, count: Int(entry.size))
    }
}

extension JSONValue {
    /// An array of strings; `null` stands for an empty one.
    fileprivate func list(_ place: String) throws(OCIError) -> [String] {
        if self == .null { return [] }
        var result: [String] = []
        for item in try array(place) { result.append(try item.string(place)) }
        return result
    }
}
