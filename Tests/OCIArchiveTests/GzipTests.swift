import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// What gzip(1) refuses is refused here too (RFC 1952, 2.3.1).
struct GzipTests {
    private func member(_ bytes: ByteBuffer) async throws -> [UInt8] {
        let encoder = try FilterEncoder(.gzip, isCompressed: false)
        var output = try await encoder.encode(bytes)
        output.writeImmutableBuffer(try await encoder.finish())
        return Array(output.readableBytesView)
    }

    private func fault(_ bytes: [UInt8]) async throws -> String? {
        let files = MemoryFiles()
        files["x"] = bytes
        let file = try await files.open("x", .read)
        let stream = ArchiveStream.open(
            file, head: ByteBuffer(bytes: [0x1f, 0x8b]), isPipe: false, limits: DecodingLimits())
        do {
            while try await stream.next() != nil {}
            return nil
        } catch let error as any Failure {
            #expect(error.kind == .damaged)
            return error.description
        }
    }

    @Test func `a wrong CRC or length is found in whichever member it is`() async throws {
        var members: [[UInt8]] = []
        for seed in 1...3 as ClosedRange<UInt64> {
            members.append(try await member(SeededBytes.buffer(70_000, seed: seed)))
        }
        let whole = members.flatMap { $0 }
        #expect(try await fault(whole) == nil)
        for number in members.indices {
            let end = members[...number].reduce(0) { $0 + $1.count }
            for index in (end - 8)..<end {
                var bytes = whole
                bytes[index] ^= 0x10
                let words =
                    index < end - 4 ? "the CRC-32 of member \(number + 1)" : "the length of member \(number + 1)"
                let found = try await fault(bytes)
                #expect(found?.contains(words) == true, "byte \(index): \(found ?? "nothing")")
            }
        }
    }

    @Test func `a cut is found wherever it is, and so is what follows`() async throws {
        let whole = try await member(SeededBytes.buffer(300, seed: 1)) + member(ByteBuffer(string: "x"))
        let first = try await member(SeededBytes.buffer(300, seed: 1)).count
        for end in whole.indices where end != first {
            let found = try await fault(Array(whole[..<end]))
            #expect(found?.contains("it is cut off") == true, "cut at \(end): \(found ?? "nothing")")
        }
        #expect(try await fault(whole + [0])?.contains("something follows") == true)
        #expect(try await fault(whole + [0x1f, 0x8b, 9, 0])?.contains("member 3") == true)
    }

    @Test(arguments: [DecoderInput.chunkSize - 1, DecoderInput.chunkSize, DecoderInput.chunkSize + 5])
    func `a member that ends at or near the end of a read is complete`(_ size: Int) async throws {
        // Random bytes are stored, so that all members of a length of content have one length.
        let one = try await member(SeededBytes.buffer(1000, seed: 2))
        let count = (size - 1000) / one.count
        var whole = Array(repeatElement(one, count: count).joined())
        let last = size - whole.count - (one.count - 1000)
        whole += try await member(SeededBytes.buffer(last, seed: 3))
        #expect(whole.count == size)
        whole += one
        let files = MemoryFiles()
        files["x"] = whole
        let stream = ArchiveStream.open(
            try await files.open("x", .read), head: ByteBuffer(bytes: whole.prefix(512)), isPipe: false,
            limits: DecodingLimits())
        var got = 0
        while let chunk = try await stream.next() { got += chunk.readableBytes }
        #expect(got == (count + 1) * 1000 + last)
    }
}
