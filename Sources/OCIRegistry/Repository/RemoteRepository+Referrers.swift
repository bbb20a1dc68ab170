import NIOCore
import NIOHTTP1
import OCI

extension RemoteRepository {
    /// What the registry lists by itself, and what is listed under the fallback tag
    /// (distribution specification, "Listing Referrers").
    ///
    /// Where all tags have been listed before, a fallback tag that was not among them is not asked for.
    public func referrers(of digest: Digest) async throws -> [Descriptor] {
        var found = try await referrersByAPI(of: digest)
        let known = Set(found.map(\.digest))
        found += try await referrersByTag(of: digest).filter { !known.contains($0.digest) }
        return found.sorted { $0.digest < $1.digest }
    }

    private func referrersByAPI(of digest: Digest) async throws -> [Descriptor] {
        guard registry.withMemory({ $0.hasReferrersAPI }) != false else { return [] }
        var found: [Descriptor] = []
        var visited: Set<WebAddress> = []
        var next: WebAddress? = address("referrers/\(digest)")
        while let address = next {
            guard visited.insert(address).inserted, visited.count <= Pages.limit else {
                throw RegistryError.protocolViolation("\(name) lists the referrers of \(digest) without end")
            }
            var request = Request(
                .referrers, .GET, address, access: pull, what: "the referrers of \(digest)")
            request.headers.add(name: "Accept", value: MediaType.ociIndex.rawValue)
            request.bodyLimit = Pages.sizeLimit
            let answer = try await registry.answer(request)
            guard answer.status == 200 else { return try noAPI(answer, after: found, digest) }
            // A page that greets whoever asks is no word on signatures: taken for none, they would be lost in silence.
            guard !answer.isHTML else { throw refusal(answer, of: "the referrers of \(digest)") }
            registry.withMemory { $0.hasReferrersAPI = true }
            found += try Referrers.parse(answer.body, in: "the referrers of \(digest) in \(name)")
            next = try LinkHeader.next(in: answer.headers["Link"], from: answer.address)
        }
        return found
    }

    private func noAPI(_ answer: Answer, after found: [Descriptor], _ digest: Digest) throws -> [Descriptor] {
        // A registry that knows the API answers 200 with an empty list, unless it does not know the repository.
        let aboutName = answer.errorCodes.contains("NAME_UNKNOWN") || answer.errorCodes.contains("MANIFEST_UNKNOWN")
        let isKnown = registry.withMemory { $0.hasReferrersAPI } == true
        guard found.isEmpty, aboutName || !isKnown, answer.isHTML || [400, 404, 405, 406, 501].contains(answer.status)
        else { throw refusal(answer, of: "the referrers of \(digest)") }
        if !aboutName { registry.withMemory { if $0.hasReferrersAPI == nil { $0.hasReferrersAPI = false } } }
        return []
    }

    private func referrersByTag(of digest: Digest) async throws -> [Descriptor] {
        let tag = Tag(referrersOf: digest)
        if let listed = registry.withMemory({ $0.referrersTags[repository] }), !listed.contains(tag) { return [] }
        guard let manifest = try await get(.tag(tag), pull), case .index(let children) = manifest.kind else {
            return []
        }
        return children
    }
}

/// An index that lists referrers.
enum Referrers {
    static func parse(_ bytes: ByteBuffer, in place: String) throws -> [Descriptor] {
        var found: [Descriptor] = []
        let json = try JSONValue(parsing: bytes, in: place)
        guard let list = try json.object(place)["manifests"], list != .null else { return [] }
        for entry in try list.array("\(place): manifests") {
            found.append(try Descriptor(json: entry, in: "\(place): an entry"))
        }
        return found
    }

    /// The document with more entries; whatever is in it stays as it is.
    ///
    /// - Returns: nil if all of `referrers` are in it already.
    static func adding(_ referrers: [Descriptor], to existing: ByteBuffer?, in place: String) throws -> ByteBuffer? {
        var members: [String: JSONValue] = [
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociIndex.rawValue), "manifests": .array([]),
        ]
        if let existing { members = try JSONValue(parsing: existing, in: place).object(place) }
        var entries: [JSONValue] = []
        if let list = members["manifests"], list != .null { entries = try list.array("\(place): manifests") }
        let known = Set(entries.compactMap { $0["digest"]?.stringValue })
        let new = referrers.filter { !known.contains($0.digest.description) }
        guard !new.isEmpty else { return nil }
        var seen: Set<Digest> = []
        entries += new.sorted { $0.digest < $1.digest }.filter { seen.insert($0.digest).inserted }.map(\.json)
        members["manifests"] = .array(entries)
        return ByteBuffer(string: JSONValue.object(members).text)
    }
}
