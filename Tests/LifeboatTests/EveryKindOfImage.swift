import NIOCore
import OCI
import TestSupport

/// A repository of images of every kind, and what refers to them.
struct EveryKindOfImage {
    let target: any ImageTarget
    /// How manifests are known.
    let manifests: Digest.Algorithm
    /// How configs and layers are known.
    let blobs: Digest.Algorithm

    func push() async throws {
        let children = [try await child("amd64"), try await child("arm64")]
        let index = try await twoPlatforms(children)
        try await referrers(to: index, and: children[0])
        try await cosignSignature(of: index)
        try await artifacts()
        _ = try await push(SeededImages.index([index]), .ociIndex, ["nested"])
        try await dockerImage()
    }

    private func blob(_ text: String, _ type: String) async throws -> Descriptor {
        let bytes = ByteBuffer(string: text)
        let descriptor = Descriptor(of: bytes, mediaType: MediaType(rawValue: type), algorithm: blobs)
        try await target.write(Content(bytes, as: descriptor, from: "seed"))
        return descriptor
    }

    private func push(_ bytes: ByteBuffer, _ type: MediaType, _ tags: [String] = []) async throws -> Descriptor {
        let manifest = try Manifest(bytes, mediaType: type, algorithm: manifests, from: "seed")
        try await target.push(manifest, tags: try tags.map { try Tag($0) })
        return manifest.descriptor
    }

    // MARK: Two platforms with their attestations, as buildx makes them

    private func child(_ arch: String) async throws -> Descriptor {
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

    private func attestation(of child: Descriptor) async throws -> Descriptor {
        var attestation = try await push(
            SeededImages.manifest(
                config: try await blob("{}", MediaType.ociConfig.rawValue),
                layers: [try await blob("provenance of \(child.digest)", "application/vnd.in-toto+json")]
            ), .ociManifest)
        attestation.platform = try Platform(parsing: "unknown/unknown")
        attestation.annotations = [
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": child.digest.description,
        ]
        return attestation
    }

    private func twoPlatforms(_ children: [Descriptor]) async throws -> Descriptor {
        var entries = children
        for child in children { entries.append(try await attestation(of: child)) }
        return try await push(SeededImages.index(entries), .ociIndex, ["multi", "latest"])
    }

    // MARK: What refers to them

    /// A signature of the index, an SBOM of one child, and a signature of each.
    private func referrers(to index: Descriptor, and child: Descriptor) async throws {
        let empty = try await blob("{}", "application/vnd.oci.empty.v1+json")
        for (subject, type) in [
            (index, "application/vnd.dev.sigstore.bundle+json"), (child, "application/spdx+json"),
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
    }

    /// Found by its tag.
    private func cosignSignature(of index: Descriptor) async throws {
        let simple = try await blob("{\"critical\":{}}", "application/vnd.dev.cosign.simplesigning.v1+json")
        _ = try await push(
            SeededImages.manifest(
                config: try await blob("{\"cosign\":1}", MediaType.ociConfig.rawValue), layers: [simple]), .ociManifest,
            ["\(index.digest.algorithm.rawValue)-\(index.digest.hex.prefix(64)).sig"])
    }

    // MARK: What is no image of a container

    /// A chart, and an artifact whose config is of a type that nobody knows.
    private func artifacts() async throws {
        _ = try await push(
            SeededImages.manifest(
                config: try await blob("{\"name\":\"chart\"}", "application/vnd.cncf.helm.config.v1+json"),
                layers: [try await blob("a chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")]),
            .ociManifest, ["chart-1.0.0"])
        _ = try await push(
            SeededImages.manifest(
                config: try await blob("\u{1}\u{2} no JSON", "application/x.nobody.knows"),
                layers: [try await blob("(module)", "application/wasm")]), .ociManifest, ["artifact"])
    }

    /// docker's own schema, spaced as docker spaces it.
    private func dockerImage() async throws {
        let config = try await blob(#"{"os":"linux"}"#, MediaType.dockerConfig.rawValue)
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
}
