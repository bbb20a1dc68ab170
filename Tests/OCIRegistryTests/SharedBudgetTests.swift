import Foundation
import NIOCore
import NIOHTTP1
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIRegistry

/// What processes share; open files stand for them here, since the locks belong to those. Real ones are in the tests of
/// the command.
@Suite struct SharedBudgetTests {
    private func budget(_ folder: String, _ identity: String = "user a") throws -> SharedBudget {
        try SharedBudget(folder: folder + "/state/budgets", registry: "r.example.com:5000", identity: identity)
    }

    // MARK: Seats

    @Test func `limits are divided by those who are there, and whole again when they have gone`() async throws {
        try await withTemporaryFolder { folder in
            let first = try budget(folder)
            #expect(first.parts(at: .seconds(1)) == 1)
            let second = try budget(folder)
            let stranger = try budget(folder, "user b")
            // Counted once a second.
            #expect(first.parts(at: .seconds(1.5)) == 1)
            #expect(first.parts(at: .seconds(2)) == 2)
            #expect(second.parts(at: .zero) == 2)
            #expect(stranger.parts(at: .zero) == 1)
            second.leave()
            #expect(first.parts(at: .seconds(3)) == 1)
            let many = try (0..<80).map { _ in try budget(folder) }
            #expect(first.parts(at: .seconds(4)) == SharedBudget.seats)
            for budget in many { budget.leave() }
            #expect(first.parts(at: .seconds(5)) == 1)
            #expect(second.parts(at: .seconds(5)) == 1, "a closed one keeps nobody from anything")
        }
    }

    @Test func `a file says neither the registry's path nor who is meant`() async throws {
        try await withTemporaryFolder { folder in
            let budget = try SharedBudget(folder: folder, registry: "../a/b:1", identity: "user canary")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.count == 1)
            #expect(names[0].hasPrefix(".._a_b_1-") && !names[0].contains("canary"), "\(names)")
            #expect(budget.path == folder + "/" + names[0])
        }
    }

    @Test func `places and rates are divided, with one place in each direction at least`() async throws {
        let limiter = RequestLimiter(limit: 16)
        limiter.divide(by: 3)
        #expect(limiter.limit == 5)
        limiter.divide(by: 100)
        #expect(limiter.limit == 2)
        limiter.divide(by: 1)
        #expect(limiter.limit == 16)
        // What has fallen rises by itself only.
        limiter.fall(since: limiter.era)
        let fallen = limiter.limit
        #expect(fallen < 16)
        limiter.divide(by: 2)
        limiter.divide(by: 1)
        #expect(limiter.limit == fallen)
    }

    @Test func `who waits for a place gets it when others have gone`() async throws {
        let limiter = RequestLimiter(limit: 6)
        limiter.divide(by: 3)
        try await limiter.withPlace(.other) {
            try await limiter.withPlace(.other) {
                async let third = limiter.withPlace(.other) { limiter.limit }
                await Task.yield()
                limiter.divide(by: 1)
                let limit = try await third
                #expect(limit == 6)
            }
        }
    }

    // MARK: The pause

    @Test func `R16: what one was told by Retry-After the others sit out`() async throws {
        try await withTemporaryFolder { folder in
            let times = Mutex<[String: ContinuousClock.Instant]>([:])
            let options = RegistryOptions.quick { $0.budgetFolder = folder }
            try await ScriptedRegistry.serve { request in
                let isFirst = times.withLock { times in
                    defer { times[request.path] = times[request.path] ?? ContinuousClock.now }
                    return times.isEmpty
                }
                return isFirst
                    ? ScriptedAnswer(429, ["Retry-After": "1"]) : .json(#"{"tags":["a"]}"#)
            } _: { server in
                try await withRegistry(server.host, options) { told in
                    try await withRegistry(server.host, options) { other in
                        async let first = told.repository(try RepositoryName("team/told")).tags()
                        while times.withLock({ $0.isEmpty }) || other.transport.budget?.pause == nil {
                            try await Task.sleep(for: .milliseconds(1))
                        }
                        let second = try await other.repository(try RepositoryName("team/other")).tags()
                        #expect(try await first == second)
                    }
                }
                let (told, other) = times.withLock {
                    ($0["/v2/team/told/tags/list"], $0["/v2/team/other/tags/list"])
                }
                let waited = try #require(told).duration(to: try #require(other))
                #expect(waited >= .milliseconds(990), "\(waited)")
                #expect(server.requests.count == 3)
            }
        }
    }

    @Test func `R16: a wait that is said anew replaces the old one`() async throws {
        try await withTemporaryFolder { folder in
            let (a, b) = (try budget(folder), try budget(folder))
            #expect(b.pause == nil)
            a.leaveAlone(until: 1_763_690_400_000)
            #expect(b.pause == 1_763_690_400_000)
            b.leaveAlone(until: 900)
            #expect(a.pause == 900)
            a.leaveAlone(until: 1_763_690_400_000)
            #expect(b.pause == 900, "what has been written is not written again")
        }
    }

    @Test func `nobody waits longer for others than he would for himself`() async throws {
        try await withTemporaryFolder { folder in
            let options = RegistryOptions.quick { $0.budgetFolder = folder }
            try await ScriptedRegistry.serve { _ in
                .json(#"{"tags":["a"]}"#)
            } _: { server in
                try await withRegistry(server.host, options) { registry in
                    let budget = try #require(registry.transport.budget)
                    let wait = options.retry.longestRetryAfter.components.seconds * 1000
                    budget.leaveAlone(until: Surroundings.real.now() + 100 * wait)
                    #expect(budget.pause != nil)
                    let tags = try await registry.repository(try RepositoryName("team/app")).tags()
                    #expect(tags.count == 1)
                }
            }
        }
    }

    @Test(arguments: [
        ScriptedAnswer(429, ["Retry-After": "99999999999999"]), ScriptedAnswer(503, ["Retry-After": "0"]),
        ScriptedAnswer(429, ["Retry-After": "soon"]), ScriptedAnswer(404, ["Retry-After": "3"]),
    ])
    func `R16: what no process would wait for stops nobody`(_ answer: ScriptedAnswer) async throws {
        try await withTemporaryFolder { folder in
            let options = RegistryOptions.quick { $0.budgetFolder = folder }
            try await ScriptedRegistry.serve { request in
                request.path.contains("/bad/") ? answer : .json(#"{"tags":["a"]}"#)
            } _: { server in
                try await withRegistry(server.host, options) { registry in
                    _ = try await failure { try await registry.repository(try RepositoryName("team/bad")).tags() }
                    _ = try await registry.repository(try RepositoryName("team/app")).tags()
                    #expect(server.requests.count { $0.path.contains("/app/") } == 1)
                }
            }
        }
    }

    // MARK: Files that are of no use

    @Test(arguments: [
        "", "leave alone until", "leave alone until \n", "leave alone until x\n", "leave alone until -5\n",
        "leave alone until 99999999999999999999\n", "leave alone until 17636904000", "\0\0\0\0\0\0\0", "<html>\n",
        String(repeating: "leave alone until ", count: 100),
    ])
    func `a broken file says nothing, and is mended by the next who has something to say`(_ text: String) async throws {
        try await withTemporaryFolder { folder in
            let budget = try budget(folder)
            try text.write(toFile: budget.path, atomically: false, encoding: .utf8)
            #expect(budget.pause == nil)
            budget.leaveAlone(until: 1_763_690_400_000)
            #expect(try self.budget(folder).pause == 1_763_690_400_000)
        }
    }

    @Test func `what cannot be used is done without`() async throws {
        try await withTemporaryFolder { folder in
            try "".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
            let outside = folder + "/outside"
            try "mine\n".write(toFile: outside, atomically: true, encoding: .utf8)
            let options = RegistryOptions.quick { $0.budgetFolder = folder + "/file/budgets" }
            try await ScriptedRegistry.serve { _ in
                .json(#"{"tags":["a"]}"#)
            } _: { server in
                try await withRegistry(server.host, options) { registry in
                    #expect(registry.transport.budget == nil)
                    let tags = try await registry.repository(try RepositoryName("team/app")).tags()
                    #expect(tags.count == 1)
                }
            }
            // A link in its place is not followed.
            let path = try budget(folder).path
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: outside)
            #expect(throws: RegistryError.self) { try budget(folder) }
            #expect(try String(contentsOfFile: outside, encoding: .utf8) == "mine\n")
        }
    }

    // MARK: Identity

    @Test func `who asks is told by the login, without a secret and without a helper`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/config.json"
            let canary = Data("me:canary".utf8).base64EncodedString()
            try """
            {"auths": {"a.example.com": {"auth": "\(canary)"}, "b.example.com": {"identitytoken": "canary"}},
             "credHelpers": {"c.example.com": "canary-not-run"}}
            """.write(toFile: path, atomically: true, encoding: .utf8)
            func identity(_ registry: String) -> String {
                CredentialSource.dockerIdentity(registry, in: ["/nonexistent/x.json", path])
            }
            #expect(identity("a.example.com") == "user me")
            #expect(identity("b.example.com") == "token")
            #expect(identity("c.example.com") == "helper canary-not-run for c.example.com")
            #expect(identity("d.example.com") == CredentialSource.anonymous.identity(at: "d.example.com"))
            let fixed = CredentialSource.fixed(.password(username: "me", password: "canary"))
            #expect(fixed.identity(at: "a.example.com") == identity("a.example.com"))
            try "{".write(toFile: path, atomically: true, encoding: .utf8)
            #expect(identity("a.example.com") == "\(path) is not read")
        }
    }
}
