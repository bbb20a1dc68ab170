/// The path of a repository within a registry, such as `team/app` (distribution specification, "Pulling manifests").
public struct RepositoryName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    /// - Throws: `OCIError` of kind `.usage` for a name that no registry would take.
    public init(_ name: some StringProtocol) throws(OCIError) {
        if let reason = RepositoryName.fault(in: name) {
            throw OCIError(.usage, "'\(shown(name, limit: 300))' is not a repository name: \(reason)")
        }
        description = String(name)
    }

    /// The same for what may be something else; nil for what no registry would take.
    public init?(ifValid name: some StringProtocol) {
        guard RepositoryName.fault(in: name) == nil else { return nil }
        description = String(name)
    }

    public static func < (a: RepositoryName, b: RepositoryName) -> Bool { a.description < b.description }

    private static func fault(in name: some StringProtocol) -> String? {
        if name.isEmpty { return "it is empty" }
        if name.utf8.count > 255 { return "it is longer than 255 characters" }
        for component in name.split(separator: "/", omittingEmptySubsequences: false) {
            if component.isEmpty { return "a part between slashes is empty" }
            if let reason = fault(inComponent: Array(component.utf8)) { return reason }
        }
        return nil
    }

    /// A component is runs of lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
    private static func fault(inComponent component: [UInt8]) -> String? {
        var separator: [UInt8] = []
        var previousWasAlphanumeric = false
        for byte in component {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                if !separator.isEmpty, !isSeparator(separator) {
                    return "'\(String(decoding: separator, as: UTF8.self))' cannot join two parts"
                }
                separator = []
                previousWasAlphanumeric = true
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                if !previousWasAlphanumeric, separator.isEmpty { return "a part begins with a separator" }
                separator.append(byte)
                previousWasAlphanumeric = false
            case UInt8(ascii: "A")...UInt8(ascii: "Z"):
                return "it must be lower-case"
            default:
                return "it has a character other than a-z, 0-9, '.', '_', '-' and '/'"
            }
        }
        return separator.isEmpty ? nil : "a part ends with a separator"
    }

    private static func isSeparator(_ bytes: [UInt8]) -> Bool {
        bytes == [UInt8(ascii: ".")] || bytes == [UInt8(ascii: "_")]
            || bytes == [UInt8(ascii: "_"), UInt8(ascii: "_")] || bytes.allSatisfy { $0 == UInt8(ascii: "-") }
    }
}

/// A name that can be moved from one manifest to another: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
public struct Tag: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    /// - Throws: `OCIError` of kind `.usage` for a name that no registry would take.
    public init(_ name: some StringProtocol) throws(OCIError) {
        let bytes = name.utf8
        guard (1...128).contains(bytes.count), bytes.allSatisfy(Tag.isTagCharacter),
            bytes.first != UInt8(ascii: "."), bytes.first != UInt8(ascii: "-")
        else {
            throw OCIError(
                .usage,
                "'\(shown(name, limit: 200))' is not a tag: want 1 to 128 letters, digits, '_', '.' and '-', "
                    + "the first neither '.' nor '-'")
        }
        description = String(name)
    }

    public static func < (a: Tag, b: Tag) -> Bool { a.description < b.description }

    private static func isTagCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// The tag under which the referrers of a manifest are listed in a registry without the referrers API
    /// (distribution specification, "Referrers tag schema").
    public init(referrersOf digest: Digest) {
        description = digest.algorithm.rawValue + "-" + digest.hex.prefix(64)
    }

    /// Whether the tag has the form that lists referrers.
    public var listsReferrers: Bool {
        let parts = description.split(separator: "-", maxSplits: 1)
        return parts.count == 2 && Digest.Algorithm(rawValue: String(parts[0])) != nil && parts[1].utf8.count == 64
            && parts[1].utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}

/// What names a manifest within a repository; the distribution specification calls both `<reference>`.
public enum TagOrDigest: Hashable, Sendable, CustomStringConvertible {
    case tag(Tag)
    case digest(Digest)

    public var description: String {
        switch self {
        case .tag(let tag): tag.description
        case .digest(let digest): digest.description
        }
    }
}

/// An image as people write it: `registry/repository[:tag][@digest]`.
///
/// `debian:12` means `docker.io/library/debian:12`, as everywhere else. Where both are given the digest decides
/// what is read, and the tag is the name.
public struct Reference: Hashable, Sendable {
    /// Host and port, such as `registry.example.com:5000`; Docker Hub is always `docker.io`.
    public let registry: String
    public let repository: RepositoryName
    public let tag: Tag?
    public let digest: Digest?

    public init(registry: String, repository: RepositoryName, tag: Tag? = nil, digest: Digest? = nil) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest
    }

    /// - Throws: `OCIError` of kind `.usage` (`.policy` for an unsupported digest algorithm).
    public init(parsing text: String) throws(OCIError) {
        var rest = text[...]
        if rest.hasPrefix("docker://") { rest = rest.dropFirst("docker://".count) }
        if rest.contains("://") {
            throw OCIError(
                .usage, "'\(shown(text, limit: 300))' is a URL, not an image",
                advice: "host/repository:tag, without http:// or https://; --plain-http HOST for a registry without TLS"
            )
        }
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            do throws(OCIError) {
                digest = try Digest(parsing: rest[rest.index(after: at)...])
            } catch {
                throw OCIError(error.kind == .policy ? .policy : .usage, error.description)
            }
            rest = rest[..<at]
        }
        var tag: Tag?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            tag = try Tag(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        let (registry, path) = try Reference.split(rest, in: text)
        self.init(registry: registry, repository: try RepositoryName(path), tag: tag, digest: digest)
    }

    /// Splits `host/path`: the first part is a host if it has a dot or a port, is `localhost`, an IPv6 address,
    /// or is not lower-case.
    static func split(_ name: Substring, in text: String) throws(OCIError) -> (registry: String, path: Substring) {
        guard let slash = name.firstIndex(of: "/") else {
            return ("docker.io", Substring(dockerHubPath(name)))
        }
        let first = name[..<slash]
        let rest = name[name.index(after: slash)...]
        guard isHost(first) else { return ("docker.io", Substring(dockerHubPath(name))) }
        guard isWellFormedHost(first) else {
            throw OCIError(.usage, "'\(shown(first, limit: 200))' in '\(shown(text, limit: 300))' is not a host")
        }
        let registry = canonical(registry: String(first))
        return (registry, registry == "docker.io" ? Substring(dockerHubPath(rest)) : rest)
    }

    /// One name for one registry: Docker Hub answers to several.
    public static func canonical(registry: String) -> String {
        ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].contains(registry)
            ? "docker.io" : registry
    }

    /// Whether the first part of a path is meant as a host.
    public static func isHost(_ text: some StringProtocol) -> Bool {
        text.contains(".") || text.contains(":") || text == "localhost" || text.contains { $0.isUppercase }
    }

    private static func dockerHubPath(_ path: Substring) -> String {
        path.contains("/") || path.isEmpty ? String(path) : "library/" + path
    }

    /// `name[:port]`, where a name is a DNS name, an IPv4 address, or an IPv6 address in brackets.
    public static func isWellFormedHost(_ text: some StringProtocol) -> Bool {
        var host = text[...]
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return false }
            let address = host[host.index(after: host.startIndex)..<end]
            let port = host[host.index(after: end)...]
            return address.contains(":") && address.allSatisfy { $0.isHexDigit || $0 == ":" }
                && (port.isEmpty || port.first == ":" && isPort(port.dropFirst()))
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[host.index(after: colon)...]) else { return false }
            host = host[..<colon]
        }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.unicodeScalars.allSatisfy {
                    $0 == "-" || $0 == "_" || ("a"..."z").contains($0) || ("A"..."Z").contains($0)
                        || ("0"..."9").contains($0)
                }
        }
    }

    private static func isPort(_ text: some StringProtocol) -> Bool {
        guard let number = Int(text), text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return false }
        return (1...65535).contains(number)
    }

    /// What to ask the repository for: the digest, else the tag, else `latest`.
    public var tagOrDigest: TagOrDigest {
        if let digest { .digest(digest) } else if let tag { .tag(tag) } else { .tag(.latest) }
    }
}

extension Tag {
    public static let latest = Tag(unchecked: "latest")

    private init(unchecked: String) {
        description = unchecked
    }
}

extension Reference: CustomStringConvertible {
    public var description: String {
        registry + "/" + repository.description + (tag.map { ":" + $0.description } ?? "")
            + (digest.map { "@" + $0.description } ?? "")
    }
}
