import OCI
import Testing

@testable import OCIArchive

@Suite struct NeededBlobsTests {
    private static func digest(_ number: Int, _ algorithm: Digest.Algorithm = .sha256) -> Digest {
        Digest(of: Array("\(number)".utf8), algorithm: algorithm)
    }

    @Test func `what is marked is needed, what was listed is not, and the rest is unknown`() {
        var blobs = NeededBlobs()
        for algorithm in Digest.Algorithm.allCases {
            let others = blobs.add((0..<1000).map { Self.digest($0, algorithm).hex }, of: algorithm)
            #expect(others.isEmpty)
        }
        blobs.sort()
        #expect(blobs.count == 2000)
        for number in stride(from: 0, to: 1000, by: 3) { blobs.mark(Self.digest(number)) }
        let isKnown = blobs.mark(Self.digest(5000))
        #expect(!isKnown)
        for number in 0..<1000 {
            let hex = Self.digest(number).hex
            #expect(blobs.need(of: hex, .sha256) == (number % 3 == 0 ? .needed : .unneeded))
            #expect(blobs.need(of: Self.digest(number, .sha512).hex, .sha512) == .unneeded)
        }
        #expect(blobs.need(of: Self.digest(5000).hex, .sha256) == .unknown)
    }

    @Test func `a blob in two places is needed in both`() {
        var blobs = NeededBlobs()
        for _ in 0..<3 { _ = blobs.add([Self.digest(1).hex, Self.digest(2).hex], of: .sha256) }
        blobs.sort()
        blobs.mark(Self.digest(1))
        #expect(blobs.need(of: Self.digest(1).hex, .sha256) == .needed)
        #expect(blobs.need(of: Self.digest(2).hex, .sha256) == .unneeded)
    }

    @Test func `names that are no blobs are given back`() {
        let hex = Self.digest(1).hex
        let others = [
            "", "x", hex.uppercased(), String(hex.dropLast()), hex + "0", hex + ".tmp", Self.digest(1, .sha512).hex,
        ]
        var blobs = NeededBlobs()
        let found = blobs.add(others + [hex], of: .sha256)
        #expect(found == others)
        blobs.sort()
        #expect(blobs.count == 1)
        for name in others { #expect(blobs.need(of: name, .sha256) == .unknown) }
    }

    @Test func `digests that begin alike are both kept if one is needed`() throws {
        let first = Self.digest(1).hex
        let second = String(first.prefix(32)) + String(repeating: "0", count: 32)
        var blobs = NeededBlobs()
        _ = blobs.add([second, first], of: .sha256)
        blobs.sort()
        blobs.mark(try Digest(parsing: "sha256:" + first))
        #expect(blobs.need(of: first, .sha256) == .needed)
        #expect(blobs.need(of: second, .sha256) == .needed)
    }
}
