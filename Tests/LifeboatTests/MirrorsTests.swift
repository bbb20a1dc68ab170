import NIOCore
import OCI
import TestSupport
import Testing

@testable import Lifeboat

/// The configuration of nodes, word for word.
struct MirrorsTests {
    private static let server = NodeRegistry(name: "backup.example.com:5000")

    private func render(
        _ node: NodeKind, _ registries: [String] = ["registry.example.com"], server: NodeRegistry = Self.server,
        authority: String? = nil, duringOutage: Bool = false
    ) throws -> Mirrors.Rendering {
        try Mirrors(
            node: node, server: server, registries: registries.map { try NodeRegistry(parsing: $0) },
            authority: authority, duringOutage: duringOutage
        ).render()
    }

    @Test func `containerd asks the registry first and pulls what it lacks from the backup`() throws {
        let rendering = try render(.containerd, authority: "/etc/lifeboat/ca.crt")
        #expect(rendering.files.map(\.place) == ["/etc/containerd/certs.d/registry.example.com/hosts.toml"])
        #expect(
            rendering.files[0].text == """
                # Steady state: the registry first, backup.example.com:5000 for what it does not answer. Written by lifeboat mirrors.
                server = "https://registry.example.com"
                dial_timeout = "3s"

                [host."https://registry.example.com"]
                  capabilities = ["pull", "resolve", "push"]
                  dial_timeout = "3s"

                [host."https://backup.example.com:5000"]
                  capabilities = ["pull", "resolve"]
                  ca = "/etc/lifeboat/ca.crt"

                """)
        #expect(rendering.notes.contains { $0.contains("containerd 2.1") })
    }

    @Test func `during an outage containerd asks the backup first`() throws {
        let rendering = try render(.containerd, ["docker.io", "http://10.0.0.5:5000"], duringOutage: true)
        #expect(
            rendering.files.map(\.place) == [
                "/etc/containerd/certs.d/docker.io/hosts.toml", "/etc/containerd/certs.d/10.0.0.5:5000/hosts.toml",
            ])
        #expect(
            rendering.files[0].text == """
                # During an outage: backup.example.com:5000 first. Written by lifeboat mirrors.
                server = "https://registry-1.docker.io"
                dial_timeout = "3s"

                [host."https://backup.example.com:5000"]
                  capabilities = ["pull", "resolve"]

                """)
        #expect(rendering.files[1].text.contains(#"server = "http://10.0.0.5:5000""#))
    }

    @Test func `containerd can be told of the backup for any registry, but not of what comes before it`() throws {
        let rendering = try render(.containerd, [], duringOutage: true)
        #expect(rendering.files.map(\.place) == ["/etc/containerd/certs.d/_default/hosts.toml"])
        #expect(
            rendering.files[0].text == """
                # During an outage: backup.example.com:5000 first. Written by lifeboat mirrors.

                [host."https://backup.example.com:5000"]
                  capabilities = ["pull", "resolve"]

                """)
        let error = #expect(throws: LifeboatError.self) { try render(.containerd, []) }
        #expect(error?.kind == .usage)
        #expect(error?.description == "containerd has to be told of each registry that is asked first")
    }

    @Test func `k3s lists the endpoints in their order`() throws {
        let steady = try render(.k3s, ["docker.io", "registry.example.com:5000"], authority: "/etc/lifeboat/ca.crt")
        #expect(steady.files.map(\.place) == ["/etc/rancher/k3s/registries.yaml"])
        #expect(
            steady.files[0].text == """
                # Steady state: the registry first, backup.example.com:5000 for what it does not answer. Written by lifeboat mirrors.
                mirrors:
                  "docker.io":
                    endpoint:
                      - "https://registry-1.docker.io"
                      - "https://backup.example.com:5000"
                  "registry.example.com:5000":
                    endpoint:
                      - "https://registry.example.com:5000"
                      - "https://backup.example.com:5000"
                configs:
                  "backup.example.com:5000":
                    tls:
                      ca_file: "/etc/lifeboat/ca.crt"

                """)
        let outage = try render(.k3s, [], duringOutage: true)
        #expect(
            outage.files[0].text == """
                # During an outage: backup.example.com:5000 first. Written by lifeboat mirrors.
                mirrors:
                  "*":
                    endpoint:
                      - "https://backup.example.com:5000"

                """)
    }

    @Test func `podman lists the registry as a mirror of itself, and the backup with the registry in its path`() throws
    {
        let steady = try render(.podman, ["registry.example.com:5000"], authority: "/etc/lifeboat/ca.crt")
        #expect(steady.files.map(\.place) == ["/etc/containers/registries.conf.d/lifeboat.conf"])
        #expect(
            steady.files[0].text == """
                # Steady state: the registry first, backup.example.com:5000 for what it does not answer. Written by lifeboat mirrors.

                [[registry]]
                prefix = "registry.example.com:5000"
                location = "registry.example.com:5000"

                [[registry.mirror]]
                location = "registry.example.com:5000"

                [[registry.mirror]]
                location = "backup.example.com:5000/registry.example.com_5000"
                pull-from-mirror = "all"

                """)
        #expect(steady.notes.contains { $0.contains("/etc/containers/certs.d/backup.example.com:5000/ca.crt") })
        let outage = try render(
            .podman, ["docker.io"], server: NodeRegistry(name: "127.0.0.1:5000", isPlain: true), duringOutage: true)
        #expect(
            outage.files[0].text == """
                # During an outage: 127.0.0.1:5000 first. Written by lifeboat mirrors.

                [[registry]]
                prefix = "docker.io"
                location = "docker.io"

                [[registry.mirror]]
                location = "127.0.0.1:5000/docker.io"
                pull-from-mirror = "all"
                insecure = true

                """)
        #expect(throws: LifeboatError.self) { try render(.podman, [], duringOutage: true) }
    }

    @Test func `dockerd knows mirrors of Docker Hub only, and is told so`() throws {
        let steady = try render(.dockerd, ["docker.io", "registry.example.com"])
        #expect(steady.files.isEmpty)
        #expect(steady.notes.contains("dockerd knows mirrors of Docker Hub (docker.io) only"))
        #expect(
            steady.notes.contains {
                $0.contains("docker pull backup.example.com:5000/registry.example.com/REPOSITORY:TAG")
            })
        let outage = try render(.dockerd, ["docker.io"], authority: "/etc/lifeboat/ca.crt", duringOutage: true)
        #expect(outage.files.map(\.place) == ["/etc/docker/daemon.json"])
        #expect(
            try JSONValue(parsing: ByteBuffer(string: outage.files[0].text), in: "daemon.json")
                == .object(["registry-mirrors": .array([.string("https://backup.example.com:5000")])]))
        #expect(outage.notes.contains { $0.contains("/etc/docker/certs.d/backup.example.com:5000/ca.crt") })
    }

    @Test(arguments: ["", "https://", "registry.example.com/team", "a b", "ftp://x", "host:port", "x\"\n[host]"])
    func `what is no registry is not written into a file`(text: String) throws {
        let error = #expect(throws: LifeboatError.self) { try NodeRegistry(parsing: text) }
        #expect(error?.kind == .usage)
    }

    @Test func `a path with quotes stays one value`() throws {
        let rendering = try render(.containerd, authority: #"/a"b\c"#, duringOutage: true)
        #expect(rendering.files[0].text.contains(#"ca = "/a\"b\\c""#))
    }
}
