import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIRegistry

struct ProxyTests {
    @Test(arguments: [
        ("https://r.example.org", true), ("http://r.example.org", false), ("https://127.0.0.1:5000", false),
        ("https://localhost", false), ("https://169.254.169.254", false), ("https://inside.corp", false),
        ("https://deep.inside.corp", false), ("https://outsideinside.corp", true), ("https://10.1.2.3", false),
        ("https://11.1.2.3", true), ("https://sub.dot.example", false), ("https://dot.example", true),
        ("https://port.example:8443", false), ("https://port.example", true), ("https://a.star.example", false),
        ("https://[fd00::1]", false),
    ])
    func `N12: exceptions are those that other programs know`(url: String, isProxied: Bool) throws {
        let settings = try ProxySettings(environment: [
            "HTTPS_PROXY": "http://proxy.corp:3128",
            "NO_PROXY": "inside.corp, 10.0.0.0/8,.dot.example,port.example:8443,*.star.example,fd00::/8",
        ])
        let address = try #require(WebAddress(parsing: url))
        #expect((settings.proxy(for: address) != nil) == isProxied)
    }

    @Test func `lower case comes first, and a star is for all`() throws {
        let settings = try ProxySettings(environment: [
            "https_proxy": "proxy.corp:8080", "HTTPS_PROXY": "http://other:1", "http_proxy": "http://plain",
        ])
        #expect(settings.proxy(for: try #require(WebAddress(parsing: "https://a.b")))?.port == 8080)
        #expect(settings.proxy(for: try #require(WebAddress(parsing: "http://a.b")))?.host == "plain")
        let none = try ProxySettings(environment: ["HTTPS_PROXY": "http://proxy:1", "no_proxy": "*"])
        #expect(none.proxy(for: try #require(WebAddress(parsing: "https://a.b"))) == nil)
    }

    @Test(arguments: [
        "https://user:secret@proxy.corp", "socks5://user:secret@proxy.corp", "http://user:secret@", "a b",
    ])
    func `a proxy that cannot be used is an error without its password`(text: String) throws {
        let error = #expect(throws: RegistryError.self) { try ProxySettings(environment: ["HTTPS_PROXY": text]) }
        #expect(error?.kind == .policy)
        #expect(
            error?.description.contains("https_proxy") == true || error?.description.contains("HTTPS_PROXY") == true)
        #expect(error?.description.contains("secret") == false)
    }

    @Test func `requests go through the tunnel of a proxy, with its login and by the registry's name`() async throws {
        let manifest = try image([])
        try await withScript { _ in
            .manifest(manifest)
        } _: { _, server in
            let port = try #require(server.host.split(separator: ":").last)
            try await TunnelProxy.run(to: server.host, login: "proxy-user:p%ss") { proxy in
                let options = RegistryOptions.quick {
                    $0.plainHTTP = true
                    $0.credentials = .fixed(.password(username: "user", password: "hunter2"))
                }
                var proxied = options
                proxied.proxies = try ProxySettings(environment: [
                    "http_proxy": "http://proxy-user:p%25ss@\(proxy.host)"
                ])
                // The name is looked up by the proxy alone.
                try await withRegistry("registry.invalid:\(port)", proxied) { registry in
                    let found = try await registry.repository(RepositoryName("team/app")).resolve(.tag(.latest))
                    #expect(found == manifest.descriptor)
                }
                #expect(proxy.targets == ["registry.invalid:\(port)"])
                #expect(server.requests.first?.header("Host") == "registry.invalid:\(port)")
                #expect(server.requests.first?.header("Proxy-Authorization") == nil)

                proxied.proxies = try ProxySettings(environment: ["http_proxy": "http://x:wrong@\(proxy.host)"])
                try await withRegistry("registry.invalid:\(port)", proxied) { registry in
                    let error = try await failure {
                        try await registry.repository(RepositoryName("team/app")).resolve(.tag(.latest))
                    }
                    #expect(error.kind == .auth)
                    #expect(error.description.contains("asks for a login (407)"))
                    #expect(!error.description.contains("wrong"))
                }
            }
        }
    }
}
