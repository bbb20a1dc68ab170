import NIOCore
import OCI

/// The entries of a tar that we did not write, sorted by what they are for.
///
/// Only the names of the image layout count, everything else is passed over and noted. Links and devices are refused:
/// nothing is ever followed.
public struct ArchiveListing: Sendable {
    /// Regular files by their path.
    public private(set) var files: [String: TarEntry] = [:]
    /// Links to other entries, by their path; only an old docker-archive may have them.
    public private(set) var links: [String: TarEntry] = [:]
    public let archive: String

    /// - Throws: `ArchiveError` `.damaged` for a name that stands twice, `.policy` for names that lead elsewhere and for
    ///   devices.
    public init(_ entries: [TarEntry], archive: String) throws {
        self.archive = archive
        var folders: Set<String> = []
        for entry in entries {
            guard let path = entry.path else {
                throw ArchiveError.policy("\(archive) has an entry named \(shownName(entry)), which is not plain")
            }
            switch entry.kind {
            case .folder:
                folders.insert(path)
                continue
            case .file:
                guard files.updateValue(entry, forKey: path) == nil, links[path] == nil else {
                    throw ArchiveError.damaged("\(archive) has two entries named '\(shown(path, limit: 200))'")
                }
            case .hardLink, .symbolicLink:
                guard links.updateValue(entry, forKey: path) == nil, files[path] == nil else {
                    throw ArchiveError.damaged("\(archive) has two entries named '\(shown(path, limit: 200))'")
                }
            case .other(let type):
                throw ArchiveError.policy(
                    "\(archive) has a special file, \(shownName(entry)) of type '\(Character(Unicode.Scalar(type)))'")
            }
        }
        for path in folders where files[path] != nil || links[path] != nil {
            throw ArchiveError.damaged("\(archive) has a file and a folder named '\(shown(path, limit: 200))'")
        }
    }

    /// What the archive is, by the files in it.
    public var flavor: ArchiveFlavor? {
        if files[ArchiveNames.layout] != nil { return .oci }
        return files["manifest.json"] != nil ? .docker : nil
    }
}

/// Who may have written an archive.
public enum ArchiveFlavor: String, Sendable, Hashable {
    /// Lifeboat: with contents and a seal.
    case ours
    /// An OCI image layout in a tar.
    case oci
    /// The older form of `docker save`, with manifest.json and no `oci-layout`.
    case docker
}

/// Opens an OCI image layout in a tar that others wrote.
struct ForeignArchive {
    let listing: ArchiveListing
    let file: any File

    func open(defaultRepository: RepositoryName?) async throws -> ArchiveSource {
        guard listing.links.isEmpty else {
            throw ArchiveError.policy(
                "\(listing.archive) has links, such as '\(shown(listing.links.keys.min() ?? "", limit: 200))', "
                    + "where an image layout has files only")
        }
        try checkMarker(try await json(ArchiveNames.layout, upTo: ArchiveNames.layoutLimit))
        let (places, passedOver) = try blobPlaces()
        let reader = BlobReader(archive: listing.archive, file: file, places: places)
        let repoTags = try await repoTags()
        let index = try await index(reader, configs: repoTags.keys.sorted())
        let names = try await ImageNames(
            index, repoTags: repoTags, defaultRepository: defaultRepository, archive: listing.archive,
            manifest: { try await reader.manifest($0) })
        let notes = passedOver + names.notes
        return ArchiveSource(
            path: listing.archive, isSealed: false, id: nil, notes: notes, file: file,
            named: names.images.sorted { $0.precedes($1) }, blobs: .found(places),
            referrers: ReferrerTable { try await reader.referrers(index) })
    }

    /// The images that the layout starts from.
    ///
    /// docker 25 writes `"manifests":null` for an image without a name: there the manifest is found by the config that
    /// manifest.json gives.
    private func index(_ reader: BlobReader, configs: [Digest]) async throws -> LayoutIndex {
        var bytes = try await content(ArchiveNames.index, upTo: LayoutIndex.sizeLimit)
        if !configs.isEmpty, try listsNothing(bytes) {
            let found = try await reader.manifests(of: configs)
            guard !found.isEmpty else {
                throw ArchiveError.damaged(
                    "\(place(ArchiveNames.index)) lists no manifests, and none is in the archive")
            }
            let index = JSONValue.object(["schemaVersion": .number(2), "manifests": .array(found.map(\.json))])
            bytes = ByteBuffer(string: index.text)
        }
        return try LayoutIndex(parsing: bytes, in: place(ArchiveNames.index), defaultRepository: nil)
    }

    private func listsNothing(_ index: ByteBuffer) throws -> Bool {
        let listed = try JSONValue(parsing: index, in: place(ArchiveNames.index))["manifests"]
        return listed == .null || listed == .array([])
    }

    private func place(_ name: String) -> String { "\(name) of \(listing.archive)" }

    /// image specification, image-layout.md, "oci-layout file".
    private func checkMarker(_ json: JSONValue) throws {
        guard let version = json["imageLayoutVersion"] else {
            throw ArchiveError.damaged("\(place(ArchiveNames.layout)) has no imageLayoutVersion")
        }
        guard version.stringValue == "1.0.0" else {
            throw ArchiveError.damaged(
                "\(place(ArchiveNames.layout)) has imageLayoutVersion \(shown(version.text, limit: 40)), want 1.0.0")
        }
    }

    private func json(_ name: String, upTo limit: Int64) async throws -> JSONValue {
        try JSONValue(parsing: try await content(name, upTo: limit), in: place(name))
    }

    private func content(_ name: String, upTo limit: Int64) async throws -> ByteBuffer {
        guard let entry = listing.files[name] else {
            throw ArchiveError.damaged("\(listing.archive) has no \(name), which every image layout has")
        }
        return try await bytes(entry, upTo: limit)
    }

    private func bytes(_ entry: TarEntry, upTo limit: Int64) async throws -> ByteBuffer {
        guard entry.size <= limit else {
            throw ArchiveError.policy(
                "\(shownName(entry)) of \(listing.archive) has \(entry.size) bytes, the limit is \(limit)")
        }
        return try await file.read(at: entry.contentOffset, count: Int(entry.size))
    }

    private func blobPlaces() throws -> ([Digest: ArchiveSource.Place], [String]) {
        var places: [Digest: ArchiveSource.Place] = [:]
        var others: [String] = []
        for (path, entry) in listing.files {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count == 3, parts[0] == "blobs", let algorithm = Digest.Algorithm(rawValue: String(parts[1])),
                let digest = ForeignArchive.digest(algorithm, parts[2])
            {
                places[digest] = .init(contentOffset: entry.contentOffset, size: entry.size)
            } else if !ForeignArchive.isKnown(path) {
                others.append(path)
            }
        }
        let notes = others.sorted().prefix(10).map { "passed over '\(shown($0, limit: 200))'" }
        return (places, notes + (others.count > 10 ? ["passed over \(others.count - 10) more"] : []))
    }

    /// The digest that a file's name stands for, or nil where it stands for none.
    private static func digest(_ algorithm: Digest.Algorithm, _ hex: some StringProtocol) -> Digest? {
        do { return try Digest(parsing: algorithm.rawValue + ":" + hex) } catch { return nil }
    }

    private static func isKnown(_ path: String) -> Bool {
        let name = path.split(separator: "/").last ?? ""
        return [
            ArchiveNames.layout, ArchiveNames.index, "manifest.json", "repositories", ArchiveNames.contents,
            ArchiveNames.seal,
        ].contains(path) || name.hasPrefix("._")
    }

    /// The names that a manifest.json beside the layout gives, by the digest of the config that it names.
    private func repoTags() async throws -> [Digest: [String]] {
        guard let entry = listing.files["manifest.json"] else { return [:] }
        let place = place("manifest.json")
        let json = try JSONValue(parsing: try await bytes(entry, upTo: LayoutIndex.sizeLimit), in: place)
        var names: [Digest: [String]] = [:]
        for item in try json.array(place) {
            guard let config = item["Config"]?.stringValue else { continue }
            let parts = config.split(separator: "/")
            guard parts.count == 3, parts[0] == "blobs", let algorithm = Digest.Algorithm(rawValue: String(parts[1])),
                let digest = ForeignArchive.digest(algorithm, parts[2])
            else { continue }
            names[digest, default: []] += []
            if case .array(let tags)? = item["RepoTags"] { names[digest]? += tags.compactMap(\.stringValue) }
        }
        return names
    }
}

/// Reads manifests by digest before there is a store.
private struct BlobReader: Sendable {
    let archive: String
    let file: any File
    let places: [Digest: ArchiveSource.Place]

    /// A manifest, or nil if it is missing or damaged: as an image of its own it is listed, and fails there.
    func manifest(_ descriptor: Descriptor) async throws -> Manifest? {
        guard let place = places[descriptor.digest], place.size <= Manifest.sizeLimit else { return nil }
        let bytes = try await file.read(at: place.contentOffset, count: Int(place.size))
        do throws(OCIError) {
            return try Manifest(bytes, as: descriptor, from: archive)
        } catch {
            return nil
        }
    }

    /// The manifests among all blobs that have one of the configs.
    func manifests(of configs: [Digest]) async throws -> [Descriptor] {
        var found: [Descriptor] = []
        for (digest, place) in places.sorted(by: { $0.key < $1.key }) where !configs.contains(digest) {
            let descriptor = Descriptor(mediaType: .octetStream, digest: digest, size: place.size)
            guard let manifest = try await manifest(descriptor), case .image(let config?, _) = manifest.kind,
                configs.contains(config.digest)
            else { continue }
            found.append(manifest.descriptor)
        }
        return found
    }

    /// What refers to what: manifests with a `subject` that are listed, or are in an index that is listed.
    func referrers(_ index: LayoutIndex) async throws -> [Digest: [Descriptor]] {
        var table: [Digest: Set<Descriptor>] = [:]
        var queue = index.entries.map(\.descriptor).filter(\.mediaType.isManifest)
        var seen = Set(queue.map(\.digest))
        while let descriptor = queue.popLast() {
            guard let found = try await manifest(descriptor) else { continue }
            if let subject = found.subject { table[subject.digest, default: []].insert(found.descriptor) }
            guard case .index(let children) = found.kind else { continue }
            for child in children where child.mediaType.isManifest && seen.insert(child.digest).inserted {
                guard seen.count <= Tar.entryLimit else { break }
                queue.append(child)
            }
        }
        return table.mapValues(Array.init)
    }
}
