import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// Everything an image is, between every two kinds of store: digests stay what they are.
@Suite struct FidelityTests {
    enum Kind: String, CaseIterable, Sendable {
        /// docker-registry: no referrers API, every child of an index checked.
        case docker
        /// The server of this project, writable: with the referrers API.
        case ours
        case archive, layout
    }

    private static let repository = "team/app"

    // MARK: What there is

    /// Images of all kinds, under one repository each or together, and what refers to them.
    private func seed(_ store: MemoryStore) async throws {
        let target = try await store.target(RepositoryName(Self.repository))
        @Sendable func blob(_ text: String, _ type: String) async throws -> Descriptor {
            let bytes = ByteBuffer(string: text)
            let descriptor = Descriptor(of: bytes, mediaType: MediaType(rawValue: type))
            try await target.write(Content(bytes, as: descriptor, from: "seed"))
            return descriptor
        }
        @Sendable func push(_ bytes: ByteBuffer, _ type: MediaType, _ tags: [String] = []) async throws -> Descriptor {
            let manifest = try Manifest(bytes, mediaType: type, from: "seed")
            try await target.push(manifest, tags: try tags.map { try Tag($0) })
            return manifest.descriptor
        }
        func child(_ arch: String) async throws -> Descriptor {
            let config = try await blob(#"{"architecture":"\#(arch)","os":"linux"}"#, MediaType.ociConfig.rawValue)
            var child = try await push(
                SeededImages.manifest(
                    config: config,
                    layers: [
                        try await blob("layer of \(arch)", "application/vnd.oci.image.layer.v1.tar+gzip"),
                        try await blob("zstd layer of \(arch)", "application/vnd.oci.image.layer.v1.tar+zstd"),
                        try await blob("plain layer of \(arch)", "application/vnd.oci.image.layer.v1.tar"),
                    ]), .ociManifest)
            child.platform = try Platform(parsing: "linux/\(arch)")
            return child
        }
        func attestation(of child: Descriptor) async throws -> Descriptor {
            let config = try await blob("{}", MediaType.ociConfig.rawValue)
            var attestation = try await push(
                SeededImages.manifest(
                    config: config,
                    layers: [try await blob("provenance of \(child.digest)", "application/vnd.in-toto+json")]
                ), .ociManifest)
            attestation.platform = try Platform(parsing: "unknown/unknown")
            attestation.annotations = [
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": child.digest.description,
            ]
            return attestation
        }
        // Two platforms with their attestations, as buildx makes them.
        let children = [try await child("amd64"), try await child("arm64")]
        var entries = children
        for child in children { entries.append(try await attestation(of: child)) }
        let index = try await push(SeededImages.index(entries), .ociIndex, ["multi", "latest"])
        // A signature of the index, an SBOM of one child, and a signature of the SBOM.
        let empty = try await blob("{}", "application/vnd.oci.empty.v1+json")
        for (subject, type) in [
            (index, "application/vnd.dev.sigstore.bundle+json"), (children[0], "application/spdx+json"),
        ] {
            let referrer = try await push(
                SeededImages.manifest(
                    config: empty, layers: [try await blob("\(type) of \(subject.digest)", type)], subject: subject,
                    artifactType: type, annotations: ["made": "by a test"]), .ociManifest)
            _ = try await push(
                SeededImages.manifest(
                    config: empty, layers: [try await blob("of \(referrer.digest)", "text/plain")], subject: referrer,
                    artifactType: "application/vnd.example.signature"), .ociManifest)
        }
        // cosign's signature, found by its tag.
        let stem = "sha256-" + index.digest.description.dropFirst("sha256:".count)
        let simple = try await blob("{\"critical\":{}}", "application/vnd.dev.cosign.simplesigning.v1+json")
        _ = try await push(
            SeededImages.manifest(
                config: try await blob("{\"cosign\":1}", MediaType.ociConfig.rawValue), layers: [simple]), .ociManifest,
            [stem + ".sig"])
        // A chart, an artifact whose config is of a type that nobody knows, an index of an index.
        _ = try await push(
            SeededImages.manifest(
                config: try await blob("{\"name\":\"chart\"}", "application/vnd.cncf.helm.config.v1+json"),
                layers: [try await blob("a chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")]),
            .ociManifest, ["chart-1.0.0"])
        _ = try await push(
            SeededImages.manifest(
                config: try await blob("\u{1}\u{2} no JSON", "application/x.nobody.knows"),
                layers: [try await blob("(module)", "application/wasm")]), .ociManifest, ["artifact"])
        _ = try await push(SeededImages.index([index]), .ociIndex, ["nested"])
        // docker's own schema, spaced as docker spaces it.
        let config = try await blob(#"{"os":"linux"}"#, "application/vnd.docker.container.image.v1+json")
        let layer = try await blob("docker layer", "application/vnd.docker.image.rootfs.diff.tar.gzip")
        _ = try await push(
            ByteBuffer(
                string: """
                    {
                       "schemaVersion": 2,
                       "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                       "config": \(config.json.text),
                       "layers": [ \(layer.json.text) ]
                    }
                    """), MediaType(rawValue: "application/vnd.docker.distribution.manifest.v2+json"), ["docker"])
    }

    // MARK: What is found

    /// Every tag with its digest, and every manifest and blob under it, referrers included, each byte read.
    private func contents(_ store: any SourceStore) async throws -> Set<String> {
        // A layout written from a part of a registry calls it by its whole name there.
        guard let name = try await store.repositories().first(where: { "\($0)".hasSuffix(Self.repository) }) else {
            return []
        }
        let source = try await store.source(name)
        var found: Set<String> = []
        for tag in try await source.tags() where !tag.listsReferrers {
            let root = try await source.resolve(.tag(tag))
            found.insert("\(tag) \(root.mediaType.rawValue) \(root.digest)")
            let graph = try await ImageGraph.read(root, from: source)
            for manifest in graph.manifests {
                found.insert("manifest \(manifest.mediaType.rawValue) \(manifest.digest)")
            }
            for (subject, referrers) in graph.referrers {
                for referrer in referrers {
                    let annotations = referrer.annotations.sorted { $0.key < $1.key }
                    found.insert("\(referrer.artifactType ?? "") \(annotations) \(referrer.digest) of \(subject)")
                }
            }
            for blob in graph.blobs {
                try await source.read(blob) { try await $0.verify() }
                found.insert("blob \(blob.digest)")
            }
        }
        return found
    }

    private func definition(_ kind: Kind, _ number: Int, folder: String, docker: String, ours: String)
        -> StoreDefinition
    {
        switch kind {
        case .docker: .registry(host: docker, prefix: "n\(number)")
        case .ours: .registry(host: ours, prefix: "n\(number)")
        case .archive: .archive(path: "\(folder)/\(number).tar")
        case .layout: .layout(path: "\(folder)/\(number)")
        }
    }

    private func copy(
        from source: StoreDefinition, to target: StoreDefinition, _ environment: RunEnvironment
    ) async throws {
        let isRegistry = if case .registry = target { true } else { false }
        let step = CopyStep(
            kind: isRegistry ? .import : .export, sources: [SourceDefinition(store: source, selection: .all)],
            target: target, naming: Naming().under(target))
        let report = await Runner(environment).run([Step(name: "copy", work: .copy(step))], name: "copy")
        #expect(
            report.exitCode == 0,
            "\(source.description) to \(target.description): \(report.steps.flatMap(\.failures).map(\.message))")
    }

    @Test(.enabled(if: DockerRegistry.isInstalled, "docker-registry is not installed"))
    func `everything an image is survives every way between two stores`() async throws {
        let memory = MemoryStore(name: "seed")
        try await seed(memory)
        let expected = try await contents(memory)
        #expect(expected.count > 40, "\(expected.count)")
        try await withTemporaryFolder { folder in
            try await DockerRegistry.run { docker in
                let environment = RunEnvironment.test(in: folder)
                let other = MemoryStore(name: "ours")
                try await TestRegistry.run(over: other) { ours in
                    try await TestRegistry.run(over: memory, writable: false) { seed in
                        var number = 0
                        for first in Kind.allCases {
                            number += 1
                            let middle = definition(
                                first, number, folder: folder, docker: docker.host, ours: ours)
                            try await copy(from: .registry(host: seed, prefix: ""), to: middle, environment)
                            for second in Kind.allCases {
                                number += 1
                                let end = definition(
                                    second, number, folder: folder, docker: docker.host, ours: ours)
                                try await copy(from: middle, to: end, environment)
                                let found = try await withStores(environment) { stores in
                                    try await contents(try await stores.source(end))
                                }
                                #expect(
                                    found == expected, "\(first) to \(second): \(found.symmetricDifference(expected))")
                            }
                        }
                    }
                }
            }
        }
    }
}
