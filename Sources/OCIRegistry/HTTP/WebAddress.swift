import OCI

/// An http or https URL, taken apart as far as needed to know whose it is.
///
/// Without user, password or fragment; whatever has a user or another scheme is refused.
struct WebAddress: Hashable, Sendable {
    enum Scheme: String, Sendable {
        case http, https

        var defaultPort: Int { self == .http ? 80 : 443 }
    }

    let scheme: Scheme
    /// Lower-case; an IPv6 address stands in brackets.
    let host: String
    let port: Int
    /// Path and query, as they are sent.
    let target: String

    init(scheme: Scheme, host: String, port: Int?, target: String) {
        self.scheme = scheme
        self.host = host.lowercased()
        self.port = port ?? scheme.defaultPort
        self.target = target
    }

    /// Splits `host[:port]`.
    ///
    /// - Returns: nil if it is no host.
    init?(scheme: Scheme, authority: some StringProtocol, target: String) {
        guard Reference.isWellFormedHost(authority) else { return nil }
        var host = String(authority)
        var port: Int?
        if let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") {
            port = Int(host[host.index(after: colon)...])
            host = String(host[..<colon])
        }
        self.init(scheme: scheme, host: host, port: port, target: target)
    }

    /// - Returns: nil for text that is no absolute http or https URL, or has a user in it.
    init?(parsing text: some StringProtocol) {
        guard text.utf8.allSatisfy(WebAddress.isAllowed), let colon = text.range(ofScheme: ()),
            let scheme = Scheme(rawValue: text[..<colon.lowerBound].lowercased())
        else { return nil }
        let rest = text[colon.upperBound...].prefix { $0 != "#" }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let path = rest[end...]
        self.init(
            scheme: scheme, authority: rest[..<end], target: path.hasPrefix("/") ? String(path) : "/" + path)
    }

    /// What a reference in an answer from this address points to (RFC 3986, section 5).
    func resolving(_ reference: some StringProtocol) -> WebAddress? {
        guard reference.utf8.allSatisfy(WebAddress.isAllowed) else { return nil }
        let bare = reference.prefix { $0 != "#" }
        if bare.range(ofScheme: ()) != nil { return WebAddress(parsing: bare) }
        if bare.hasPrefix("//") { return WebAddress(parsing: "\(scheme.rawValue):\(bare)") }
        // A scheme without slashes, such as `javascript:` or `data:`.
        if let colon = bare.firstIndex(of: ":"), !bare[..<colon].contains(where: { "/?".contains($0) }) { return nil }
        if bare.hasPrefix("/") { return at(WebAddress.withoutDots(String(bare))) }
        let path = target.prefix { $0 != "?" }
        if bare.isEmpty { return self }
        if bare.hasPrefix("?") { return at("\(path)\(bare)") }
        let folder = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return at(WebAddress.withoutDots("\(folder)\(bare)"))
    }

    func at(_ target: String) -> WebAddress { WebAddress(scheme: scheme, host: host, port: port, target: target) }

    /// The same address with one more parameter in its query.
    ///
    /// - Parameter value: characters that need no escape but `:`.
    func adding(_ name: String, _ value: String) -> WebAddress {
        let escaped = value.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "%3A")
        return at(target + (target.contains("?") ? "&" : "?") + name + "=" + escaped)
    }

    func hasSameOrigin(as other: WebAddress) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    /// `host`, or `host:port` where the port is not the usual one.
    var authority: String { port == scheme.defaultPort ? host : host + ":" + String(port) }

    var url: String { scheme.rawValue + "://" + authority + target }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "\"")
            && byte != UInt8(ascii: "<") && byte != UInt8(ascii: ">")
    }

    private static func withoutDots(_ target: String) -> String {
        let path = target.prefix { $0 != "?" }
        guard path.contains("/.") else { return target }
        var parts: [Substring] = []
        let all = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (number, part) in all.enumerated() {
            if part == ".." { parts = parts.dropLast() } else if part != "." { parts.append(part) }
            if number == all.count - 1, part == "." || part == ".." { parts.append("") }
        }
        return "/" + parts.joined(separator: "/") + target[path.endIndex...]
    }
}

/// Scheme, host and path: a query may hold a signature.
extension WebAddress: CustomStringConvertible {
    var description: String { shown(scheme.rawValue + "://" + authority + target.prefix { $0 != "?" }, limit: 300) }

    var origin: String { scheme.rawValue + "://" + authority }
}

extension StringProtocol {
    /// Where `://` stands behind a scheme at the beginning.
    fileprivate func range(ofScheme: Void) -> Range<Index>? {
        guard let colon = firstIndex(where: { !($0.isLetter || $0.isNumber || "+-.".contains($0)) }),
            colon != startIndex, self[colon...].hasPrefix("://")
        else { return nil }
        return colon..<index(colon, offsetBy: 3)
    }
}
