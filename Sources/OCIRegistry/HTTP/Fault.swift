import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import OCI

/// What went wrong below HTTP, in words, and whether it may pass.
enum Fault {
    /// - Parameter address: who was asked.
    static func explain(_ error: any Error, at address: WebAddress) -> RegistryError {
        if let known = error as? RegistryError { return known }
        if let connect = error as? NIOConnectionError { return explain(connect, at: address) }
        if let error = error as? HTTPClientError { return explain(error, at: address) }
        if error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError {
            return tls("\(error)", at: address)
        }
        if let error = error as? HTTPParserError {
            if case .invalidEOFState = error { return closed(address) }
            return .protocolViolation(
                "\(address.authority) does not speak HTTP", advice: "check host and port: is it a registry?")
        }
        if let error = error as? IOError {
            let reason = reason(error.errnoCode)
            return isConnectFault(error) ? unreachable(address, reason) : lost(address, reason)
        }
        if let error = error as? ChannelError, case .connectTimeout = error { return timeout(address) }
        return lost(address, shown("\(error)", limit: 200))
    }

    /// Whether the connection could not be made at all, so that another address may do better.
    static func isConnectFault(_ error: any Error) -> Bool {
        if error is NIOConnectionError { return true }
        if let error = error as? HTTPClientError {
            return [.connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout].contains(error)
        }
        if let error = error as? ChannelError, case .connectTimeout = error { return true }
        if let error = error as? IOError {
            return [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT].contains(error.errnoCode)
        }
        return false
    }

    private static func explain(_ error: NIOConnectionError, at address: WebAddress) -> RegistryError {
        if error.dnsAError != nil || error.dnsAAAAError != nil, error.connectionErrors.isEmpty {
            return .transient("the name \(shown(address.host, limit: 255)) is not resolved")
        }
        guard let first = error.connectionErrors.first?.error else { return timeout(address) }
        if let first = first as? IOError { return unreachable(address, reason(first.errnoCode)) }
        if first is ChannelError { return timeout(address) }
        return unreachable(address, shown("\(first)", limit: 200))
    }

    private static func explain(_ error: HTTPClientError, at address: WebAddress) -> RegistryError {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout: timeout(address)
        case .proxyAuthenticationRequired:
            RegistryError(
                .auth, "the proxy on the way to \(address.authority) asks for a login (407)",
                advice: "name user and password in the proxy's variable: http://USER:PASSWORD@HOST:PORT", status: 407)
        case .invalidProxyResponse:
            .transient("the proxy on the way to \(address.authority) makes no connection to it")
        case .remoteConnectionClosed: closed(address)
        default:
            // The name only: a description can hold header values.
            lost(address, error.shortDescription)
        }
    }

    private static func timeout(_ address: WebAddress) -> RegistryError {
        unreachable(address, "no connection in time")
    }

    private static func unreachable(_ address: WebAddress, _ reason: String) -> RegistryError {
        .transient(
            "\(address.authority) cannot be reached: \(reason)", advice: "check host and port, and that it is running")
    }

    /// A server that speaks TLS hangs up on a request that is none.
    private static func closed(_ address: WebAddress) -> RegistryError {
        .transient(
            "the connection to \(address.authority) broke: it was closed before the answer was complete",
            advice: address.scheme == .http
                ? "if it speaks TLS, name its certificate authority: --ca FILE (tls: {ca: FILE})" : nil)
    }

    private static func lost(_ address: WebAddress, _ reason: String) -> RegistryError {
        .transient("the connection to \(address.authority) broke: \(reason)")
    }

    private static func tls(_ text: String, at address: WebAddress) -> RegistryError {
        if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") || text.contains("eofDuringHandshake")
        {
            return RegistryError(
                .unavailable, "\(address.authority) does not speak TLS, maybe plain HTTP",
                advice: "--plain-http \(address.authority), if that is what you want")
        }
        if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("failedToValidateHostname")
            || text.contains("unableToValidateCertificate") || text.contains("noCertificateToValidate")
        {
            let reason =
                text.contains("Hostname")
                ? "its certificate is for another host"
                : "its certificate is not trusted (expired, self-signed or unknown)"
            return RegistryError(
                .unavailable, "\(address.authority) cannot be trusted: \(reason)",
                advice: "name the certificate authority of the registry, --ca FILE (tls: {ca: FILE}), or have the "
                    + "certificate renewed", isDistrust: true)
        }
        if text.contains("uncleanShutdown") { return lost(address, "TLS ended without a close") }
        return .transient("TLS with \(address.authority) failed: \(shown(text, limit: 200))")
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "connection refused"
        case ECONNRESET, EPIPE: "it was reset"
        default: String(cString: strerror(code))
        }
    }
}
