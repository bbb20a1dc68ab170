import HTTPTypes
import Hummingbird
import OCI

extension RegistryService {
    /// The most bytes of one page of referrers: a client may refuse a longer manifest.
    private static let referrersLimit = 3 << 20

    func catalog(_ query: RegistryQuery) async throws -> Response {
        let names = try await asking(.nameUnknown) { try await store.repositories() }
        let page = try RegistryPage(of: names.map(\.description), query: query)
        return document(
            .object(["repositories": .array(page.names.map { .string($0) })]), link(page.next, path: "/v2/_catalog"))
    }

    func tags(_ name: RepositoryName, _ query: RegistryQuery) async throws -> Response {
        let tags = try await asking(.nameUnknown) { try await source(name, query).tags() }
        if tags.isEmpty {
            let names = try await asking(.nameUnknown) { try await store.repositories() }
            guard names.contains(name) else {
                throw RegistryError(.notFound, .nameUnknown, "there is no repository \(name)")
            }
        }
        let page = try RegistryPage(of: tags.map(\.description), query: query)
        var next = page.next
        if let origin = query["ns"] { next = next.map { $0 + "&ns=" + RegistryPage.encoded(origin) } }
        return document(
            .object(["name": .string(name.description), "tags": .array(page.names.map { .string($0) })]),
            link(next, path: "/v2/\(name)/tags/list"))
    }

    func referrers(_ name: RepositoryName, _ digest: Digest, _ query: RegistryQuery) async throws -> Response {
        var found = try await asking(.manifestUnknown) { try await source(name, query).referrers(of: digest) }
        var headers: HTTPFields = [:]
        var next: [String] = []
        if let origin = query["ns"] { next.append("ns=\(RegistryPage.encoded(origin))") }
        if let type = query["artifactType"], !type.isEmpty {
            found = found.filter { $0.artifactType == type }
            headers[.filtersApplied] = "artifactType"
            next.append("artifactType=\(RegistryPage.encoded(type))")
        }
        if let last = try query.digest("last") { found = Array(found.drop { !(last < $0.digest) }) }
        var items: [JSONValue] = []
        var size = 0
        for descriptor in found {
            size += descriptor.json.text.utf8.count
            if size > RegistryService.referrersLimit, let last = items.last?["digest"]?.stringValue {
                next.append("last=\(RegistryPage.encoded(last))")
                headers[.link] = "</v2/\(name)/referrers/\(digest)?\(next.joined(separator: "&"))>; rel=\"next\""
                break
            }
            items.append(descriptor.json)
        }
        let index: JSONValue = .object([
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociIndex.rawValue), "manifests": .array(items),
        ])
        return document(index, headers, as: MediaType.ociIndex.rawValue)
    }

    private func link(_ next: String?, path: String) -> HTTPFields {
        guard let next else { return [:] }
        return [.link: "<\(path)?\(next)>; rel=\"next\""]
    }
}
