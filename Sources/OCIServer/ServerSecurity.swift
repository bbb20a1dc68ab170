import Foundation
import Glibc
import NIOCore
import NIOSSL
import OCI
import SwiftASN1
import X509

/// What a server shows its clients, and asks of them.
public struct ServerSecurity: Sendable {
    /// None where it speaks HTTP without TLS.
    public var tls: ServerTLS?
    /// None where everybody may ask.
    public var passwords: PasswordFile?

    public init(tls: ServerTLS? = nil, passwords: PasswordFile? = nil) {
        self.tls = tls
        self.passwords = passwords
    }
}

/// A server's certificate with its key.
public struct ServerTLS: Sendable {
    let configuration: TLSConfiguration
    /// When the certificate ends, in seconds since 1970.
    public let expires: Int64

    /// - Parameters:
    ///   - certificate: a PEM file, the server's own certificate first, then those that sign it.
    ///   - key: a PEM file without a password.
    /// - Throws: `ServerError` `.local` for a file that cannot be read, `.policy` for what is in it.
    public init(certificate: String, key: String) throws(ServerError) {
        for path in [certificate, key] where access(path, R_OK) != 0 {
            throw ServerError(
                .local, "cannot read \(shown(path, limit: 1000)): \(String(cString: strerror(errno)))",
                advice: "lifeboat serve init makes a certificate and its key")
        }
        let chain: [NIOSSLCertificate]
        let first: Certificate
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificate)
            guard let own = chain.first else { throw NIOSSLError.failedToLoadCertificate }
            first = try Certificate(derEncoded: try own.toDERBytes())
        } catch {
            throw ServerTLS.fault(certificate, "certificate")
        }
        let secret: NIOSSLPrivateKey
        do {
            secret = try NIOSSLPrivateKey(file: key, format: .pem)
        } catch {
            throw ServerTLS.fault(key, "private key")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(secret))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            // The handshake is too late to find out that they do not belong together.
            _ = try NIOSSLContext(configuration: configuration)
        } catch {
            throw ServerError(
                .policy, "\(shown(certificate, limit: 1000)) and \(shown(key, limit: 1000)) do not belong together",
                advice: "lifeboat serve init makes a pair that does")
        }
        self.configuration = configuration
        expires = Int64(first.notValidAfter.timeIntervalSince1970)
    }

    private static func fault(_ path: String, _ what: String) -> ServerError {
        ServerError(
            .policy, "there is no \(what) in \(shown(path, limit: 1000)), want PEM",
            advice: "lifeboat serve init makes a \(what)")
    }
}
