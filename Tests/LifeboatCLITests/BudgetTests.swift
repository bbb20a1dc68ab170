import Foundation
import NIOCore
import NIOHTTP1
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIRegistry

/// One budget a registry and identity, shared by the processes of this machine.
@Suite struct BudgetTests {
    private func variables(_ folder: String) -> [String: String] { ["XDG_STATE_HOME": folder] }

    @Test func `what one process is told by Retry-After, another one sits out`() async throws {
        let times = Mutex<[String: ContinuousClock.Instant]>([:])
        let config = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig)
        let manifest = SeededImages.manifest(config: config, layers: [])
        try await withTemporaryFolder { folder in
            try await ScriptedRegistry.serve { request in
                let isFirst = times.withLock { times in
                    defer { times[request.path] = times[request.path] ?? ContinuousClock.now }
                    return times.isEmpty
                }
                if isFirst { return ScriptedAnswer(429, ["Retry-After": "3"]) }
                guard request.path.contains("/manifests/") else {
                    return ScriptedAnswer(200, text: #"{"tags":["1"]}"#)
                }
                return ScriptedAnswer(
                    200,
                    [
                        "Content-Type": MediaType.ociManifest.rawValue,
                        "Docker-Content-Digest": "\(Digest(of: manifest))",
                    ], body: manifest)
            } _: { server in
                async let first = Lifeboat.run(
                    "list", server.host + "/team/first", environment: variables(folder))
                let name = try await budgetFile(folder)
                while try String(contentsOfFile: name, encoding: .utf8).isEmpty {
                    try await Task.sleep(for: .milliseconds(10))
                }
                let second = try await Lifeboat.run(
                    "list", server.host + "/team/second", environment: variables(folder))
                let other = try await first
                #expect(other.status == 0, "\(other.errors)")
                #expect(second.status == 0, "\(second.errors)")
            }
        }
        let (told, other) = times.withLock { ($0["/v2/team/first/tags/list"], $0["/v2/team/second/tags/list"]) }
        let waited = try #require(told).duration(to: try #require(other))
        #expect(waited >= .milliseconds(2990), "\(waited)")
    }

    @Test func `a process that is killed leaves its part to the others`() async throws {
        try await withTemporaryFolder { folder in
            try await ScriptedRegistry.serve { _ in
                .silent
            } _: { server in
                let process = try RunningProgram(
                    Lifeboat.binary, ["list", server.host + "/team/app"],
                    environment: [
                        "DOCKER_CONFIG": "/nonexistent", "REGISTRY_AUTH_FILE": "/nonexistent/auth.json",
                    ].merging(variables(folder)) { $1 })
                defer { process.signal(SIGKILL) }
                while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
                let ours = try SharedBudget(
                    folder: folder + "/lifeboat/budgets", registry: server.host,
                    identity: CredentialSource.anonymous.identity(at: server.host))
                #expect(try await budgetFile(folder) == ours.path)
                #expect(ours.parts(at: .seconds(1)) == 2)
                process.signal(SIGKILL)
                await process.end()
                #expect(ours.parts(at: .seconds(2)) == 1)
            }
        }
    }

    /// The only file of the folder, once it is there.
    private func budgetFile(_ folder: String) async throws -> String {
        let budgets = folder + "/lifeboat/budgets"
        while true {
            if FileManager.default.fileExists(atPath: budgets),
                let name = try FileManager.default.contentsOfDirectory(atPath: budgets).first
            {
                return budgets + "/" + name
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
