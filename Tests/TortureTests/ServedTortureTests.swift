import Foundation
import Glibc
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// `serve --writable` and backup sets, killed at the system calls that change something (FAULTS.md, L6).
@Suite(.serialized, .enabled(if: BuiltCommand.canTrace, "strace and the built command are needed"))
struct ServedTortureTests {
    private static let calls = [
        "pwritev", "pwrite64", "write", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "openat", "mkdir",
        "sendto",
        "writev",
    ]
    private static let injections: [String] = calls.flatMap { call in
        [1, 2, 3, 5, 8, 13, 21, 34, 55].map { "\(call):signal=KILL:when=\($0)" }
    }

    @Test func `a registry that dies while it is pushed to has nothing that is not whole, and takes the rest`()
        async throws
    {
        let source = try await TortureWorld.store()
        let tally = Tally("process: serve --writable")
        try await TestRegistry.run(over: source, writable: false) { from in
            _ = try await map(Torture.cases(Self.injections, oneIn: 13), limit: 2) { injection in
                let (verdict, story) = try await withTemporaryFolder { folder in
                    try await self.trial(injection, from, source, folder)
                }
                tally.add(verdict, "\(injection): \(story)")
            }
        }
        try tally.close()
    }

    private func trial(
        _ injection: String, _ from: String, _ source: MemoryStore, _ folder: String
    ) async throws -> (Verdict, String) {
        let path = folder + "/registry"
        @Sendable func push(to host: String) async -> Report {
            let step = TortureWorld.copy(
                .import, from: .registry(host: from, prefix: ""), to: .registry(host: host, prefix: ""))
            return await Runner(TortureWorld.environment(folder)).run([step], name: "push")
        }
        let first = try await Self.served(path, folder, injecting: injection) { await push(to: $0) }
        let kinds = Set(first?.steps.flatMap(\.failures).map(\.kind) ?? [])
        if !kinds.isSubset(of: [.unavailable]) {
            let told = first?.steps.flatMap(\.failures).map(\.message).joined(separator: "; ") ?? ""
            return (.wrongClass, told)
        }
        let left = try await Self.faults(path, source, complete: first?.exitCode == 0)
        if !left.isEmpty { return (first?.exitCode == 0 ? .silent : .lost, left.joined(separator: "; ")) }
        let second = try await Self.served(path, folder, injecting: nil) { await push(to: $0) }
        let after = try await Self.faults(path, source, complete: true)
        guard second?.exitCode == 0, after.isEmpty else {
            let told = second?.steps.flatMap(\.failures).map(\.message) ?? ["it did not start"]
            return (.unresumed, (told + after).joined(separator: "; "))
        }
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: path))
        return names == ["blobs", "index.json", "oci-layout"]
            ? (.fine, "") : (.unresumed, "left behind: \(names.sorted())")
    }

    /// - Returns: nil if the server did not come as far as to serve.
    private static func served<R: Sendable>(
        _ path: String, _ folder: String, injecting injection: String?, _ body: (String) async -> R
    ) async throws -> R? {
        let command = [BuiltCommand.path, "serve", path + "/", "--writable", "--listen", "127.0.0.1:0"]
        let trace =
            injection.map { ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=none", "-e", "inject=" + $0] }
            ?? []
        let words = trace + command
        let errors = folder + "/serve-\(UUID())"
        let program = try RunningProgram(
            words[0], Array(words.dropFirst()),
            environment: BuiltCommand.surroundings.merging(["XDG_STATE_HOME": folder + "/state"]) { $1 }, errors: errors
        )
        var result: R?
        if let address = try await BuiltCommand.address(of: program, errors: errors) { result = await body(address) }
        program.signalGroup(SIGTERM)
        await program.end()
        return result
    }

    private static func faults(_ path: String, _ source: MemoryStore, complete: Bool) async throws -> [String] {
        guard FileManager.default.fileExists(atPath: path + "/oci-layout"),
            FileManager.default.fileExists(atPath: path + "/index.json")
        else { return complete ? ["there is nothing"] : [] }
        let layout = try await Layout.open(path, surroundings: .ofThisMachine)
        return try await TortureWorld.faults(of: layout, against: source, complete: complete)
    }

    @Test func `a backup that dies leaves the older ones whole, and the next one is complete`() async throws {
        let source = try await TortureWorld.store()
        let tally = Tally("process: export to a set")
        try await TestRegistry.run(over: source, writable: false) { host in
            _ = try await map(Torture.cases(Self.injections, oneIn: 11), limit: 2) { injection in
                let (verdict, story) = try await withTemporaryFolder { folder in
                    try await Self.backup(injection, host, source, folder)
                }
                tally.add(verdict, "\(injection): \(story)")
            }
        }
        try tally.close()
    }

    private static func backup(
        _ injection: String, _ host: String, _ source: MemoryStore, _ folder: String
    ) async throws -> (Verdict, String) {
        let (set, state) = (folder + "/set", folder + "/state")
        for arguments in [["backups", "init", set], ["export", host + "/other:multi", "--to", set]] {
            let made = try await BuiltCommand.run(arguments, state: state)
            guard made.status == 0 else { return (.unresumed, "before: \(made.errors)") }
        }
        let first = try await BuiltCommand.run(["export", host, "--to", set], state: state, injecting: injection)
        let verified = try await BuiltCommand.run(["verify", set], state: state)
        if verified.status == 65 { return (first.status == 0 ? .silent : .lost, verified.output + verified.errors) }
        let second = try await BuiltCommand.run(["export", host, "--to", set], state: state)
        let opened = try await BackupSet.open(set, surroundings: .ofThisMachine)
        guard second.status == 0, let latest = try await opened.listing().backups.last else {
            return (.unresumed, "exit \(second.status): \(second.output)\(second.errors)")
        }
        let wrong = try await TortureWorld.faults(
            of: try await opened.source(of: latest), against: source, complete: true)
        return wrong.isEmpty ? (.fine, "") : (.unresumed, wrong.joined(separator: "; "))
    }
}
