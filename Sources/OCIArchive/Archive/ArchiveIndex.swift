import NIOCore
import OCI

/// The file `oci-layout` (image specification, image-layout.md).
struct LayoutMarker {
    init(json: JSONValue, in place: String) throws {
        guard let version = json["imageLayoutVersion"] else {
            throw ArchiveError.damaged("\(place) has no imageLayoutVersion")
        }
        guard version.stringValue == "1.0.0" else {
            throw ArchiveError.damaged("\(place) has imageLayoutVersion \(shown(version.text, limit: 40)), want 1.0.0")
        }
    }
}

/// The file `index.json` of an image layout: the manifests that it starts from, with what they are called.
struct ArchiveIndex: Sendable {
    let manifests: [Descriptor]

    init(json: JSONValue, in place: String) throws {
        guard let value = try json.object(place)["manifests"] else {
            throw ArchiveError.damaged("\(place) has no manifests: it is not an index")
        }
        for member in ["config", "layers", "fsLayers"] where json[member] != nil {
            throw ArchiveError.damaged("\(place) is ambiguous: it has manifests and \(member)")
        }
        manifests = try value.array("\(place): manifests").enumerated().map {
            try Descriptor(json: $0.element, in: "\(place): manifests[\($0.offset)]")
        }
        var sizes: [Digest: Int64] = [:]
        for manifest in manifests {
            if let size = sizes.updateValue(manifest.size, forKey: manifest.digest), size != manifest.size {
                throw ArchiveError.damaged(
                    "\(place): \(manifest.digest) is said to have \(size) and \(manifest.size) bytes")
            }
        }
    }

    /// Lower-case hex of the right length, as a digest.
    static func digest(_ algorithm: Digest.Algorithm, _ hex: some StringProtocol) -> Digest? {
        do { return try Digest(parsing: algorithm.rawValue + ":" + hex) } catch { return nil }
    }

    /// What refers to what: manifests with a `subject`, listed here or in an index under a referrers tag.
    func referrers(_ manifest: (Descriptor) async throws -> Manifest?) async throws -> [Digest: [Descriptor]] {
        var table: [Digest: Set<Descriptor>] = [:]
        func add(_ descriptor: Descriptor) async throws -> Manifest? {
            guard let found = try await manifest(descriptor) else { return nil }
            if let subject = found.subject { table[subject.digest, default: []].insert(found.descriptor) }
            return found
        }
        for descriptor in manifests where descriptor.mediaType.isManifest {
            let found = try await add(descriptor)
            if let name = descriptor.annotations[ArchiveNames.refName], ImageNames.listsReferrers(name),
                case .index(let children)? = found?.kind
            {
                for child in children where child.mediaType.isManifest { _ = try await add(child) }
            }
        }
        return table.mapValues { $0.sorted { $0.digest < $1.digest } }
    }
}
