import Foundation
import OCI
import TestSupport
import Testing

@Suite struct ScheduleCommandTests {
    /// `lifeboat schedule` as a process of its own.
    private struct Service {
        let process: RunningProgram
        private let lines: AsyncStream<String>

        init(_ folder: String, _ arguments: String...) throws {
            let pipe = Pipe()
            process = try RunningProgram(
                Lifeboat.binary, ["schedule", "p.yaml"] + arguments, in: folder,
                environment: [
                    "XDG_STATE_HOME": folder + "/state", "DOCKER_CONFIG": "/nonexistent", "HMAC": "hunter2",
                ],
                errors: pipe.fileToWrite)
            try pipe.fileHandleForWriting.close()
            lines = pipe.fileHandleForReading.bytesByLine
        }

        /// Waits for a line.
        func line(_ isMeant: (String) -> Bool) async -> String? {
            for await line in lines where isMeant(line) { return line }
            return nil
        }

        func stop() -> Int32 {
            process.signal(SIGTERM)
            return process.endBlocking()
        }
    }

    private func hasRecord(_ folder: String) throws -> Bool {
        guard exists(folder) else { return false }
        return try FileManager.default.contentsOfDirectory(atPath: folder).contains { $0.hasSuffix(".json") }
    }

    private func write(_ definition: String, to folder: String) throws {
        try Data(definition.utf8).write(to: URL(fileURLWithPath: folder + "/p.yaml"))
    }

    private func definition(_ registry: String, _ more: String) -> String {
        """
        version: 1
        name: nightly
        retries: 1
        \(more)
        stores: {a: {registry: "\(registry)"}, f: {archive: f.tar}}
        steps: [{name: backup, export: {from: a, to: f, force: true}}]
        """
    }

    @Test func `the service answers its metrics, and SIGTERM ends it with 143`() async throws {
        try await withTemporaryFolder { folder in
            try write(definition("127.0.0.1:1", "schedule: {cron: \"0 0 1 1 *\"}\nobjectives: {rpo: 24h}"), to: folder)
            let service = try Service(folder, "--listen", "127.0.0.1:0", "--metrics-file", "m.prom")
            let said = try #require(await service.line { $0.hasPrefix("metrics on http://") })
            let host = String(said.dropFirst("metrics on http://".count).prefix { $0 != "/" })
            let health = try await RawHTTP.send("GET /healthz", to: host)
            #expect(health.status == 200 && health.text == "ok\n")
            var answer = try await RawHTTP.send("GET /metrics", to: host)
            // The first definition is read a moment after the port is open.
            while try PrometheusText(parsing: answer.text).value("lifeboat_pipeline_next_run_timestamp_seconds") == nil
            {
                try await Task.sleep(for: .milliseconds(20))
                answer = try await RawHTTP.send("GET /metrics", to: host)
            }
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let text = try PrometheusText(parsing: answer.text)
            #expect(text.value("lifeboat_pipeline_objective_rpo_seconds", ["pipeline": "nightly"]) == 86_400)
            #expect(text.value("lifeboat_pipeline_running") == 0)
            let other = try await RawHTTP.send("GET /else", to: host)
            #expect(other.status == 404)
            let post = try await RawHTTP.send("POST /metrics", to: host)
            #expect(post.status == 405)
            while !exists(folder + "/m.prom") { try await Task.sleep(for: .milliseconds(20)) }
            #expect(service.stop() == 143)
            _ = try PrometheusText(parsing: try String(contentsOfFile: folder + "/m.prom", encoding: .utf8))
            let mode = try FileManager.default.attributesOfItem(atPath: folder + "/m.prom")[.posixPermissions] as? Int
            #expect(mode == 0o644)
        }
    }

    @Test func `a missed run is made up for at the start, and SIGTERM stops it without a failure`() async throws {
        try await ScriptedRegistry.serve({ _ in .silent }) { server in
            try await withTemporaryFolder { folder in
                try write(
                    definition(
                        server.host,
                        "schedule: {cron: \"0 0 * * *\"}\nnotify: {onFailure: [{command: [touch, \(folder)/told]}]}"),
                    to: folder)
                // As a service leaves it that was stopped two days ago.
                let first = try Service(folder, "--listen", "127.0.0.1:0")
                _ = await first.line { $0.hasPrefix("metrics on") }
                let state = folder + "/state/lifeboat/pipelines/"
                while try !hasRecord(state) { try await Task.sleep(for: .milliseconds(20)) }
                #expect(first.stop() == 143)
                let name = try #require(
                    try FileManager.default.contentsOfDirectory(atPath: state).first { $0.hasSuffix(".json") })
                var record = try String(contentsOfFile: state + name, encoding: .utf8)
                let settled = try #require(record.range(of: "\"settled\":"))
                let digits = record[settled.upperBound...].prefix { $0.isNumber }
                let before = try #require(Int64(digits)) - 172_800_000
                record.replaceSubrange(digits.startIndex..<digits.endIndex, with: String(before))
                try Data(record.utf8).write(to: URL(fileURLWithPath: state + name))

                let service = try Service(folder)
                let said = await service.line { $0.contains("makes up for the run of") }
                #expect(said != nil)
                while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
                let second = try await Program.run(
                    Lifeboat.binary, ["run", folder + "/p.yaml"],
                    environment: ["XDG_STATE_HOME": folder + "/state", "DOCKER_CONFIG": "/nonexistent"])
                #expect(second.status == 75, "\(second.errors)")
                #expect(second.errors.contains("another run of \(folder)/p.yaml is at work"))
                #expect(service.stop() == 143)
                #expect(!exists(folder + "/told"))
                let after = try JSONValue(
                    parsing: Array(try Data(contentsOf: URL(fileURLWithPath: state + name))), in: "record")
                #expect(after["settled"] == .number(before), "the missed run is still to be made up for")
                #expect(after["failures"] == .number(0))
            }
        }
    }

    @Test func `a run tells of its failure once and of its recovery once, and status knows`() async throws {
        let store = try await seededStore(images: 1)
        try await TestRegistry.run(over: store) { host in
            try await ScriptedRegistry.serve({ _ in ScriptedAnswer(204) }) { hooks in
                try await withTemporaryFolder { folder in
                    let more = """
                        notify:
                          onFailure: [{webhook: "http://\(hooks.host)/topsecret", secret: $HMAC}]
                          onRecovery: [{webhook: "http://\(hooks.host)/topsecret", secret: $HMAC}]
                        objectives: {rpo: 24h}
                        """
                    let environment = ["XDG_STATE_HOME": folder + "/state", "HMAC": "hunter2"]
                    func run(_ arguments: String...) async throws -> Program.Result {
                        let result = try await Program.run(
                            Lifeboat.binary, arguments, in: folder,
                            environment: environment.merging(["DOCKER_CONFIG": "/nonexistent"]) { $1 })
                        let said = result.output + result.errors
                        #expect(!said.contains("hunter2") && !said.contains("topsecret"))
                        return result
                    }
                    try write(definition("127.0.0.1:1", more), to: folder)
                    for _ in 0..<2 {
                        let failed = try await run("run", "p.yaml", "--metrics-file", "m.prom")
                        #expect(failed.status == 69, "\(failed.errors)")
                    }
                    var text = try PrometheusText(parsing: String(contentsOfFile: folder + "/m.prom", encoding: .utf8))
                    #expect(text.value("lifeboat_pipeline_last_run_exit_code") == 69)
                    #expect(text.value("lifeboat_pipeline_last_run_failures", ["class": "unavailable"]) == 1)
                    let missed = try await run("status")
                    #expect(missed.status == 78)
                    #expect(missed.output.contains("nightly") && missed.output.contains("failed 69"))
                    #expect(missed.output.contains("objective missed: no good backup is known"))

                    // A definition that is wrong is a failure too, of which is known already.
                    try write(definition(host, more + "\nstepps: []"), to: folder)
                    let wrong = try await run("run", "p.yaml")
                    #expect(wrong.status == 78)
                    let known = try await run("status")
                    #expect(known.output.contains("failed 78"))

                    try write(definition(host, more), to: folder)
                    for _ in 0..<2 {
                        let done = try await run("run", "p.yaml", "--metrics-file", "m.prom")
                        #expect(done.status == 0, "\(done.errors)")
                    }
                    text = try PrometheusText(parsing: String(contentsOfFile: folder + "/m.prom", encoding: .utf8))
                    #expect(text.value("lifeboat_pipeline_last_run_exit_code") == 0)
                    #expect(text.value("lifeboat_pipeline_runs_total", ["result": "failure"]) == 3)
                    let good = try await run("status", "p.yaml", "--json")
                    #expect(good.status == 0, "\(good.output)")
                    let json = try JSONValue(parsing: Array(good.output.utf8), in: "status")
                    guard case .array(let pipelines)? = json["pipelines"] else {
                        Issue.record("no pipelines")
                        return
                    }
                    #expect(pipelines.count == 1)
                    #expect(pipelines[0]["failing"] == .bool(false))
                    #expect(pipelines[0]["rpoSeconds"] == .number(86_400))

                    let events = hooks.requests.map { $0.header("X-Lifeboat-Event") ?? "" }
                    #expect(events == ["failure", "recovery"])
                    for request in hooks.requests {
                        let body = request.bytes
                        #expect(
                            request.header("X-Lifeboat-Signature")
                                == "sha256=" + messageCode(of: body, key: Array("hunter2".utf8)))
                    }
                }
            }
        }
    }

    @Test func `a definition that never ran here is measured by what its set has`() async throws {
        let store = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                let file = folder + "/nightly.yaml"
                try """
                {version: 1, name: nightly, stores: {r: {registry: '\(host)'}, s: {backups: set}},
                 objectives: {rpo: 24h}, images: [{repositories: ['**']}],
                 steps: [{name: backup, export: {from: r, to: s}}]}
                """.write(toFile: file, atomically: true, encoding: .utf8)
                let before = try await Lifeboat.run("status", file, "--state", folder + "/elsewhere")
                #expect(before.status == 78 && before.output.contains("no good backup is known"), "\(before.output)")
                let run = try await Lifeboat.run("run", file, "--state", folder + "/state")
                #expect(run.status == 0, "\(run.output)\(run.errors)")
                let after = try await Lifeboat.run("status", file, "--state", folder + "/elsewhere")
                #expect(after.status == 0, "\(after.output)\(after.errors)")
                #expect(after.output.contains("never ran") && after.output.contains(" old"), "\(after.output)")
            }
        }
    }

    @Test func `what cannot be scheduled is said before anything begins`() async throws {
        try await withTemporaryFolder { folder in
            try write(definition("127.0.0.1:1", ""), to: folder)
            let none = try await Lifeboat.run("schedule", "p.yaml", in: folder)
            #expect(none.status == 78)
            #expect(none.errors.contains("p.yaml has no schedule"))
            let address = try await Lifeboat.run("schedule", "p.yaml", "--listen", "here", in: folder)
            #expect(address.status == 64)
            let twice = try await Lifeboat.run("schedule", "p.yaml", "./p.yaml", in: folder)
            #expect(twice.status == 64)
            let empty = try await Lifeboat.run("status", in: folder)
            #expect(empty.status == 0)
            #expect(empty.output == "no pipeline has run here yet\n")
        }
    }
}
