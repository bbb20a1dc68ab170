import Glibc
import NIOSSL
import OCI

/// The certificates for one registry: those that are named, and what docker and podman keep in
/// `certs.d/HOST[:PORT]/` (`*.crt` to trust, `*.cert` with `*.key` to show).
struct Certificates {
    /// The most files that are looked at in one folder.
    private static let fileLimit = 1000

    private(set) var trusted: [NIOSSLCertificate] = []
    private(set) var shown: [NIOSSLCertificate] = []
    private(set) var key: NIOSSLPrivateKey?

    /// - Throws: `RegistryError` `.local` that names a file which cannot be read, `.policy` for half of a pair.
    init(_ options: RegistryOptions.TLS, for registry: WebAddress) throws(RegistryError) {
        if let path = options.caFile { trusted += try Certificates.certificates(path) }
        switch (options.certificateFile, options.keyFile) {
        case (let certificate?, let key?): try show(certificate, key)
        case (nil, nil): break
        default:
            throw RegistryError(
                .policy, "a certificate to show to \(registry.authority) and its key belong together: one is missing")
        }
        for folder in options.folders {
            try addAll(in: folder + "/" + registry.authority)
        }
    }

    /// Whether something is said of TLS with the registry, so that plain HTTP is not meant.
    static func areMeant(_ options: RegistryOptions.TLS, for registry: WebAddress) -> Bool {
        options.caFile != nil || options.certificateFile != nil || !options.verify
            || options.folders.contains { folder in
                files(in: folder + "/" + registry.authority).contains { $0.hasSuffix(".crt") || $0.hasSuffix(".cert") }
            }
    }

    private mutating func show(_ certificate: String, _ key: String) throws(RegistryError) {
        shown = try Certificates.certificates(certificate)
        do {
            self.key = try NIOSSLPrivateKey(file: key, format: .pem)
        } catch {
            // The error's own words are kept out: they may be those of the key's bytes.
            throw RegistryError(
                .local, "the key in \(OCI.shown(key)) cannot be read", advice: "a PEM file without a passphrase")
        }
    }

    private mutating func addAll(in folder: String) throws(RegistryError) {
        let names = Certificates.files(in: folder)
        for name in names where name.hasSuffix(".crt") {
            trusted += try Certificates.certificates(folder + "/" + name)
        }
        guard key == nil else { return }
        for name in names where name.hasSuffix(".cert") {
            let key = String(name.dropLast(".cert".count)) + ".key"
            guard names.contains(key) else {
                throw RegistryError(
                    .local, "\(OCI.shown(folder + "/" + name)) has no key: \(OCI.shown(key)) is missing")
            }
            return try show(folder + "/" + name, folder + "/" + key)
        }
    }

    /// Sorted; empty for a folder that is not there.
    private static func files(in folder: String) -> [String] {
        guard let entries = opendir(folder) else { return [] }
        defer { closedir(entries) }
        var names: [String] = []
        while names.count < fileLimit, let entry = readdir(entries) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names.sorted()
    }

    private static func certificates(_ path: String) throws(RegistryError) -> [NIOSSLCertificate] {
        do {
            return try NIOSSLCertificate.fromPEMFile(path)
        } catch {
            guard access(path, R_OK) == 0 else {
                let reason = String(cString: strerror(errno))
                throw RegistryError(
                    .local, "the certificates in \(OCI.shown(path)) cannot be read: \(reason)", advice: "check the path"
                )
            }
            throw RegistryError(
                .local,
                "the certificates in \(OCI.shown(path)) cannot be read: \(OCI.shown("\(error)", limit: 200))",
                advice: "a file of PEM certificates")
        }
    }
}
