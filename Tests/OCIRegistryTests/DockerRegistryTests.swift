import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

/// Against the registry that most others descend from.
@Suite(.enabled(if: DockerRegistry.isInstalled, "docker-registry is not installed"))
struct DockerRegistryTests {
    private static func seed(_ repository: RemoteRepository, _ tags: [OCI.Tag], layers: [ByteBuffer]) async throws
        -> Manifest
    {
        let config = ByteBuffer(string: #"{"architecture":"amd64","os":"linux"}"#)
        for bytes in layers + [config] {
            try await repository.write(Content(bytes, as: .layer(bytes), from: "test"))
        }
        let manifest = try image(layers.map { .layer($0) }, config: config)
        try await repository.push(manifest, tags: tags)
        return manifest
    }

    @Test func `an image that is pushed is there, and is pulled byte for byte`() async throws {
        try await DockerRegistry.run { server in
            try await withRegistry(server.host) { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                let layers = [sample(100_000), sample(1, seed: 2), ByteBuffer()]
                let manifest = try await Self.seed(repository, [Tag("1.0"), Tag("latest")], layers: layers)

                let tags = try await repository.tags()
                #expect(tags.map(\.description) == ["1.0", "latest"])
                let all = try await registry.repositories()
                #expect(all.map(\.description) == ["team/app"])
                let resolved = try await repository.resolve(.tag(Tag("1.0")))
                #expect(resolved == manifest.descriptor)
                let pulled = try await repository.manifest(resolved)
                #expect(pulled == manifest)
                for bytes in layers {
                    let read = try await repository.read(.layer(bytes)) { try await $0.collect(upTo: 1 << 20) }
                    #expect(read == bytes)
                    let isThere = try await repository.contains(.layer(bytes))
                    #expect(isThere)
                }
                let isAbsent = try await repository.contains(.layer(sample(5)))
                #expect(!isAbsent)
                let unknown = try await repository.find(.tag(Tag("2.0")))
                #expect(unknown == nil)
            }
        }
    }

    @Test func `a blob is mounted from another repository`() async throws {
        try await DockerRegistry.run { server in
            try await withRegistry(server.host) { registry in
                let (from, to) = (try RepositoryName("a/from"), try RepositoryName("b/to"))
                let bytes = sample(50_000)
                _ = try await Self.seed(registry.repository(from), [.latest], layers: [bytes])
                let mounted = try await registry.repository(to).mount(.layer(bytes), from: from)
                #expect(mounted)
                let isThere = try await registry.repository(to).contains(.layer(bytes))
                #expect(isThere)
                let refused = try await registry.repository(to).mount(.layer(sample(9)), from: from)
                #expect(!refused)
                try await registry.repository(to).write(Content(sample(9), as: .layer(sample(9)), from: "test"))
                let written = try await registry.repository(to).contains(.layer(sample(9)))
                #expect(written)
            }
        }
    }

    @Test func `a manifest without its blobs is refused by naming them`() async throws {
        try await DockerRegistry.run { server in
            try await withRegistry(server.host) { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                let layer = sample(77)
                let error = try await failure {
                    try await repository.push(try image([.layer(layer)]), tags: [.latest])
                }
                let missing = try #require(error as? MissingChildren)
                #expect(missing.detail.contains(Descriptor.layer(layer).digest.description))
            }
        }
    }

    @Test func `referrers are listed under the fallback tag`() async throws {
        try await DockerRegistry.run { server in
            try await withRegistry(server.host) { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                let subject = try await Self.seed(repository, [.latest], layers: [sample(10)])
                for number in UInt8(0)..<3 {
                    let bytes = sample(20, seed: number)
                    try await repository.write(Content(bytes, as: .layer(bytes), from: "test"))
                    let referrer = try image(
                        [.layer(bytes)], config: ByteBuffer(string: #"{"architecture":"amd64","os":"linux"}"#),
                        subject: subject.descriptor)
                    try await repository.push(referrer, tags: [])
                    try await repository.list([referrer.asReferrer], of: subject.descriptor.digest)
                    let found = try await repository.referrers(of: subject.descriptor.digest)
                    #expect(found.count == Int(number) + 1)
                    #expect(found.contains { $0.digest == referrer.descriptor.digest })
                }
            }
        }
    }

    @Test(arguments: [RegistryOptions.Upload.whole, .chunks(of: 7_000_000)])
    func `50 MB stream from one repository to another`(upload: RegistryOptions.Upload) async throws {
        let bytes = sample(50_000_000)
        try await DockerRegistry.run { server in
            try await withRegistry(server.host, .quick { $0.upload = upload }) { registry in
                let source = registry.repository(try RepositoryName("source"))
                let target = registry.repository(try RepositoryName("target"))
                try await source.write(Content(bytes, as: .layer(bytes), from: "test"))
                try await source.read(.layer(bytes)) { try await target.write($0) }
                try await target.read(.layer(bytes)) { try await $0.verify() }
            }
        }
    }

    @Test func `a login is asked for, given, and refused if wrong`() async throws {
        let (username, password) = DockerRegistry.login
        try await DockerRegistry.run(asksForLogin: true) { server in
            let right = RegistryOptions.quick {
                $0.credentials = .fixed(.password(username: username, password: password))
            }
            try await withRegistry(server.host, right) { registry in
                _ = try await Self.seed(
                    registry.repository(try RepositoryName("team/app")), [.latest], layers: [sample(100)])
            }
            let wrong = RegistryOptions.quick {
                $0.credentials = .fixed(.password(username: username, password: "other"))
            }
            for options in [wrong, .quick()] {
                try await withRegistry(server.host, options) { registry in
                    let error = try await failure { try await registry.repositories() }
                    #expect(error.kind == .auth)
                    #expect(error.advice?.hasPrefix("lifeboat login \(server.host)") == true)
                    #expect(!error.description.contains("other"))
                }
            }
        }
    }
}
