import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import OCI

/// Sends single requests to addresses that are no registry: notices about runs.
///
/// Redirects are not followed and no credentials are sent; of the answer only the status is read.
public struct WebSender: Sendable {
    private let caFile: String?

    /// - Parameter caFile: PEM certificates that are trusted besides the system's.
    public init(caFile: String? = nil) {
        self.caFile = caFile
    }

    /// - Parameters:
    ///   - body: nil for a GET, else of a POST.
    ///   - timeLimit: for everything until the head of the answer.
    /// - Returns: the status of the answer.
    /// - Throws: `RegistryError`: `.policy` for an address that is none, else `.unavailable`. Its words have the host, never the path.
    public func send(to address: String, headers: [(String, String)], body: [UInt8]?, timeLimit: Duration)
        async throws -> Int
    {
        guard let place = WebAddress(parsing: address) else {
            throw RegistryError(.policy, "the address is no http or https URL")
        }
        var request = HTTPClientRequest(url: place.url)
        request.method = body == nil ? .GET : .POST
        request.headers = HTTPHeaders(headers)
        request.headers.replaceOrAdd(name: "User-Agent", value: "lifeboat")
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let client = try client(timeLimit)
        let result: Result<Int, any Error>
        do {
            let response = try await client.execute(request, timeout: .nanoseconds(timeLimit.nanoseconds))
            result = .success(Int(response.status.code))
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        do {
            return try result.get()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw Fault.explain(error, at: place)
        }
    }

    private func client(_ timeLimit: Duration) throws(RegistryError) -> HTTPClient {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try tls(), redirectConfiguration: .disallow,
            timeout: .init(connect: .nanoseconds(timeLimit.nanoseconds)))
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .shared(Transport.sharedLoop), configuration: configuration)
    }

    private func tls() throws(RegistryError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        guard let caFile else { return tls }
        do {
            tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(caFile))]
        } catch {
            throw RegistryError(
                .local, "the certificates in \(shown(caFile)) cannot be read: \(shown("\(error)", limit: 200))",
                advice: "a file of PEM certificates")
        }
        return tls
    }
}
