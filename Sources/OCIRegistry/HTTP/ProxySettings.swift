import OCI

/// Which requests go through an HTTP proxy: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in either case, as most programs
/// read them.
///
/// The way through a proxy is always a tunnel (CONNECT), also for plain HTTP: it sees names, and of TLS nothing else.
/// This machine itself and what is link-local are never reached through one.
public struct ProxySettings: Sendable {
    struct Proxy: Sendable, Hashable {
        let host: String
        let port: Int
        let login: Credential?
    }

    private var secure: Proxy?
    private var plain: Proxy?
    private var direct: [Pattern] = []

    /// No proxy at all.
    public init() {}

    /// - Parameter variables: the process's environment.
    /// - Throws: `RegistryError` `.policy` that names the variable, but not what it holds.
    public init(environment variables: [String: String]) throws(RegistryError) {
        secure = try ProxySettings.proxy("https_proxy", variables)
        plain = try ProxySettings.proxy("http_proxy", variables)
        let exceptions = ProxySettings.value("no_proxy", variables)?.text ?? ""
        direct = exceptions.split(whereSeparator: { $0 == "," || $0 == " " }).map { Pattern(String($0)) }
    }

    /// The proxy for a request; nil for the direct way.
    func proxy(for address: WebAddress) -> Proxy? {
        guard let proxy = address.scheme == .https ? secure : plain else { return nil }
        switch address.network {
        case .loopback?, .linkLocal?, .unspecified?: return nil
        default: return direct.contains { $0.matches(address) } ? nil : proxy
        }
    }

    private static func value(_ name: String, _ variables: [String: String]) -> (name: String, text: String)? {
        for name in [name, name.uppercased()] {
            if let text = variables[name]?.trimmed, !text.isEmpty { return (name, text) }
        }
        return nil
    }

    private static func proxy(_ name: String, _ variables: [String: String]) throws(RegistryError) -> Proxy? {
        guard let (name, text) = value(name, variables) else { return nil }
        var rest = text[...]
        if let range = text.firstRange(of: "://") {
            guard text[..<range.lowerBound].lowercased() == "http" else {
                throw refused(name, "only proxies that are spoken to without TLS are known: http://host:port")
            }
            rest = text[range.upperBound...]
        }
        rest = rest.prefix { $0 != "/" }
        var login: Credential?
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard let username = percentDecoded(parts[0]),
                let password = percentDecoded(parts.count > 1 ? parts[1] : "")
            else {
                throw refused(name, "its user or password is not escaped as in a URL")
            }
            login = .password(username: username, password: password)
            rest = rest[rest.index(after: at)...]
        }
        guard let address = WebAddress(scheme: .http, authority: rest, target: "/") else {
            throw refused(name, "it is not http://host:port")
        }
        return Proxy(host: address.host, port: address.port, login: login)
    }

    private static func refused(_ name: String, _ reason: String) -> RegistryError {
        RegistryError(.policy, "the proxy in the variable \(name) cannot be used: \(reason)")
    }

    /// One entry of `NO_PROXY`.
    private struct Pattern: Sendable {
        private enum Kind {
            case all
            /// The host itself, unless there was a dot before it, and all hosts below it.
            case domain(String, withItself: Bool)
            case network([UInt8], bits: Int)
        }

        private let kind: Kind
        private let port: Int?

        init(_ text: String) {
            var text = text.lowercased()
            if text == "*" {
                (kind, port) = (.all, nil)
                return
            }
            if let slash = text.firstIndex(of: "/"), let bits = Int(text[text.index(after: slash)...]),
                let base = HostAddress(text[..<slash]), bits >= 0, bits <= base.bytes.count * 8
            {
                (kind, port) = (.network(base.bytes, bits: bits), nil)
                return
            }
            if let address = HostAddress(text) {
                (kind, port) = (.network(address.bytes, bits: address.bytes.count * 8), nil)
                return
            }
            var number: Int?
            if let colon = text.lastIndex(of: ":"), let found = Int(text[text.index(after: colon)...]) {
                number = found
                text = String(text[..<colon])
            }
            port = number
            if let address = HostAddress(text) {
                kind = .network(address.bytes, bits: address.bytes.count * 8)
                return
            }
            if text.hasPrefix("*.") { text.removeFirst() }
            let isBelow = text.hasPrefix(".")
            kind = .domain(isBelow ? String(text.dropFirst()) : text, withItself: !isBelow)
        }

        func matches(_ address: WebAddress) -> Bool {
            if let port, port != address.port { return false }
            switch kind {
            case .all: return true
            case .domain(let name, let withItself):
                return withItself && address.host == name || address.host.hasSuffix("." + name)
            case .network(let base, let bits):
                guard let bytes = HostAddress(address.host)?.bytes, bytes.count == base.count else { return false }
                return (0..<bits).allSatisfy { bit in
                    let mask = UInt8(0x80) >> UInt8(bit % 8)
                    return bytes[bit / 8] & mask == base[bit / 8] & mask
                }
            }
        }
    }
}
