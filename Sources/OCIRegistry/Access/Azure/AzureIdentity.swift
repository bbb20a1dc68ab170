import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import OCI

/// Who this machine is to Microsoft Entra, by the variables that Azure's own clients read.
///
/// A service principal with a secret (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`), else a federated
/// token (`AZURE_FEDERATED_TOKEN_FILE` in place of the secret), else the managed identity of the machine
/// (`AZURE_CLIENT_ID` chooses among several).
public struct AzureIdentity: Sendable {
    /// Where accounts of the public cloud are known; `AZURE_AUTHORITY_HOST` names another one.
    static let publicAuthority = "https://login.microsoftonline.com"
    /// The metadata service of a virtual machine; `AZURE_POD_IDENTITY_AUTHORITY_HOST` names another one.
    static let metadataService = "http://169.254.169.254"
    /// What the tokens are for: container registries, and nothing else of Azure.
    static let audience = "https://containerregistry.azure.net"
    /// The longest federated token that is read.
    static let tokenFileLimit = 64 << 10

    enum Kind: Sendable {
        case secret(Application, String)
        case federated(Application, tokenFile: String)
        case machine(client: String?, service: WebAddress)
        /// The identity of an app service or a function, which has an endpoint and a header of its own.
        case service(client: String?, endpoint: WebAddress, header: String)
    }

    struct Application: Sendable {
        let authority: WebAddress
        let tenant: String
        let client: String
    }

    let kind: Kind
    /// The tenant that is named, which the registry may want to know.
    let tenant: String?

    /// - Parameter variables: the process's environment.
    /// - Throws: `RegistryError` `.auth` that names what is missing, never what is there.
    public init(environment variables: [String: String]) throws(RegistryError) {
        func value(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
        let tenant = value("AZURE_TENANT_ID")
        let client = value("AZURE_CLIENT_ID")
        func application() throws(RegistryError) -> Application {
            guard let tenant, let client else {
                throw AzureIdentity.failed("AZURE_TENANT_ID and AZURE_CLIENT_ID must be set, both of them")
            }
            guard AzureIdentity.isName(tenant), AzureIdentity.isName(client) else {
                throw AzureIdentity.failed("AZURE_TENANT_ID or AZURE_CLIENT_ID is not a GUID or a domain")
            }
            let authority = try AzureIdentity.address(
                value("AZURE_AUTHORITY_HOST") ?? AzureIdentity.publicAuthority, "AZURE_AUTHORITY_HOST")
            return Application(authority: authority, tenant: tenant, client: client)
        }
        self.tenant = tenant
        if let secret = value("AZURE_CLIENT_SECRET") {
            kind = .secret(try application(), secret)
        } else if let file = value("AZURE_FEDERATED_TOKEN_FILE") {
            kind = .federated(try application(), tokenFile: file)
        } else if value("AZURE_CLIENT_CERTIFICATE_PATH") != nil {
            throw AzureIdentity.failed(
                "a client certificate (AZURE_CLIENT_CERTIFICATE_PATH) is not supported",
                advice: "AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE, a managed identity, or az acr login")
        } else if let endpoint = value("IDENTITY_ENDPOINT"), let header = value("IDENTITY_HEADER") {
            guard let address = WebAddress(parsing: endpoint), header.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
            else { throw AzureIdentity.failed("IDENTITY_ENDPOINT or IDENTITY_HEADER is malformed") }
            kind = .service(client: client, endpoint: address, header: header)
        } else {
            let text = value("AZURE_POD_IDENTITY_AUTHORITY_HOST") ?? AzureIdentity.metadataService
            guard let service = WebAddress(parsing: text) else {
                throw AzureIdentity.failed("AZURE_POD_IDENTITY_AUTHORITY_HOST is not a URL")
            }
            kind = .machine(client: client, service: service)
        }
    }

    /// The request for a token; nothing in it is of use to anybody but the one that it goes to.
    func request() async throws -> Request {
        switch kind {
        case .secret(let application, let secret):
            return AzureIdentity.grant(application, [("client_secret", secret)])
        case .federated(let application, let file):
            // Read each time: it is replaced every hour or so.
            let token = try await AzureIdentity.token(in: file)
            return AzureIdentity.grant(
                application,
                [
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", token),
                ])
        case .machine(let client, let service):
            return AzureIdentity.metadata(
                service.at("/metadata/identity/oauth2/token"), version: "2018-02-01", client,
                header: ("Metadata", "true"))
        case .service(let client, let endpoint, let header):
            return AzureIdentity.metadata(
                endpoint, version: "2019-08-01", client, header: ("X-IDENTITY-HEADER", header))
        }
    }

    var summary: String {
        switch kind {
        case .secret(let application, _): "\(application.authority.origin) (service principal)"
        case .federated(let application, _): "\(application.authority.origin) (federated token)"
        case .machine(_, let service): "\(service.origin) (managed identity)"
        case .service(_, let endpoint, _): "\(endpoint.origin) (managed identity)"
        }
    }

    private static func grant(_ application: Application, _ proof: [(String, String)]) -> Request {
        let address = application.authority.at("/\(application.tenant)/oauth2/v2.0/token")
        return .form(
            address,
            [
                ("grant_type", "client_credentials"), ("client_id", application.client),
                ("scope", audience + "/.default"),
            ] + proof, what: "a token of Microsoft Entra")
    }

    private static func metadata(
        _ address: WebAddress, version: String, _ client: String?, header: (String, String)
    ) -> Request {
        var parameters = [("api-version", version), ("resource", audience)]
        if let client { parameters.append(("client_id", client)) }
        let separator = address.target.contains("?") ? "&" : "?"
        var request = Request(
            .token, .GET, address.at(address.target + separator + Form.text(parameters)), access: nil,
            what: "a token of the machine's identity")
        request.headers.add(name: header.0, value: header.1)
        request.bodyLimit = Token.answerLimit
        return request
    }

    /// An authority: https, unless it is this machine.
    private static func address(_ text: String, _ variable: String) throws(RegistryError) -> WebAddress {
        let url = text.contains("://") ? text : "https://" + text
        guard let address = WebAddress(parsing: url), address.scheme == .https || address.network == .loopback else {
            throw failed("\(variable) is not an https URL")
        }
        return address
    }

    /// GUIDs and domains: what can stand in a path.
    private static func isName(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: ".")
        } && text != "." && text != ".."
    }

    private static func token(in file: String) async throws -> String {
        let bytes = try await NIOThreadPool.singleton.runIfActive {
            try LoginFile.read(file, upTo: tokenFileLimit)
        }
        guard let bytes, let text = String(validating: bytes, as: UTF8.self)?.trimmed, !text.isEmpty else {
            throw failed("the federated token in \(shown(file)) is missing or empty")
        }
        return text
    }

    static func failed(_ reason: String, advice: String? = nil) -> RegistryError {
        RegistryError(
            .auth, "no token of Microsoft Entra: \(reason)",
            advice: advice ?? "docs/operations.md, 'Azure', has the variables for each kind of identity")
    }
}

extension AzureIdentity: CustomStringConvertible, CustomReflectable {
    public var description: String { "(identity)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
