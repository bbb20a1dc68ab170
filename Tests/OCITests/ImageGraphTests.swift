import NIOCore
import OCI
import Testing

@Suite struct ImageGraphTests {
    /// Manifests in a dictionary.
    private struct Shelf: ManifestReader {
        var manifests: [Digest: Manifest] = [:]

        mutating func add(_ text: String) throws -> Descriptor {
            let manifest = try Manifest(ByteBuffer(string: text), mediaType: nil, from: "shelf")
            manifests[manifest.descriptor.digest] = manifest
            return manifest.descriptor
        }

        func manifest(_ descriptor: Descriptor) async throws -> Manifest {
            guard let manifest = manifests[descriptor.digest] else {
                throw OCIError(.notFound, "no \(descriptor.digest)")
            }
            return manifest
        }

        func referrers(of digest: Digest) async throws -> [Descriptor] {
            manifests.values.filter { $0.subject?.digest == digest }.map(\.descriptor).sorted { $0.digest < $1.digest }
        }
    }

    private func blob(_ text: String, size: Int? = nil) -> String {
        let descriptor = Descriptor(of: ByteBuffer(string: text), mediaType: .ociLayerGzip)
        return
            #"{"mediaType":"\#(descriptor.mediaType)","digest":"\#(descriptor.digest)","size":\#(size ?? Int(descriptor.size))}"#
    }

    private func image(_ layers: [String], subject: Descriptor? = nil) -> String {
        let subject = subject.map { #","subject":\#($0.json.text)"# } ?? ""
        return
            #"{"schemaVersion":2,"config":\#(blob("config of \(layers)")),"layers":[\#(layers.map { blob($0) }.joined(separator: ","))]\#(subject)}"#
    }

    private func index(_ children: [(Descriptor, platform: String?, annotations: String?)]) -> String {
        let entries = children.map { child, platform, annotations in
            var members = #""mediaType":"\#(child.mediaType)","digest":"\#(child.digest)","size":\#(child.size)"#
            if let platform {
                let parts = platform.split(separator: "/")
                members += #","platform":{"os":"\#(parts[0])","architecture":"\#(parts[1])"}"#
            }
            if let annotations { members += #","annotations":\#(annotations)"# }
            return "{\(members)}"
        }
        return #"{"schemaVersion":2,"manifests":[\#(entries.joined(separator: ","))]}"#
    }

    @Test func `children come before parents and shared layers once`() async throws {
        var shelf = Shelf()
        let a = try shelf.add(image(["base", "a"]))
        let b = try shelf.add(image(["base", "b"]))
        let root = try shelf.add(index([(a, "linux/amd64", nil), (b, "linux/arm64", nil)]))
        let graph = try await ImageGraph.read(root, from: shelf)
        #expect(graph.manifests.map(\.digest) == [a.digest, b.digest, root.digest])
        #expect(graph.blobs.count == 5)
        #expect(Set(graph.blobs.map(\.digest)).count == 5)
    }

    @Test func `referrers, and their referrers, belong to the image`() async throws {
        var shelf = Shelf()
        let root = try shelf.add(image(["base"]))
        let sbom = try shelf.add(image(["sbom"], subject: root))
        let signature = try shelf.add(image(["signature"], subject: sbom))
        let graph = try await ImageGraph.read(root, from: shelf)
        #expect(graph.manifests.map(\.digest) == [root.digest, sbom.digest, signature.digest])
        #expect(graph.referrers[root.digest]?.map(\.digest) == [sbom.digest])
        let without = try await ImageGraph.read(root, referrers: false, from: shelf)
        #expect(without.manifests.map(\.digest) == [root.digest])
    }

    @Test func `one platform takes the place of the index, and one that is missing says what there is`() async throws {
        var shelf = Shelf()
        let a = try shelf.add(image(["a"]))
        let b = try shelf.add(image(["b"]))
        let root = try shelf.add(index([(a, "linux/amd64", nil), (b, "linux/arm64", nil)]))
        let graph = try await ImageGraph.read(root, platforms: [Platform(parsing: "linux/arm64")], from: shelf)
        #expect(graph.root.digest == b.digest)
        #expect(graph.manifests.map(\.digest) == [b.digest])
        let error = await #expect(throws: OCIError.self) {
            try await ImageGraph.read(root, platforms: [Platform(parsing: "linux/s390x")], from: shelf)
        }
        #expect(error?.kind == .notFound)
        #expect(error?.advice == "one of linux/amd64, linux/arm64")
    }

    @Test func `several platforms keep the index and the attestations of what is kept`() async throws {
        var shelf = Shelf()
        let a = try shelf.add(image(["a"]))
        let b = try shelf.add(image(["b"]))
        let c = try shelf.add(image(["c"]))
        let about = { (digest: Digest) in #"{"vnd.docker.reference.digest":"\#(digest)"}"# }
        let attestA = try shelf.add(image(["attest a"]))
        let attestC = try shelf.add(image(["attest c"]))
        let root = try shelf.add(
            index([
                (a, "linux/amd64", nil), (b, "linux/arm64", nil), (c, "linux/s390x", nil),
                (attestA, "unknown/unknown", about(a.digest)), (attestC, "unknown/unknown", about(c.digest)),
            ]))
        let graph = try await ImageGraph.read(
            root, platforms: [Platform(parsing: "linux/amd64"), Platform(parsing: "linux/arm64")], from: shelf)
        #expect(graph.root.digest == root.digest)
        #expect(graph.manifests.map(\.digest) == [a.digest, b.digest, attestA.digest, root.digest])
        #expect(graph.omitted.map(\.digest) == [c.digest, attestC.digest])
    }

    @Test func `two sizes for one digest are damage`() async throws {
        var shelf = Shelf()
        let root = try shelf.add(
            #"{"schemaVersion":2,"config":\#(blob("config")),"layers":[\#(blob("x")),\#(blob("x", size: 2))]}"#)
        let error = await #expect(throws: OCIError.self) { try await ImageGraph.read(root, from: shelf) }
        #expect(error?.kind == .damaged)
        #expect(
            error?.description.contains("1 and 2 bytes") ?? false
                || error?.description.contains("2 and 1 bytes") ?? false)
    }

    @Test func `R39: indexes nested deeper than the limit are refused`() async throws {
        var shelf = Shelf()
        var root = try shelf.add(image(["leaf"]))
        for _ in 0..<ImageGraph.depthLimit { root = try shelf.add(index([(root, nil, nil)])) }
        let deepest = root
        let graph = try await ImageGraph.read(deepest, from: shelf)
        #expect(graph.manifests.count == ImageGraph.depthLimit + 1)
        let beyond = try shelf.add(index([(deepest, nil, nil)]))
        let error = await #expect(throws: OCIError.self) { try await ImageGraph.read(beyond, from: shelf) }
        #expect(error?.kind == .policy)
    }

    @Test func `R40: foreign layers are recorded and not moved`() async throws {
        var shelf = Shelf()
        let foreign =
            #"{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"\#(Digest(of: [1]))","size":1,"urls":["https://example.com/x"]}"#
        let root = try shelf.add(
            #"{"schemaVersion":2,"config":\#(blob("config")),"layers":[\#(blob("x")),\#(foreign)]}"#)
        let graph = try await ImageGraph.read(root, from: shelf)
        #expect(graph.foreign.map(\.digest) == [Digest(of: [1])])
        #expect(graph.blobs.count == 2)
    }
}
