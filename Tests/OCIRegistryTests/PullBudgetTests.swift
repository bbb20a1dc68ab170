import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

/// Registries that count pulls.
struct PullBudgetTests {
    private func script(_ remaining: String) throws -> ScriptedRegistry.Script {
        let manifest = try image([])
        return { _ in
            var answer = ScriptedAnswer.manifest(manifest)
            answer.headers.add(name: "ratelimit-limit", value: "100;w=21600")
            answer.headers.add(name: "ratelimit-remaining", value: remaining)
            return answer
        }
    }

    @Test func `how many pulls are left is known after the first`() async throws {
        let manifest = try image([])
        try await withScript(.quick(), try script("76;w=21600")) { repository, _ in
            #expect(repository.registry.pullBudget() == nil)
            _ = try await repository.manifest(manifest.descriptor)
            #expect(repository.registry.pullBudget()?.summary == "76 of 100 pulls within 6 h are left")
        }
    }

    @Test func `when none is left, none is tried, and questions that do not count go on`() async throws {
        let manifest = try image([])
        try await withScript(.quick(), try script("0;w=21600")) { repository, server in
            _ = try await repository.manifest(manifest.descriptor)
            let error = try await failure { try await repository.manifest(manifest.descriptor) }
            #expect(error.kind == .unavailable)
            #expect(error.description.contains("0 of 100 pulls within 6 h are left"))
            _ = try await repository.resolve(.tag(.latest))
            #expect(server.requests.map(\.method) == [.GET, .HEAD])
        }
    }

    @Test(arguments: ["0", "0;w=1", "x;w=21600", "-1;w=21600", "0;w=60;q=1"])
    func `what is no budget of hours stops nothing`(remaining: String) async throws {
        let manifest = try image([])
        try await withScript(.quick(), try script(remaining)) { repository, server in
            for _ in 0..<3 { _ = try await repository.manifest(manifest.descriptor) }
            #expect(server.requests.count == 3)
        }
    }
}
