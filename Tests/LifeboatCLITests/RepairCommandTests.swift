import Foundation
import Glibc
import OCI
import TestSupport
import Testing

/// `lifeboat repair` and `import --on-error continue`, as they are typed.
@Suite struct RepairCommandTests {
    /// An archive of five images and its bytes; the last layer is changed.
    private func withDamaged(
        _ suffix: String = "tar",
        _ body: @escaping @Sendable (_ path: String, _ host: String, _ whole: Data) async throws -> Void
    ) async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store, writable: false) { host in
                let path = folder + "/a." + suffix
                let export = try await Lifeboat.run("export", host, "--to", path)
                #expect(export.status == 0, "\(export.errors)")
                let whole = try bytes(of: path)
                var damaged = whole
                damaged[whole.count - 9000] ^= 1
                try damaged.write(to: URL(fileURLWithPath: path))
                try await body(path, host, whole)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a." + suffix])
            }
        }
    }

    @Test(arguments: ["tar", "tar.zst", "tar.xz", "tar.gz"])
    func `a damaged archive is repaired from the registry, to the last bit`(_ suffix: String) async throws {
        try await withDamaged(suffix) { path, host, whole in
            let found = try await Lifeboat.run("verify", path)
            #expect(found.status == 65, "\(found.output)")
            if suffix == "tar" {
                #expect(
                    found.output.contains("try: lifeboat repair \(path) --from REGISTRY|ARCHIVE"), "\(found.output)")
            }
            let result = try await Lifeboat.run("repair", path, "--from", host)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect(result.output.hasPrefix("repair: 11 images whole again"), "\(result.output)")
            #expect(try bytes(of: path) == whole)
            let again = try await Lifeboat.run("repair", path, "--from", host, "--json")
            #expect(again.status == 0, "\(again.errors)")
            let report = try JSONValue(parsing: Array(again.output.utf8), in: "report")
            let step = try #require(try report["steps"]?.array("steps").first)
            #expect(step["kind"]?.stringValue == "repair")
            #expect(step["totals"]?["alreadyThere"] == .number(1))
            #expect(step["requests"] == .object([:]))
        }
    }

    @Test func `a source that lacks it ends with 66, the next one of several is asked`() async throws {
        try await withDamaged { path, host, whole in
            try await TestRegistry.run(over: MemoryStore(name: "empty"), writable: false) { empty in
                let result = try await Lifeboat.run("repair", path, "--from", empty)
                #expect(result.status == 66, "\(result.output)\(result.errors)")
                #expect(result.output.contains("is damaged, and was not to be had:"), "\(result.output)")
                #expect(try bytes(of: path) != whole)
                let second = try await Lifeboat.run("repair", path, "--from", empty, "--from", host)
                #expect(second.status == 0, "\(second.output)\(second.errors)")
                #expect(try bytes(of: path) == whole)
            }
        }
    }

    @Test func `what cannot be repaired is said before anything is touched`() async throws {
        try await withDamaged { path, host, whole in
            for (arguments, words) in [
                (["repair", path, "--from", path], "cannot be repaired from itself"),
                (["repair", host, "--from", path], "is no archive and no layout folder"),
                (["repair", path], "Missing expected argument"),
            ] {
                let result = try await Lifeboat.run(arguments)
                #expect(result.status == 64, "\(arguments): \(result.errors)")
                #expect((result.output + result.errors).contains(words), "\(result.output)\(result.errors)")
            }
            let result = try await Lifeboat.run("repair", path, "--from", host)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
        }
    }

    @Test func `killed on its way, the next repair finishes with what is there`() async throws {
        try await withDamaged { path, host, whole in
            var damaged = whole
            for part in [3, 4, 5, 6, 7, 8] { damaged[whole.count * part / 9] ^= 1 }
            // Its first requests are answered, then nothing comes any more.
            for number in [0, 1, 2] {
                try damaged.write(to: URL(fileURLWithPath: path))
                try await FaultProxy.serve(before: host, fault: { _, request in request >= number ? .silence : nil }) {
                    proxy, address in
                    let program = try RunningProgram(
                        Lifeboat.binary, ["repair", path, "--from", address],
                        environment: ["DOCKER_CONFIG": "/nonexistent", "XDG_STATE_HOME": "/nonexistent"])
                    while proxy.requests <= number, program.isRunning { try await Task.sleep(for: .milliseconds(10)) }
                    program.signal(SIGKILL)
                    await program.end()
                }
                #expect(try bytes(of: path) == damaged)
                let result = try await Lifeboat.run("repair", path, "--from", host)
                #expect(result.status == 0, "\(result.output)\(result.errors)")
                #expect(try bytes(of: path) == whole)
            }
        }
    }

    @Test func `a cut archive gives what is whole in it where that is asked for, and exits with 3`() async throws {
        let new = MemoryStore(name: "new")
        try await withDamaged { path, host, whole in
            try whole.prefix(whole.count - 20_000).write(to: URL(fileURLWithPath: path))
            try await TestRegistry.run(over: new) { to in
                let refused = try await Lifeboat.run("import", path, "--to", to)
                #expect(refused.status == 65, "\(refused.output)\(refused.errors)")
                #expect((refused.output + refused.errors).contains("import --on-error continue takes those"))
                let result = try await Lifeboat.run("import", path, "--to", to, "--on-error", "continue")
                #expect(result.status == 3, "\(result.output)\(result.errors)")
                #expect(result.output.contains("is cut off"), "\(result.output)")
            }
            #expect(await !new.repositories().isEmpty)
            let repaired = try await Lifeboat.run("repair", path, "--from", host)
            #expect(repaired.status == 0, "\(repaired.output)\(repaired.errors)")
            #expect(try bytes(of: path) == whole)
        }
    }
}
