import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// The built command, killed at its system calls, and with system calls that fail (FAULTS.md, L1, L2, L5, L6).
@Suite(.serialized, .enabled(if: BuiltCommand.canTrace, "strace and the built command are needed"))
struct ProcessTortureTests {
    private static let width = 2

    /// Calls at which a state becomes another one.
    private static let calls = [
        "pwritev", "pwrite64", "write", "fdatasync", "fsync", "rename", "renameat", "renameat2", "unlink", "unlinkat",
        "ftruncate",
        "fallocate", "openat", "close", "mkdir",
    ]

    struct Case: Sendable {
        var injection: String
        /// Whether the process dies of it.
        var kills: Bool
        /// Whether it must go on as if nothing had happened.
        var isHarmless: Bool
    }

    private static let cases: [Case] = {
        var cases: [Case] = []
        for call in calls {
            for number in [1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 30, 50, 80, 130] {
                cases.append(Case(injection: "\(call):signal=KILL:when=\(number)", kills: true, isHarmless: false))
            }
        }
        for call in [
            "pwritev", "pwrite64", "write", "fdatasync", "fsync", "rename", "renameat", "openat", "close", "fallocate",
        ] {
            for number in [1, 2, 3, 5, 8, 13, 21, 34] {
                for error in ["EIO", "ENOSPC", "EACCES", "EMFILE"] {
                    cases.append(
                        Case(injection: "\(call):error=\(error):when=\(number)", kills: false, isHarmless: false))
                }
                if call != "close", call != "rename", call != "renameat" {
                    cases.append(Case(injection: "\(call):error=EINTR:when=\(number)", kills: false, isHarmless: true))
                }
            }
        }
        return cases
    }()

    @Test(arguments: ["a.tar", "a.tar.zst", "folder/"])
    func `an export that dies or meets a failing call is finished by the next`(_ output: String) async throws {
        let source = try await TortureWorld.store()
        try await TestRegistry.run(over: source, writable: false) { host in
            let wanted = try await withTemporaryFolder { folder in
                let result = try await BuiltCommand.run(try self.export(host, output, folder), state: folder + "/state")
                #expect(result.status == 0, "\(result.errors)")
                return try self.files(folder, output)
            }
            #expect(!wanted.isEmpty)
            let tally = Tally("process: export to \(output)")
            _ = try await map(Torture.cases(Self.cases, oneIn: 43), limit: Self.width) { one in
                let (verdict, story) = try await withTemporaryFolder { folder in
                    try await self.trial(one, host, output, folder, wanted)
                }
                tally.add(verdict, "\(output), \(one.injection): \(story)")
            }
            try tally.close()
        }
    }

    @Test func `an import that dies or meets a failing call is finished by the next`() async throws {
        let source = try await TortureWorld.store()
        try await withTemporaryFolder { made in
            try await TestRegistry.run(over: source, writable: false) { host in
                let result = try await BuiltCommand.run(try self.export(host, "a.tar", made), state: made + "/state")
                #expect(result.status == 0, "\(result.errors)")
            }
            let tally = Tally("process: import")
            _ = try await map(Torture.cases(Self.cases.filter(\.kills), oneIn: 23), limit: Self.width) { one in
                let target = MemoryStore(name: "target")
                try await TestRegistry.run(over: target) { host in
                    let arguments = ["import", made + "/out/a.tar", "--to", host]
                    let first = try await BuiltCommand.run(
                        arguments, state: made + "/state", injecting: one.injection)
                    let wrong = try await TortureWorld.faults(of: target, against: source, complete: first.status == 0)
                    let second = try await BuiltCommand.run(arguments, state: made + "/state")
                    let after = try await TortureWorld.faults(of: target, against: source, complete: true)
                    let verdict: Verdict =
                        !wrong.isEmpty
                        ? (first.status == 0 ? .silent : .lost)
                        : second.status != 0 || !after.isEmpty ? .unresumed : .fine
                    tally.add(
                        verdict,
                        "import, \(one.injection): \(wrong) then exit \(second.status) \(second.errors) \(after)")
                }
            }
            try tally.close()
        }
    }

    private func export(_ host: String, _ output: String, _ folder: String) throws -> [String] {
        try FileManager.default.createDirectory(atPath: folder + "/out", withIntermediateDirectories: true)
        return ["export", host, "--to", folder + "/out/" + output]
    }

    private func trial(
        _ one: Case, _ host: String, _ output: String, _ folder: String, _ wanted: [String: Data]
    ) async throws -> (Verdict, String) {
        let arguments = try export(host, output, folder)
        let first = try await BuiltCommand.run(arguments, state: folder + "/state", injecting: one.injection)
        let left = try files(folder, output)
        if first.status == 0, left != wanted { return (.silent, "it left \(left.keys.sorted()): \(first.errors)") }
        if output.hasSuffix(".tar") || output.hasSuffix(".zst"), let found = left[output], found != wanted[output] {
            return (.lost, "what has the name is not whole: \(first.errors)")
        }
        if one.isHarmless, first.status != 0 { return (.wrongClass, "exit \(first.status): \(first.errors)") }
        // Before the command has begun, a loader that cannot read its libraries has its own words and codes.
        let isOurs = first.errors.contains("lifeboat:") && !first.errors.contains("loading shared libraries")
        if !one.kills, first.status != 0, isOurs, first.status != 74 {
            return (.wrongClass, "exit \(first.status): \(first.errors)")
        }
        let second = try await BuiltCommand.run(arguments, state: folder + "/state")
        let after = try files(folder, output)
        if second.status != 0 || after != wanted {
            return (.unresumed, "then exit \(second.status): \(second.errors), there are \(after.keys.sorted())")
        }
        return (.fine, "")
    }

    /// What stands under the output folder, with its bytes.
    private func files(_ folder: String, _ output: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        let out = folder + "/out"
        for case let path as String in FileManager.default.enumerator(atPath: out) ?? .init() {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: out + "/" + path, isDirectory: &isFolder), !isFolder.boolValue
            else { continue }
            files[path] = try bytes(of: out + "/" + path)
        }
        return files
    }
}
