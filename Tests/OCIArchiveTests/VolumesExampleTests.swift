import Foundation
import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// The examples of deltas and volumes in docs/archive-format.md are real, and version 2 does not change unnoticed.
@Suite struct VolumesExampleTests {
    private let files = MemoryFiles()

    private func contents(of path: String) async throws -> (text: String, id: Digest) {
        let part = try #require(ArchivePart(try await openFile(path, ArchiveOpening(fileSystem: files))))
        return (String(buffer: part.map.contents.encoded()), part.map.id)
    }

    private func page() throws -> String {
        String(decoding: try readFile(Fixtures.package.path + "/docs/archive-format.md"), as: UTF8.self)
    }

    @Test func `the documented delta is what is written`() async throws {
        var images = try await ArchiveImages.one()
        try await images.export(to: try ArchiveTarget(path: "full.tar", fileSystem: files))
        let known = try await BaseContents.read("full.tar", ArchiveOpening(fileSystem: files))
        let base = BaseContents(
            ArchiveBase(id: known.base.id, name: "full.tar", time: 1_795_140_000), images: Array(known.images),
            blobs: known.blobs)
        try await images.add("app:2", seed: 1, layerSizes: [700, 1300, 500])
        try await images.export(to: try ArchiveTarget(path: "delta.tar", fileSystem: files, since: base))
        let (text, id) = try await contents(of: "delta.tar")
        #expect(try page().contains("```json\n" + text + "```\n"))
        #expect(id.hex == "231358dab4ec22a6c99d3226802caae184fb23bc8af71ab5f937c0fc4e94a543")
    }

    @Test func `the documented volume is what is written`() async throws {
        var images = try await ArchiveImages.one()
        try await images.add("app:2", seed: 2, layerSizes: [5000])
        try await images.export(to: try VolumesTarget(path: "v.tar", volumeSize: 17_000, fileSystem: files))
        #expect(files.names == ["v.1-of-2.tar", "v.2-of-2.tar"])
        let (text, _) = try await contents(of: "v.2-of-2.tar")
        let lines = text.split(separator: "\n")
        let shown = ([lines[1]] + lines[4...]).joined(separator: "\n")
        #expect(try page().contains("```json\n" + shown + "\n```\n"))
        let (_, first) = try await contents(of: "v.1-of-2.tar")
        #expect(first.hex == "035bdfe74607c929ceab11a26809319cc7d855d48ee0e5a62a2382f7b62ef167")
    }
}
