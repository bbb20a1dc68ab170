import OCI
import TestSupport
import Testing

@Suite struct ReferenceTests {
    @Test(.enabled(if: Fixtures.arePresent))
    func `references are accepted and refused as distribution does`() throws {
        let cases = try Fixtures.json("vectors/references.json").object("cases file")["cases"]!.array("cases")
        #expect(cases.count == 48)
        for item in cases {
            let input = try #require(item["input"]?.stringValue)
            if item["err"] == .string("digest.ErrDigestUnsupported"), input.contains("@sha512:") {
                // That test has no sha512 registered; we do.
                #expect(throws: Never.self, "\(input)") { try Reference(parsing: input) }
                continue
            }
            if item["err"] != nil {
                #expect(throws: OCIError.self, "\(input)") { try Reference(parsing: input) }
                continue
            }
            let reference: Reference
            do {
                reference = try Reference(parsing: input)
            } catch {
                Issue.record("\(input): \(error)")
                continue
            }
            #expect(reference.tag?.description == item["tag"]?.stringValue, "\(input)")
            #expect(reference.digest?.description == item["digest"]?.stringValue, "\(input)")
            // Distribution calls the part before the first slash the domain in any case; a host needs a dot, a port or
            // to be localhost, as docker has it.
            if let domain = item["domain"]?.stringValue, Reference.isHost(domain) {
                #expect(reference.registry == domain, "\(input)")
                #expect(domain + "/" + reference.repository.description == item["repository"]?.stringValue)
            }
        }
    }

    @Test(.enabled(if: Fixtures.arePresent))
    func `repository names are accepted and refused as docker does`() throws {
        let names = try Fixtures.json("vectors/repo-names.json")
        let valid = try names.object("names")["valid"]!.array("valid").compactMap(\.stringValue)
        let invalid = try names.object("names")["invalid"]!.array("invalid").compactMap(\.stringValue)
        #expect(invalid.count == 27)
        for name in invalid where !valid.contains(name) {
            // 64 hex digits are an id of a local image to docker, and a plain name to a registry.
            if name.count == 64, name.allSatisfy(\.isHexDigit) { continue }
            #expect(throws: OCIError.self, "\(name)") { try Reference(parsing: name) }
        }
        for name in valid where !invalid.contains(name) {
            #expect(throws: Never.self, "\(name)") { try Reference(parsing: name) }
        }
    }

    @Test(arguments: [
        ("debian:12", "docker.io/library/debian:12"),
        ("team/app", "docker.io/team/app"),
        ("index.docker.io/debian", "docker.io/library/debian"),
        ("localhost/app", "localhost/app"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        ("docker://registry.example.com/a:1", "registry.example.com/a:1"),
    ])
    func `names mean what they mean everywhere`(_ written: String, _ meant: String) throws {
        #expect(try Reference(parsing: written).description == meant)
    }

    @Test func `a URL is told from an image`() {
        let error = #expect(throws: OCIError.self) { try Reference(parsing: "https://example.com/a:1") }
        #expect(error?.kind == .usage)
        #expect(error?.advice?.contains("--plain-http") ?? false)
    }

    @Test func `tags that list referrers are known by their form`() throws {
        let digest = Digest(of: Array("x".utf8))
        #expect(Tag(referrersOf: digest).listsReferrers)
        #expect(Tag(referrersOf: Digest(of: [], algorithm: .sha512)).description.count == "sha512-".count + 64)
        #expect(try Tag(Tag(referrersOf: digest).description).listsReferrers)
        #expect(try !Tag("sha256-abc").listsReferrers)
        #expect(try !Tag("v1").listsReferrers)
    }
}
