import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// A folder ends up with its images and nothing else.
struct LayoutTidinessTests {
    private func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test func `after success only the layout is left, whatever a dead run left behind`() async throws {
        try await withTemporaryFolder { folder in
            _ = try await Layout.create(folder, gathering: true, surroundings: .ofThisMachine)
            try "half".write(toFile: folder + "/lifeboat-tmp/blob-0123", atomically: false, encoding: .utf8)
            let layout = try await Layout.create(folder, gathering: true, surroundings: .ofThisMachine)
            try await SeededImages.push(to: layout.target(try RepositoryName("a")), seed: 1, tags: [.latest])
            try await layout.flush()
            #expect(try names(in: folder) == ["blobs", "index.json", "oci-layout"])
            #expect(try names(in: folder + "/blobs") == ["sha256"])
            try await SeededImages.push(to: layout.target(try RepositoryName("b")), seed: 2, tags: [.latest])
            try await layout.flush()
            #expect(try names(in: folder) == ["blobs", "index.json", "oci-layout"])
            #expect(try await layout.verify().findings == [])
            #expect(try await layout.images().count == 2)
        }
    }

    @Test func `what is being written stays when another run tidies up`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let name = try RepositoryName("a")
            guard let target = layout.target(name) as? any UploadTarget else {
                Issue.record("a layout takes no uploads")
                return
            }
            let upload = try await target.beginUpload()
            let other = try await Layout.create(folder, gathering: true, surroundings: .ofThisMachine)
            try await SeededImages.push(to: other.target(name), seed: 1, tags: [.latest])
            try await other.flush()
            #expect(try names(in: folder + "/lifeboat-tmp").contains { $0.hasPrefix("upload-") })
            let bytes = SeededBytes.buffer(1000, seed: 5)
            _ = try await target.append(to: upload) { try await $0(bytes) }
            _ = try await target.commitUpload(upload, as: Digest(of: bytes))
            try await layout.flush()
            #expect(try names(in: folder) == ["blobs", "index.json", "oci-layout"])
        }
    }

    @Test func `of an upload that nobody finishes nothing is left`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = try #require(layout.target(try RepositoryName("a")) as? any UploadTarget)
            let upload = try await target.beginUpload()
            let bytes = SeededBytes.buffer(1000, seed: 5)
            _ = try await target.append(to: upload) { try await $0(bytes) }
            try await layout.flush()
            #expect(try !names(in: folder).contains("lifeboat-tmp"))
            await #expect(throws: (any Error).self) {
                _ = try await target.commitUpload(upload, as: Digest(of: bytes))
            }
        }
    }

    @Test func `runs that write and tidy up at once lose nothing`() async throws {
        try await withTemporaryFolder { folder in
            try await forEach(0..<4, limit: 4) { run in
                let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
                for number in 0..<8 {
                    let target = layout.target(try RepositoryName("run\(run)"))
                    try await SeededImages.push(
                        to: target, seed: UInt64(run * 100 + number), layerSizes: [50], tags: [try Tag("t\(number)")])
                    try await layout.flush()
                }
            }
            let layout = try await Layout.open(folder, surroundings: .ofThisMachine)
            #expect(try await layout.images().count == 32)
            #expect(try await layout.verify().findings == [])
            #expect(try names(in: folder) == ["blobs", "index.json", "oci-layout"])
        }
    }
}
