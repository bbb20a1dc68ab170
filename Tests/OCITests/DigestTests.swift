import NIOCore
import OCI
import TestSupport
import Testing

@Suite struct DigestTests {
    @Test(.enabled(if: Fixtures.arePresent))
    func `R41: digests are read as go-digest reads them, and unknown algorithms are refused`() throws {
        let cases = try Fixtures.json("vectors/digests.json").object("cases file")["cases"]!.array("cases")
        #expect(cases.count == 17)
        for item in cases {
            let input = try #require(item["input"]?.stringValue)
            let isValid = item["error"] == .null
            if isValid, input.hasPrefix("sha256:") {
                #expect(try Digest(parsing: input).description == input)
            } else {
                let error = #expect(throws: OCIError.self, "\(input)") { try Digest(parsing: input) }
                // sha384 is well-formed, and refused because it cannot be verified.
                let isUnsupported = isValid || item["error"] == .string("ErrDigestUnsupported")
                #expect(error?.kind == (isUnsupported ? .policy : .damaged), "\(input)")
            }
        }
    }

    @Test func `the digests of the empty and of a known text are those of the standard`() {
        #expect(
            Digest(of: [UInt8]()).description
                == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            Digest(of: Array("abc".utf8), algorithm: .sha512).hex
                == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
                + "454d4423643ce80e2a9ac94fa54ca49f")
    }

    @Test func `a copy of a hash in progress goes on independently`() {
        var first = Digester(.sha256)
        first.update(ByteBuffer(string: "ab"))
        var second = first
        first.update(ByteBuffer(string: "c"))
        second.update(ByteBuffer(string: "d"))
        #expect(first.finalize() == Digest(of: Array("abc".utf8)))
        #expect(second.finalize() == Digest(of: Array("abd".utf8)))
    }

    @Test func `digests sort as they are written`() {
        let digests = (0..<50).map { Digest(of: [UInt8($0)], algorithm: $0 % 2 == 0 ? .sha256 : .sha512) }
        #expect(digests.sorted().map(\.description) == digests.map(\.description).sorted())
    }
}
