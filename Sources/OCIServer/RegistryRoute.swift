import HTTPTypes
import OCI

/// What a path under `/v2/` names (distribution specification, "Endpoints").
enum RegistryRoute: Hashable, Sendable {
    case base
    case catalog
    case tags(RepositoryName)
    case manifest(RepositoryName, TagOrDigest)
    case blob(RepositoryName, Digest)
    case uploads(RepositoryName)
    case upload(RepositoryName, id: String)
    case referrers(RepositoryName, Digest)

    /// Reads a path as it stands in the request line, without query.
    ///
    /// Parsed from the right, since a repository may be called `a/blobs/b`. Every part between slashes is decoded by
    /// itself and must then be a name, tag, digest or id: an encoded slash or `..` is none of them.
    init(path: some StringProtocol) throws(RegistryError) {
        var parts: [String] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            guard let decoded = percentDecoded(part), !decoded.contains("/") else { throw RegistryRoute.unknown }
            parts.append(decoded)
        }
        guard parts.count >= 2, parts[0].isEmpty, parts[1] == "v2" else { throw RegistryRoute.unknown }
        parts.removeFirst(2)
        if parts.isEmpty || parts == [""] {
            self = .base
        } else if parts == ["_catalog"] {
            self = .catalog
        } else {
            try self.init(parts: parts)
        }
    }

    private init(parts: [String]) throws(RegistryError) {
        let count = parts.count
        func name(_ dropped: Int) throws(RegistryError) -> RepositoryName {
            try RegistryRoute.repository(parts.dropLast(dropped))
        }
        if count >= 3, parts[count - 2] == "tags", parts[count - 1] == "list" {
            self = .tags(try name(2))
        } else if count >= 3, parts[count - 2] == "manifests" {
            self = .manifest(try name(2), try RegistryRoute.reference(parts[count - 1]))
        } else if count >= 3, parts[count - 2] == "referrers" {
            self = .referrers(try name(2), try RegistryRoute.digest(parts[count - 1]))
        } else if count >= 4, parts[count - 3] == "blobs", parts[count - 2] == "uploads" {
            let id = parts[count - 1]
            self = id.isEmpty ? .uploads(try name(3)) : .upload(try name(3), id: id)
        } else if count >= 3, parts[count - 2] == "blobs", parts[count - 1] == "uploads" {
            self = .uploads(try name(2))
        } else if count >= 3, parts[count - 2] == "blobs" {
            self = .blob(try name(2), try RegistryRoute.digest(parts[count - 1]))
        } else {
            throw RegistryRoute.unknown
        }
    }

    private static let unknown = RegistryError(.notFound, .unsupported, "there is no such endpoint")

    private static func repository(_ parts: ArraySlice<String>) throws(RegistryError) -> RepositoryName {
        do throws(OCIError) {
            return try RepositoryName(parts.joined(separator: "/"))
        } catch {
            throw RegistryError(.badRequest, .nameInvalid, error.description)
        }
    }

    private static func reference(_ text: String) throws(RegistryError) -> TagOrDigest {
        if text.contains(":") { return .digest(try digest(text)) }
        do throws(OCIError) {
            return .tag(try Tag(text))
        } catch {
            // No manifest can have it, so there is none: what the conformance tests ask for.
            throw RegistryError(.notFound, .manifestUnknown, error.description)
        }
    }

    private static func digest(_ text: String) throws(RegistryError) -> Digest {
        do throws(OCIError) {
            return try Digest(parsing: text)
        } catch {
            throw RegistryError(.badRequest, .digestInvalid, error.description)
        }
    }
}
