import NIOCore
import NIOPosix
import NIOSSL
import OCI

/// Looks at the certificates that a server shows, and believes none of them: to say what is wrong with them.
///
/// The library's error says only that they were not accepted.
struct CertificateLook: Sendable {
    /// When certificates begin and end to be good, in seconds since 1970: the server's own, then those that vouch for it.
    struct Certificates: Sendable {
        var spans: [(from: Int64, until: Int64)] = []
    }

    let host: String
    /// The IP address that the host was reached at.
    let address: String
    let port: Int
    let group: any EventLoopGroup
    let timeout: Duration

    /// - Returns: nil if the server shows none any more.
    func look() async throws -> Certificates? {
        let seen = group.any().makePromise(of: Certificates?.self)
        let context = try NIOSSLContext(configuration: .makeClientConfiguration())
        let name = HostAddress(host) == nil ? host : nil
        do {
            let channel = try await ClientBootstrap(group: group)
                .connectTimeout(.nanoseconds(timeout.nanoseconds))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = try NIOSSLClientHandler(
                            context: context, serverHostname: name,
                            customVerificationCallback: { certificates, verdict in
                                seen.succeed(
                                    Certificates(
                                        spans: certificates.map {
                                            (Int64($0.notValidBefore), Int64($0.notValidAfter))
                                        }))
                                verdict.succeed(.failed)
                            })
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .connect(to: SocketAddress(ipAddress: address, port: port)).get()
            let limit = channel.eventLoop.scheduleTask(in: .nanoseconds(timeout.nanoseconds)) { seen.succeed(nil) }
            channel.closeFuture.whenComplete { _ in seen.succeed(nil) }
            let found = try await seen.futureResult.get()
            limit.cancel()
            channel.close(promise: nil)
            return found
        } catch {
            seen.succeed(nil)
            throw error
        }
    }
}

extension CertificateLook.Certificates {
    /// What is wrong with the time of one of them, and what to do; nil if nothing is.
    ///
    /// - Parameter now: milliseconds since 1970.
    func fault(at now: Int64) -> (reason: String, advice: String)? {
        for (number, span) in spans.enumerated() {
            let whose = number == 0 ? "its certificate" : "the certificate of an authority that vouches for it"
            if span.until < now / 1000 {
                return (
                    "\(whose) has expired: it was good until \(Moment(span.until))",
                    "have the certificate renewed; if it is not that old, look at this machine's clock"
                )
            }
            if span.from > now / 1000 {
                return (
                    "\(whose) is not good yet, but from \(Moment(span.from)) on",
                    "look at this machine's clock"
                )
            }
        }
        return nil
    }
}
