import OCI
import Testing

@testable import OCIRegistry

/// The verdicts of other projects' test data.
@Suite(.enabled(if: Fixtures.areThere, "shared/fixtures is not there"))
struct VectorTests {
    @Test func `R20: challenges are read as others read them, and malformed ones not at all`() throws {
        for item in try Fixtures.json("vectors/www-authenticate.json")["cases"]?.array("cases") ?? [] {
            let header = try #require(item["header"]?.stringValue)
            let name = item["name"]?.stringValue ?? ""
            let challenges = Challenge.parse(header.isEmpty ? [] : [header])
            if let wanted = item["challenges"] {
                guard item["error"] == .null else {
                    #expect(challenges == nil, "\(name)")
                    continue
                }
                let list = try wanted.array(name).map { challenge in
                    Challenge(
                        scheme: challenge["scheme"]?.stringValue ?? "",
                        parameters: try challenge["params"]?.strings(name) ?? [:])
                }
                #expect(challenges == list, "\(name)")
            } else if !name.contains("incomplete") {
                let scheme = item["scheme"]?.stringValue ?? ""
                let known = challenges?.first { ["basic", "bearer"].contains($0.scheme) }
                #expect(known?.scheme ?? "" == (scheme == "Unknown" ? "" : scheme.lowercased()), "\(name)")
                if scheme == "Bearer" {
                    #expect(try known?.parameters == item["params"]?.strings(name), "\(name)")
                }
            } else {
                // Others keep the realm of half a challenge; it is enough that nothing worse comes of it.
                let realm = challenges?.first?.parameters["realm"]
                #expect(realm == nil || realm == "https://auth.example.io/token", "\(name)")
            }
        }
    }

    @Test func `R21: token services on internal networks are refused`() throws {
        for item in try Fixtures.json("vectors/realm-urls.json")["cases"]?.array("cases") ?? [] {
            let realm = try #require(item["realm"]?.stringValue)
            let host = item["registry"]?.stringValue ?? ""
            let registry = try #require(
                WebAddress(
                    scheme: item["insecure"] == .bool(true) ? .http : .https,
                    authority: host.isEmpty ? "registry.example.org" : host, target: "/v2/"))
            let isRefused: Bool
            do {
                _ = try Realm.check(realm, of: registry)
                isRefused = false
            } catch {
                #expect(error.kind == .policy)
                isRefused = true
            }
            #expect(isRefused == (item["reject"] == .bool(true)), "\(realm) of \(host)")
        }
    }

    @Test func `R35: next pages come from the same origin or not at all`() throws {
        for item in try Fixtures.json("vectors/link-header-origin.json")["cases"]?.array("cases") ?? [] {
            let name = item["name"]?.stringValue ?? ""
            let page = try #require(WebAddress(parsing: item["url"]?.stringValue ?? ""))
            let header = try #require(item["header"]?.stringValue)
            if item["error"] == .bool(true) {
                #expect(throws: RegistryError.self, "\(name)") { try LinkHeader.next(in: [header], from: page) }
            } else {
                #expect(try LinkHeader.next(in: [header], from: page)?.url == item["want"]?.stringValue, "\(name)")
            }
        }
    }

    @Test func `malformed links are errors`() throws {
        let page = try #require(WebAddress(parsing: "https://registry.example.org/v2/_catalog"))
        for item in try Fixtures.json("vectors/link-header-malformed.json")["malformed"]?.array("malformed") ?? [] {
            let header = try item.string("case")
            #expect(throws: RegistryError.self, "\(header)") { try LinkHeader.next(in: [header], from: page) }
        }
    }

    @Test func `content ranges are read strictly`() throws {
        let vectors = try Fixtures.json("vectors/content-range.json")
        for item in try vectors["ok"]?.array("ok") ?? [] {
            let parts = try item.array("case")
            let range = try #require(ContentRange([try parts[0].string("header")]))
            #expect(range.first == parts[1].integerValue)
            #expect(range.last == parts[2].integerValue)
            #expect(range.total ?? -1 == parts[3].integerValue)
        }
        for item in try vectors["error"]?.array("error") ?? [] {
            #expect(ContentRange([try item.string("header")]) == nil, "\(item)")
        }
        for item in try vectors["error_headers"]?.array("error_headers") ?? [] {
            #expect(ContentRange(try item.array("headers").map { try $0.string("header") }) == nil, "\(item)")
        }
    }
}
