import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

struct FilterTests {
    private func encode(_ bytes: ByteBuffer, _ format: ArchiveFormat) async throws -> [UInt8] {
        let encoder = try FilterEncoder(format, isCompressed: false)
        var output = try await encoder.encode(bytes)
        output.writeImmutableBuffer(try await encoder.finish())
        return Array(output.readableBytesView)
    }

    private func decode(_ bytes: [UInt8], limits: DecodingLimits = DecodingLimits()) async throws -> ByteBuffer {
        let files = MemoryFiles()
        files["x"] = bytes
        let file = try await files.open("x", .read)
        let head = ByteBuffer(bytes: bytes.prefix(512))
        let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: limits)
        var output = ByteBuffer()
        while let chunk = try await stream.next() { output.writeImmutableBuffer(chunk) }
        return output
    }

    private static let filters: [ArchiveFormat] = [.gzip, .zstd, .xz]

    @Test(arguments: filters, [1, 500, 100_000, 1_000_000])
    func `what is compressed is decompressed again`(_ format: ArchiveFormat, _ size: Int) async throws {
        let bytes = SeededBytes.buffer(size, seed: 1)
        let first = try await encode(bytes, format)
        #expect(try await decode(first) == bytes)
        #expect(try await decode(first + first + first) == SeededBytes.joined(bytes, SeededBytes.joined(bytes, bytes)))
    }

    @Test(arguments: filters)
    func `trailing bytes and truncation are refused, and one filter is taken off`(_ format: ArchiveFormat) async throws
    {
        let whole = try await encode(SeededBytes.buffer(5000, seed: 1), format)
        for wrong in [whole + [0], whole + Array("junk".utf8), Array(whole.dropLast()), Array(whole.prefix(100))] {
            await #expect { _ = try await decode(wrong) } throws: { ($0 as? any Failure)?.kind == .damaged }
        }
        let twice = try await encode(ByteBuffer(bytes: whole), format)
        if format == .zstd {
            await #expect { _ = try await decode(twice) } throws: { ($0 as? any Failure)?.kind == .policy }
        } else {
            #expect(Array(try await decode(twice).readableBytesView) == whole)
        }
    }

    @Test(arguments: filters)
    func `a bomb is refused`(_ format: ArchiveFormat) async throws {
        let zeros = try await encode(ByteBuffer(repeating: 0, count: 4_000_000), format)
        var limits = DecodingLimits()
        limits.ratioFrom = 100_000
        limits.ratio = 50
        await #expect { _ = try await decode(zeros, limits: limits) } throws: {
            ($0 as? any Failure)?.kind == .policy && "\($0)".contains("50 times")
        }
        limits = DecodingLimits()
        limits.output = 1_000_000
        await #expect { _ = try await decode(zeros, limits: limits) } throws: { ($0 as? any Failure)?.kind == .policy }
    }

    @Test(.enabled(if: Program.exists("xz")))
    func `xz that asks for too much memory is refused`() async throws {
        try await withTemporaryFolder { folder in
            try writeFile(folder + "/x", Array(repeating: 7, count: 1000))
            try await Program.run("xz", "--lzma2=dict=512MiB", folder + "/x")
            let bytes = try readFile(folder + "/x.xz")
            await #expect { _ = try await decode(bytes) } throws: { ($0 as? any Failure)?.kind == .policy }
        }
    }

    @Test func `gzip says nothing of when it was made`() async throws {
        let bytes = try await encode(ByteBuffer(string: "x"), .gzip)
        #expect(bytes[4..<8] == [0, 0, 0, 0])
    }
}
