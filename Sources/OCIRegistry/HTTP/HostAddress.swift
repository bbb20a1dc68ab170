/// An IP address as it stands in a URL, and what kind of network it belongs to.
struct HostAddress: Hashable, Sendable {
    enum Network: Sendable {
        case unspecified, loopback, linkLocal, privateUse, multicast, global
    }

    /// 4 or 16 bytes.
    let bytes: [UInt8]

    /// - Returns: nil for text that is no IPv4 address of four decimal numbers and no IPv6 address.
    init?(_ host: some StringProtocol) {
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host[...]
        guard let bytes = HostAddress.version4(bare) ?? HostAddress.version6(bare) else { return nil }
        self.bytes = bytes
    }

    var network: Network {
        guard bytes.count == 16 else { return HostAddress.network(ofVersion4: bytes) }
        if bytes.allSatisfy({ $0 == 0 }) { return .unspecified }
        if bytes.dropLast().allSatisfy({ $0 == 0 }), bytes[15] == 1 { return .loopback }
        let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        let isTranslated = bytes[0..<12].elementsEqual([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])
        if isMapped || isTranslated { return HostAddress.network(ofVersion4: Array(bytes[12...])) }
        if bytes[0] == 0xfe, bytes[1] & 0xc0 == 0x80 { return .linkLocal }
        if bytes[0] & 0xfe == 0xfc { return .privateUse }
        if bytes[0] == 0xff { return .multicast }
        return .global
    }

    private static func network(ofVersion4 bytes: [UInt8]) -> Network {
        switch (bytes[0], bytes[1]) {
        case (0, _): .unspecified
        case (127, _): .loopback
        case (169, 254): .linkLocal
        case (10, _), (172, 16...31), (192, 168), (100, 64...127): .privateUse
        case (224..., _): .multicast
        default: .global
        }
    }

    private static func version4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { part in
            part.count > 1 && part.hasPrefix("0") || !part.allSatisfy(\.isNumber) ? nil : UInt8(part)
        }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }

    private static func version6(_ text: some StringProtocol) -> [UInt8]? {
        guard text.contains(":"), !text.contains("%") else { return nil }
        var halves: [[UInt8]] = []
        var rest = text[...]
        while true {
            let cut = rest.indices.first { rest[$0...].hasPrefix("::") }
            guard let half = groups(rest[..<(cut ?? rest.endIndex)]) else { return nil }
            halves.append(half)
            guard let cut else { break }
            rest = rest[rest.index(cut, offsetBy: 2)...]
        }
        let count = halves.reduce(0) { $0 + $1.count }
        if halves.count == 1 { return count == 16 ? halves[0] : nil }
        guard halves.count == 2, count < 16 else { return nil }
        return halves[0] + [UInt8](repeating: 0, count: 16 - count) + halves[1]
    }

    private static func groups(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        guard !text.isEmpty else { return bytes }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (number, part) in parts.enumerated() {
            if number == parts.count - 1, let last = version4(part) {
                bytes += last
            } else if (1...4).contains(part.count), let group = UInt16(part, radix: 16) {
                bytes += [UInt8(group >> 8), UInt8(group & 0xff)]
            } else {
                return nil
            }
        }
        return bytes
    }
}

extension WebAddress {
    /// The network of the host if it is written as an address; `localhost` counts as one, names are not looked up.
    var network: HostAddress.Network? {
        host == "localhost" || host.hasSuffix(".localhost") ? .loopback : HostAddress(host)?.network
    }

    /// Whether the host is an address in one of the forms that only old resolvers know, such as `127.1` or `0x7f.1`.
    var isOddNumber: Bool {
        guard HostAddress(host) == nil, let last = host.split(separator: ".").last else { return false }
        return last.allSatisfy(\.isNumber) || last.hasPrefix("0x")
    }
}
