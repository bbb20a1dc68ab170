import Foundation
import OCI
import TestSupport
import Testing

/// Every error that a user meets names what, which side, and what to try, exits with its own code, and leaves no file
/// under the final name.
@Suite struct ExitCodeTests {
    private func check(
        _ arguments: [String], _ status: Int32, says words: String..., noFile path: String? = nil,
        environment: [String: String] = [:]
    ) async throws {
        let result = try await Program.run(
            Lifeboat.binary, arguments, environment: ["DOCKER_CONFIG": "/nonexistent"].merging(environment) { $1 })
        #expect(result.status == status, "\(result.output)\(result.errors)")
        for word in words {
            #expect((result.output + result.errors).contains(word), "\(result.output)\(result.errors)")
        }
        if let path { #expect(!exists(path)) }
    }

    @Test func `a host that does not exist is 69`() async throws {
        try await withTemporaryFolder { folder in
            try await check(
                ["export", "registry.invalid/app:1", "--to", folder + "/a.tar"], 69, says: "registry.invalid",
                noFile: folder + "/a.tar")
        }
    }

    @Test func `a port where nobody listens is 69`() async throws {
        try await withTemporaryFolder { folder in
            try await check(
                ["export", "127.0.0.1:1/app:1", "--to", folder + "/a.tar"], 69, says: "127.0.0.1:1", "refused",
                noFile: folder + "/a.tar")
        }
    }

    @Test func `a certificate file that is not there is said so`() async throws {
        let result = try await Lifeboat.run("list", "registry.example.com", "--ca", "/nonexistent/ca.crt")
        #expect(result.status == 74, "\(result.errors)")
        #expect(
            result.errors.contains("/nonexistent/ca.crt cannot be read: No such file or directory"), "\(result.errors)")
    }

    @Test func `a tag that does not exist is 66`() async throws {
        let store = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                try await check(
                    ["export", "\(host)/team/app0:nope", "--to", folder + "/a.tar"], 66, says: "nope", "try:",
                    noFile: folder + "/a.tar")
                try await check(
                    ["export", "\(host)/no/such:1", "--to", folder + "/a.tar"], 66, says: "no/such",
                    noFile: folder + "/a.tar")
                try await check(
                    ["export", "\(host)/team/*:9.*", "--to", folder + "/a.tar"], 66, says: "9.*",
                    noFile: folder + "/a.tar")
            }
        }
    }

    @Test(.enabled(if: DockerRegistry.isInstalled, "docker-registry is not installed"))
    func `a refused login is 77, and the password is not shown`() async throws {
        try await withTemporaryFolder { folder in
            try await DockerRegistry.run(asksForLogin: true) { server in
                let secret = Data("user:wrong-password".utf8).base64EncodedString()
                try Data(#"{"auths":{"\#(server.host)":{"auth":"\#(secret)"}}}"#.utf8)
                    .write(to: URL(fileURLWithPath: folder + "/config.json"))
                for environment in [["DOCKER_CONFIG": folder], ["DOCKER_CONFIG": "/nonexistent"]] {
                    let result = try await Program.run(
                        Lifeboat.binary, ["export", "\(server.host)/app:1", "--to", folder + "/a.tar"],
                        environment: environment)
                    #expect(result.status == 77, "\(result.output)\(result.errors)")
                    #expect((result.output + result.errors).contains("try: lifeboat login \(server.host)"))
                    #expect(!(result.output + result.errors).contains("wrong-password"))
                    #expect(!exists(folder + "/a.tar"))
                }
            }
        }
    }

    @Test func `a path that is a folder is 64`() async throws {
        let store = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/a.tar", withIntermediateDirectories: false)
            try await TestRegistry.run(over: store) { host in
                try await check(
                    ["export", "\(host)/team/app0:1.0", "--to", folder + "/a.tar"], 64, says: "a.tar", "folder")
            }
            try await check(["verify", folder + "/a.tar"], 64, says: "folder")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/a.tar").isEmpty)
        }
    }

    @Test func `a folder that may not be written is 74`() async throws {
        let store = try await seededStore(images: 1)
        try await TestRegistry.run(over: store) { host in
            try await check(["export", "\(host)/team/app0:1.0", "--to", "/proc/a.tar"], 74, says: "/proc/a.tar")
        }
    }

    private static let canMount = getuid() == 0 && Program.exists("mount")

    @Test(.enabled(if: canMount, "only root can mount a small file system"))
    func `a full disk is 74 and says how much is missing`() async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            let mounted = try await Program.run("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder)
            // Some containers do not let even root mount: nothing to be seen there.
            guard mounted.status == 0 else { return }
            try await TestRegistry.run(over: store) { host in
                try await check(
                    ["export", host, "--to", folder + "/a.tar"], 74, says: "space", "try:", noFile: folder + "/a.tar")
                try await check(
                    ["export", host, "--to", folder + "/a.tar.zst"], 74, says: "space", noFile: folder + "/a.tar.zst")
            }
            #expect(try await Program.run("umount", folder).status == 0)
        }
    }

    @Test func `a file that holds something else is 73, unless it may be replaced`() async throws {
        let store = try await seededStore(images: 2)
        try await withTemporaryFolder { folder in
            let path = folder + "/a.tar"
            try Data("not an archive".utf8).write(to: URL(fileURLWithPath: path))
            try await TestRegistry.run(over: store) { host in
                try await check(["export", "\(host)/team/app0:1.0", "--to", path], 73, says: "--force")
                #expect(try bytes(of: path) == Data("not an archive".utf8))
                try await check(["export", "\(host)/team/app0:1.0", "--to", path, "--force"], 0)
                try await check(["export", "\(host)/team/app0:1.0", "--to", path], 0)
            }
        }
    }

    @Test func `a tag that points elsewhere at the target is 73, and some done is 3`() async throws {
        let (old, new) = (try await seededStore(images: 2), MemoryStore(name: "new"))
        try await SeededImages.push(to: try await new.target(RepositoryName("team/app0")), seed: 77, tags: [.latest])
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in
                try await check(["import", "\(from)/team/app0:latest", "--to", to], 73, says: "--overwrite always")
                try await check(["import", from, "--to", to], 3, says: "--overwrite always")
                try await check(["import", "\(from)/team/app0:latest", "--to", to, "--overwrite", "always"], 0)
            }
        }
    }

    @Test func `a damaged archive is 65`() async throws {
        let store = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                try await check(["export", host, "--to", folder + "/a.tar"], 0)
            }
            var archive = try bytes(of: folder + "/a.tar")
            archive[archive.count / 2] ^= 1
            try archive.write(to: URL(fileURLWithPath: folder + "/b.tar"))
            try await check(["verify", folder + "/b.tar"], 65, says: "blob sha256:", "team/app0")
            try archive.dropLast(1000).write(to: URL(fileURLWithPath: folder + "/c.tar"))
            try await check(["verify", folder + "/c.tar"], 65, says: "c.tar")
        }
    }

    @Test(arguments: [
        ["export"], ["nonsense"], ["export", "x"], ["export", "a.b/c:1", "--to", "x.tar", "--concurrency", "0"],
        ["import", "a.b/c:1", "--to", "https://x"], ["import", "a.b/Case:1", "--to", "h.example.com"],
        ["export", "a.b/c:1", "--to", "plain"], ["serve", "x.tar", "--listen", "nonsense"],
        ["copy", "a.b/c:1", "a.b/c:1:2"], ["copy", "a.b/c:1", "127.0.0.1:5000"], ["copy", "a.b/c:1", "x.tar"],
    ])
    func `a wrong command line is 64`(_ arguments: [String]) async throws {
        try await check(arguments, 64)
    }

    @Test func `a wrong definition is 78`() async throws {
        try await withTemporaryFolder { folder in
            try Data("version: 1\nsteps: []\n".utf8).write(to: URL(fileURLWithPath: folder + "/p.yaml"))
            try await check(["run", folder + "/p.yaml"], 78, says: "p.yaml:1:1: stores: missing")
            try await check(["run", folder + "/none.yaml"], 78, says: "none.yaml")
        }
    }
}
