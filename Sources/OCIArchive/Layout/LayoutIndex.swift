import NIOCore
import OCI

/// The list of images of a layout, `index.json` (image specification, image-layout.md), by name.
struct LayoutIndex: Sendable {
    /// The largest foreign `index.json` that is read.
    static let sizeLimit: Int64 = 20 << 20

    /// One line of the list.
    struct Entry: Sendable, Hashable {
        var descriptor: Descriptor
        var naming: ImageNaming
        /// Whether the manifest is reached from an index that is listed too, once there is one.
        var isPassing = false
        /// Members of the descriptor that we do not know, kept as they are.
        var extra: [String: JSONValue] = [:]
    }

    struct Repository: Sendable {
        /// More than one where the list names an image twice, or two registries have one of that name.
        var tags: [Tag: [Entry]] = [:]
        var untagged: [Digest: Entry] = [:]
    }

    private(set) var repositories: [RepositoryName: Repository] = [:]
    /// Images for which neither the list nor the caller gives a repository.
    private(set) var unplaced: [Entry] = []
    private var extra: [String: JSONValue] = [:]

    init() {}

    /// All entries, sorted by repository, then tag; untagged ones and those without a repository last.
    var entries: [Entry] {
        var result: [Entry] = []
        for (_, repository) in repositories.sorted(by: { $0.key < $1.key }) {
            for (_, entries) in repository.tags.sorted(by: { $0.key < $1.key }) { result += entries }
            result += repository.untagged.sorted { $0.key < $1.key }.map(\.value)
        }
        return result + unplaced
    }
}

extension LayoutIndex {
    /// Something that changes the list; applied again when another process wrote the file in between.
    enum Change: Sendable {
        case put(Entry, in: RepositoryName)
        /// Leaves what other registries have under the same tag.
        case putBeside(Entry, in: RepositoryName)
        case untag(Tag, in: RepositoryName)
        case untagOne(Tag, of: String?, in: RepositoryName)
        case remove(Digest, from: RepositoryName)
        /// The manifests of an index need no line of their own any more.
        case absorb([Digest], in: RepositoryName)
    }

    mutating func apply(_ change: Change) {
        switch change {
        case .put(let entry, let repository): put(entry, in: repository)
        case .putBeside(let entry, let repository):
            let others = entry.naming.tag.map { untagged($0, of: entry.naming.registry, in: repository) } ?? []
            put(entry, in: repository)
            if let tag = entry.naming.tag { repositories[repository]?.tags[tag]? += others }
        case .untag(let tag, let repository): repositories[repository]?.tags[tag] = nil
        case .untagOne(let tag, let registry, let repository):
            let others = untagged(tag, of: registry, in: repository)
            repositories[repository]?.tags[tag] = others.isEmpty ? nil : others
        case .remove(let digest, let repository):
            repositories[repository]?.untagged[digest] = nil
            for (tag, entries) in repositories[repository]?.tags ?? [:] {
                let kept = entries.filter { $0.descriptor.digest != digest }
                repositories[repository]?.tags[tag] = kept.isEmpty ? nil : kept
            }
        case .absorb(let digests, let repository):
            for digest in digests where repositories[repository]?.untagged[digest]?.isPassing == true {
                repositories[repository]?.untagged[digest] = nil
            }
        }
        let name = change.repository
        if let repository = repositories[name], repository.tags.isEmpty, repository.untagged.isEmpty {
            repositories[name] = nil
        }
    }

    private mutating func put(_ entry: Entry, in repository: RepositoryName) {
        if let tag = entry.naming.tag {
            repositories[repository, default: Repository()].tags[tag] = [entry]
            repositories[repository]?.untagged[entry.descriptor.digest] = nil
        } else if !lists(entry.descriptor.digest, in: repository) {
            repositories[repository, default: Repository()].untagged[entry.descriptor.digest] = entry
        }
    }

    /// What is left of a tag without the entry of one registry.
    private func untagged(_ tag: Tag, of registry: String?, in repository: RepositoryName) -> [Entry] {
        (repositories[repository]?.tags[tag] ?? []).filter { $0.naming.registry != registry }
    }

    private func lists(_ digest: Digest, in repository: RepositoryName) -> Bool {
        repositories[repository]?.tags.values.contains { $0.contains { $0.descriptor.digest == digest } } ?? false
    }
}

extension LayoutIndex.Change {
    var repository: RepositoryName {
        switch self {
        case .put(_, let name), .putBeside(_, let name), .untag(_, let name), .untagOne(_, _, let name),
            .remove(_, let name), .absorb(_, let name):
            name
        }
    }
}

extension LayoutIndex {
    /// Reads the file's bytes.
    ///
    /// - Parameters:
    ///   - place: how messages call the file.
    ///   - defaultRepository: the repository of images for which the list gives a tag only, or nothing.
    /// - Throws: `ArchiveError` or `OCIError` `.damaged` that says what is wrong.
    init(parsing bytes: ByteBuffer, in place: String, defaultRepository: RepositoryName?) throws {
        guard bytes.readableBytes > 0 else { throw ArchiveError(.damaged, "\(place) is empty") }
        var members = try JSONValue(parsing: bytes, in: place).object(place)
        if members["manifests"] == nil, members["config"] != nil || members["layers"] != nil {
            throw ArchiveError(.damaged, "\(place) is an image manifest, want an index")
        }
        guard let list = members.removeValue(forKey: "manifests") else {
            throw ArchiveError(.damaged, "\(place) has no list of manifests")
        }
        if members["config"] != nil || members["layers"] != nil || members["fsLayers"] != nil {
            throw ArchiveError(.damaged, "\(place) is ambiguous: it has members of more than one kind of manifest")
        }
        if case .null = list { throw ArchiveError(.damaged, "\(place): manifests is null, want an array") }
        let version = members.removeValue(forKey: "schemaVersion")
        guard version == .number(2) else {
            throw ArchiveError(
                .damaged, "\(place): schemaVersion is \(shown(version?.text ?? "missing", limit: 40)), want 2")
        }
        if let type = members.removeValue(forKey: "mediaType"), type != .null {
            let text = try type.string("\(place): mediaType")
            guard MediaType(rawValue: text) == .ociIndex else {
                throw ArchiveError(
                    .damaged, "\(place) calls itself \(shown(text, limit: 200)), want \(MediaType.ociIndex)")
            }
        }
        extra = members
        var sizes: [Digest: Int64] = [:]
        for (number, item) in try list.array("\(place): manifests").enumerated() {
            let entry = try Entry(json: item, in: "\(place): manifests[\(number)]")
            let digest = entry.descriptor.digest
            if let size = sizes.updateValue(entry.descriptor.size, forKey: digest), size != entry.descriptor.size {
                throw ArchiveError(
                    .damaged, "\(place) gives \(digest) both \(size) and \(entry.descriptor.size) bytes",
                    advice: "write the layout again from where it came: one of the two entries is wrong")
            }
            add(entry, defaultRepository: defaultRepository)
        }
    }

    private mutating func add(_ entry: Entry, defaultRepository: RepositoryName?) {
        guard let repository = entry.naming.repository ?? defaultRepository else {
            unplaced.append(entry)
            return
        }
        guard let tag = entry.naming.tag else {
            repositories[repository, default: Repository()].untagged[entry.descriptor.digest] = entry
            return
        }
        var entries = repositories[repository]?.tags[tag] ?? []
        let isThere = entries.contains {
            $0.descriptor.digest == entry.descriptor.digest && $0.naming.registry == entry.naming.registry
        }
        if !isThere { entries.append(entry) }
        repositories[repository, default: Repository()].tags[tag] = entries
    }

    /// The file's bytes; equal lists give equal bytes.
    var bytes: ByteBuffer {
        var members = extra
        members["schemaVersion"] = .number(2)
        members["mediaType"] = .string(MediaType.ociIndex.rawValue)
        members["manifests"] = .array(entries.map(\.json))
        return ByteBuffer(string: JSONValue.object(members).text)
    }
}

extension LayoutIndex.Entry {
    private static let known: Set = ["mediaType", "digest", "size", "platform", "artifactType", "annotations", "urls"]

    init(json: JSONValue, in place: String) throws {
        descriptor = try Descriptor(json: json, in: place)
        naming = ImageNaming(annotations: descriptor.annotations)
        extra = try json.object(place).filter { !Self.known.contains($0.key) }
        // What we would not write as it was read goes with the rest.
        if descriptor.platform != nil { extra["platform"] = json["platform"] }
    }

    var json: JSONValue {
        guard case .object(let members) = descriptor.json, !extra.isEmpty else { return descriptor.json }
        return .object(members.merging(extra) { $1 })
    }
}
