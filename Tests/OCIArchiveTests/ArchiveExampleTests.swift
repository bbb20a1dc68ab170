import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// The example of docs/archive-format.md is a real archive, and the format does not change unnoticed.
struct ArchiveExampleTests {
    private func archive(_ images: ArchiveImages) async throws -> [UInt8] {
        let files = MemoryFiles()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        return try #require(files["a.tar"])
    }

    @Test func `the documented example is what is written`() async throws {
        let bytes = try await archive(.one())
        #expect(bytes.count == 12_288)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = String(decoding: try readFile(root.path + "/docs/archive-format.md"), as: UTF8.self)
        for (offset, size) in [(2048 + 512, 1112), (10240 + 512, 126)] {
            let text = String(decoding: bytes[offset..<offset + size], as: UTF8.self)
            #expect(page.contains("```json\n" + text + "```\n"))
        }
    }

    @Test func `version 1 gives these bytes for ever`() async throws {
        #expect(
            Digest(of: try await archive(.one())).hex
                == "ea7fa18d55f3654f59039bc8d6aa7c19ad7ac9234573da8875f5e923cf11a971")
        #expect(
            Digest(of: try await archive(.several())).hex
                == "9a3b75e5e374f7242276734e96c2d54c3e567be68ed8098da7fe07b2df46003d")
    }
}
