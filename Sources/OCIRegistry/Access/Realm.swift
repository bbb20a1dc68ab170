import OCI

/// The token service that a registry names, checked before anything is sent there.
enum Realm {
    /// - Parameters:
    ///   - realm: the URL from the challenge.
    ///   - registry: who sent it.
    ///   - trusted: hosts that a user has named.
    /// - Throws: `RegistryError` `.policy` for an address that a registry has no business to send us to: another
    ///   scheme, an internal network, a URL with a user in it. The registry's own host is always right.
    static func check(_ realm: String, of registry: WebAddress, trusted: Set<String> = []) throws(RegistryError)
        -> WebAddress
    {
        guard let address = WebAddress(parsing: realm) else {
            throw refused(registry, "its address is not an http or https URL without user and password")
        }
        if trusted.contains(address.authority) || trusted.contains(address.host) { return address }
        guard address.scheme == .https || registry.scheme == .http else {
            throw refused(registry, "\(address.origin) is not encrypted but the registry is")
        }
        if address.host == registry.host, address.port == registry.port { return address }
        switch address.network {
        case .global?: return address
        case nil where !address.isOddNumber: return address
        default: throw refused(registry, "\(shown(address.origin)) is on an internal network")
        }
    }

    private static func refused(_ registry: WebAddress, _ reason: String) -> RegistryError {
        RegistryError(
            .policy, "\(registry.authority) names a token service that is not trusted: \(reason)",
            advice: "name its host as a trusted realm if it is the right one")
    }
}
