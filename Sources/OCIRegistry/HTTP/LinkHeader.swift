import OCI

/// The `Link` header field (RFC 8288), as far as paging needs it.
enum LinkHeader {
    /// Where the next page is, or nil after the last.
    ///
    /// - Throws: `RegistryError` `.protocolViolation` for a malformed field, `.policy` for a page of another origin:
    ///   credentials and tags would come from different places.
    static func next(in fields: [String], from page: WebAddress) throws(RegistryError) -> WebAddress? {
        for field in fields {
            guard let links = parse(field) else {
                throw .protocolViolation("\(page.origin) sends a malformed Link header: \(shown(field, limit: 200))")
            }
            for link in links where link.relations.contains("next") {
                guard let address = page.resolving(link.target) else {
                    throw .protocolViolation("\(page.origin) sends a next page that is no http or https URL")
                }
                guard address.hasSameOrigin(as: page) else {
                    throw RegistryError(
                        .policy, "\(page.origin) sends the next page to another origin, \(shown(address.origin))")
                }
                return address
            }
        }
        return nil
    }

    struct Link {
        var target: String
        var relations: [Substring] = []
    }

    /// - Returns: nil if the field is malformed.
    static func parse(_ field: String) -> [Link]? {
        var scanner = HeaderScanner(field)
        var links: [Link] = []
        while true {
            scanner.skip(" \t,")
            if scanner.isAtEnd { return links }
            guard scanner.take("<"), let target = scanner.take(until: ">") else { return nil }
            var link = Link(target: target)
            scanner.skip(" \t")
            while scanner.take(";") {
                scanner.skip(" \t")
                guard let name = scanner.takeToken(extra: "") else { continue }
                guard name.utf8.allSatisfy(isParameterCharacter) else { return nil }
                scanner.skip(" \t")
                guard scanner.take("=") else { continue }
                scanner.skip(" \t")
                guard let value = scanner.takeQuoted() ?? scanner.takeToken(extra: "/:") else { return nil }
                if name.lowercased() == "rel" { link.relations = value.lowercased().split(separator: " ") }
                scanner.skip(" \t")
            }
            guard scanner.isAtEnd || scanner.peek == "," else { return nil }
            links.append(link)
        }
    }

    private static func isParameterCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
