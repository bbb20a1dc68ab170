import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// Layouts that are broken or hostile (FAULTS A4, A5, A12 to A14).
struct LayoutFaultTests {
    private static let marker = #"{"imageLayoutVersion":"1.0.0"}"#
    private static let list = #"{"schemaVersion":2,"manifests":[]}"#

    private func open(marker: String?, index: String?) async throws -> (any Failure)? {
        try await withTemporaryFolder { folder in
            if let marker { try marker.write(toFile: folder + "/oci-layout", atomically: true, encoding: .utf8) }
            if let index { try index.write(toFile: folder + "/index.json", atomically: true, encoding: .utf8) }
            do {
                _ = try await Layout.open(folder, surroundings: .ofThisMachine)
                return nil
            } catch let error as any Failure {
                #expect(error.kind == .damaged)
                return error
            }
        }
    }

    private static let broken: [(String?, String?, String)] = [
        (nil, list, "it has no oci-layout file"),
        (#"{"imageLayoutVersion":"2.0.0"}"#, list, "is of version 2.0.0, want 1.0.0"),
        ("{}", list, "has no imageLayoutVersion"),
        ("no json", list, "oci-layout is not valid JSON"),
        (marker, nil, "has no index.json"),
        (marker, "", "index.json is empty"),
        (marker, "\u{feff}" + list, "begins with a byte order mark"),
        (marker, #"{"schemaVersion":2,"manifests":null}"#, "manifests is null"),
        (marker, #"{"schemaVersion":2}"#, "has no list of manifests"),
        (marker, #"{"schemaVersion":2,"config":{},"layers":[]}"#, "is an image manifest, want an index"),
        (marker, #"{"schemaVersion":2,"manifests":[],"config":{}}"#, "is ambiguous"),
        (marker, #"{"schemaVersion":1,"manifests":[]}"#, "schemaVersion is 1, want 2"),
        (marker, #"{"schemaVersion":2,"manifests":[],"manifests":[]}"#, "stands twice"),
        (marker, #"{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}"#, "calls itself text/plain"),
        (marker, String(repeating: "[", count: 1000), "nested deeper"),
    ]

    @Test(arguments: broken)
    func `a broken layout says what is wrong with it`(marker: String?, index: String?, words: String) async throws {
        let error = try await open(marker: marker, index: index)
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }

    @Test func `a list above its limit is refused before it is read`() async throws {
        let error = try await open(marker: Self.marker, index: Self.list + String(repeating: " ", count: 20 << 20))
        #expect(error?.description.contains("the limit is 20971520") == true)
    }

    @Test(arguments: [
        (#""size":-1"#, "want 0 or more"), (#""size":1e3"#, "want a whole number"),
        (#""size":"5""#, "want a whole number"), (#""size":9223372036854775808"#, "want a whole number"),
        (#""size":5,"data":"!""#, "not base64"), (#""size":2,"data":"e30=""#, "has digest"),
    ])
    func `a wrong descriptor is refused`(members: String, words: String) async throws {
        let digest = "sha256:" + String(repeating: "0", count: 64)
        let error = try await open(
            marker: Self.marker,
            index: #"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"\#(digest)",\#(members)}]}"#)
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }

    @Test func `one digest with two sizes is refused`() async throws {
        let digest = "sha256:" + String(repeating: "0", count: 64)
        let items = [1, 2].map { #"{"mediaType":"a/b","digest":"\#(digest)","size":\#($0)}"# }
        let error = try await open(
            marker: Self.marker, index: #"{"schemaVersion":2,"manifests":[\#(items.joined(separator: ","))]}"#)
        #expect(error?.description.contains("index.json gives \(digest) both 1 and 2 bytes") == true)
        #expect(error?.advice != nil)
    }

    @Test func `no link in a layout is followed`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/layout"
            let layout = try await Layout.create(path, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("app"))
            let image = try await SeededImages.push(to: target, seed: 1, tags: [.latest])
            let layer = image.children[1]
            let blob = path + "/blobs/sha256/" + layer.digest.hex
            try FileManager.default.moveItem(atPath: blob, toPath: folder + "/elsewhere")
            try FileManager.default.createSymbolicLink(atPath: blob, withDestinationPath: folder + "/elsewhere")
            let source = layout.source(try RepositoryName("app"))
            let error = await #expect(throws: ArchiveError.self) {
                try await source.read(layer) { try await $0.verify() }
            }
            #expect(error?.description.contains("is a symbolic link") == true)
            #expect(try await layout.verify().isSound == false)

            try FileManager.default.moveItem(atPath: path + "/blobs", toPath: folder + "/blobs")
            try FileManager.default.createSymbolicLink(
                atPath: path + "/blobs", withDestinationPath: folder + "/blobs")
            let other = await #expect(throws: ArchiveError.self) {
                _ = try await Layout.open(path, surroundings: .ofThisMachine)
            }
            #expect(other?.kind == .policy)
        }
    }

    @Test func `every altered byte of a layout is found by verify`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("app"))
            let image = try await SeededImages.push(to: target, seed: 1, layerSizes: [64], tags: [.latest])
            for digest in [image.descriptor.digest] + image.children.map(\.digest) {
                let url = URL(fileURLWithPath: folder + "/blobs/sha256/" + digest.hex)
                let right = try Data(contentsOf: url)
                for position in right.indices {
                    var wrong = right
                    wrong[position] ^= 4
                    try wrong.write(to: url)
                    let result = try await layout.verify()
                    #expect(result.findings.contains { $0.fault == .damaged && $0.digest == digest })
                }
                try right.write(to: url)
            }
            #expect(try await layout.verify().isSound)
        }
    }

    @Test func `verify names what is missing, short or left over`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("app"))
            let image = try await SeededImages.push(to: target, seed: 1, layerSizes: [64, 65], tags: [.latest])
            let layers = image.children.dropFirst().map(\.digest)
            try FileManager.default.removeItem(atPath: folder + "/blobs/sha256/" + layers[0].hex)
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/blobs/sha256/" + layers[1].hex))
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/blobs/sha256/NOT-A-DIGEST"))
            let extra = SeededBytes.buffer(10, seed: 9)
            try await target.write(Content(extra, as: Descriptor(of: extra, mediaType: .octetStream), from: "test"))
            let result = try await layout.verify()
            #expect(!result.isSound)
            #expect(Set(result.findings.map(\.fault)) == [.missing, .damaged, .unreferenced, .foreign])
            let missing = result.findings.first { $0.fault == .missing }
            #expect(missing?.what == "blob \(layers[0]) of app:latest is missing")
            #expect(missing?.image == "app:latest")
        }
    }

    @Test func `a tag listed twice is ambiguous and others are not`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("app"))
            try await SeededImages.push(to: target, seed: 1, tags: [try Tag("a")])
            try await SeededImages.push(to: target, seed: 2, tags: [try Tag("b")])
            try await SeededImages.push(to: target, seed: 3, tags: [try Tag("c")])
            let text = try String(contentsOfFile: folder + "/index.json", encoding: .utf8)
            try text.replacingOccurrences(of: "app:b", with: "app:a")
                .write(toFile: folder + "/index.json", atomically: true, encoding: .utf8)
            let source = layout.source(try RepositoryName("app"))
            let error = await #expect(throws: ArchiveError.self) { _ = try await source.resolve(.tag(try Tag("a"))) }
            #expect(error?.description.contains("names app:a more than once") == true)
            _ = try await source.resolve(.tag(try Tag("c")))
            #expect(try await layout.verify().isSound == false)
        }
    }
}
