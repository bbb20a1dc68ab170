import Crypto
import Foundation
import Glibc
import OCI
import SwiftASN1
import X509

/// A certificate authority of one's own, which signs the certificate of a server (RFC 5280).
///
/// Its certificate is what nodes trust beforehand; its key is only needed to make another server certificate.
public struct CertificateAuthority: Sendable {
    /// Days that certificates are good for: an outage years from now must not find them expired.
    public static let days = 3650
    /// Certificates begin this long before they are made, in seconds: clocks differ.
    private static let headStart: TimeInterval = 3600

    private let certificate: Certificate
    private let key: Certificate.PrivateKey

    /// Certificate and key as PEM.
    public struct Pair: Sendable, Hashable {
        public let certificate: String
        public let key: String

        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// Makes a new one.
    ///
    /// - Parameter now: seconds since 1970.
    public init(now: Int64, days: Int = CertificateAuthority.days) throws(ServerError) {
        do {
            let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let name = try DistinguishedName { CommonName("Lifeboat CA") }
            let identifier = SubjectKeyIdentifier(hash: key.publicKey)
            certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
                notValidBefore: CertificateAuthority.start(now), notValidAfter: CertificateAuthority.end(now, days),
                issuer: name, subject: name,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    identifier
                }, issuerPrivateKey: key)
            self.key = key
        } catch {
            throw CertificateAuthority.fault("make a certificate authority", error)
        }
    }

    /// Reads one that was made before.
    ///
    /// - Throws: `ServerError` `.policy` for what is no certificate authority.
    public init(_ pair: Pair, file: String) throws(ServerError) {
        do {
            certificate = try Certificate(pemEncoded: pair.certificate)
            key = try Certificate.PrivateKey(pemEncoded: pair.key)
            guard certificate.publicKey == key.publicKey,
                case .isCertificateAuthority? = try certificate.extensions.basicConstraints
            else { throw ServerError(.policy, "") }
        } catch {
            throw ServerError(
                .policy, "\(shown(file, limit: 1000)) and its key are no certificate authority",
                advice: "give an empty folder, and trust the new one")
        }
    }

    public var pair: Pair {
        get throws(ServerError) { try CertificateAuthority.pair(certificate, key) }
    }

    /// A certificate for a server.
    ///
    /// - Parameters:
    ///   - hosts: DNS names and IP addresses that it is called by.
    ///   - now: seconds since 1970.
    /// - Throws: `ServerError` `.usage` for what is no host.
    public func serverCertificate(
        for hosts: [String], now: Int64, days: Int = CertificateAuthority.days
    ) throws(ServerError) -> Pair {
        var names: [GeneralName] = []
        for host in hosts { names.append(try CertificateAuthority.name(host)) }
        do {
            let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let issued = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
                notValidBefore: CertificateAuthority.start(now),
                notValidAfter: min(CertificateAuthority.end(now, days), certificate.notValidAfter),
                issuer: certificate.subject,
                subject: try DistinguishedName { CommonName(String(hosts[0].prefix(64))) },
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.serverAuth])
                    SubjectAlternativeNames(names)
                    SubjectKeyIdentifier(hash: key.publicKey)
                    AuthorityKeyIdentifier(
                        keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
                }, issuerPrivateKey: self.key)
            return try CertificateAuthority.pair(issued, key)
        } catch {
            throw CertificateAuthority.fault("make a certificate", error)
        }
    }
}

extension CertificateAuthority {
    private static func start(_ now: Int64) -> Date { Date(timeIntervalSince1970: TimeInterval(now) - headStart) }

    private static func end(_ now: Int64, _ days: Int) -> Date {
        Date(timeIntervalSince1970: TimeInterval(now) + TimeInterval(days) * 86_400)
    }

    private static func pair(
        _ certificate: Certificate, _ key: Certificate.PrivateKey
    ) throws(ServerError) -> Pair {
        do {
            return Pair(
                certificate: try certificate.serializeAsPEM().pemString + "\n",
                key: try key.serializeAsPEM().pemString + "\n")
        } catch {
            throw fault("write a certificate", error)
        }
    }

    private static func fault(_ action: String, _ error: any Error) -> ServerError {
        ServerError(.internal, "cannot \(action): \(shown("\(error)", limit: 300))")
    }

    private static func name(_ host: String) throws(ServerError) -> GeneralName {
        if let address = addressBytes(host) { return .ipAddress(ASN1OctetString(contentBytes: address[...])) }
        guard !host.isEmpty, Reference.isWellFormedHost(host), !host.contains(":") else {
            throw ServerError(
                .usage, "'\(shown(host, limit: 200))' is not a host", advice: "a DNS name or an IP address, no port")
        }
        return .dnsName(host)
    }

    private static func addressBytes(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var six = in6_addr()
        if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
        return nil
    }
}
