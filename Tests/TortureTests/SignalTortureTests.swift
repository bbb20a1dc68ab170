import Foundation
import Glibc
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// SIGINT and SIGTERM to the built command (FAULTS.md, L8): it stops at once, says how to go on, and the next run does.
@Suite(.serialized, .enabled(if: BuiltCommand.isBuilt, "the built command is needed"))
struct SignalTortureTests {
    /// Of what is promised, 2 s, and what a busy machine adds to it.
    private static let mostSeconds = 5.0

    /// A run that does not end by itself: from this request on the registry says nothing more.
    private func stuck(
        _ command: [String], at request: Int, before host: String, _ folder: String,
        _ body: (RunningProgram) async throws -> Void
    ) async throws {
        try await FaultProxy.serve(before: host, fault: { _, number in number >= request ? .silence : nil }) {
            proxy, address in
            let program = try RunningProgram(
                BuiltCommand.path, command.map { $0.replacingOccurrences(of: "HOST", with: address) },
                environment: BuiltCommand.surroundings.merging(["XDG_STATE_HOME": folder + "/state"]) { $1 },
                errors: folder + "/errors")
            while proxy.requests <= request, program.isRunning { try await Task.sleep(for: .milliseconds(5)) }
            try await body(program)
        }
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal stops a run within two seconds, with words on how to go on, and the next run does`(
        _ signal: Int32
    ) async throws {
        let source = try await TortureWorld.store()
        let tally = Tally("signals: \(signal == SIGINT ? "SIGINT" : "SIGTERM"), once and twice")
        try await TestRegistry.run(over: source, writable: false) { host in
            for output in ["a.tar", "a.tar.zst", "folder/"] {
                for request in Torture.cases(Array(0..<14), oneIn: 6) {
                    for isTwice in [false, true] {
                        let (verdict, story) = try await self.trial(
                            signal, isTwice, at: request, output, host, source)
                        tally.add(verdict, "\(output), request \(request)\(isTwice ? ", twice" : ""): \(story)")
                    }
                }
            }
        }
        try tally.close()
    }

    private func trial(
        _ signal: Int32, _ isTwice: Bool, at request: Int, _ output: String, _ host: String, _ source: MemoryStore
    ) async throws -> (Verdict, String) {
        try await withTemporaryFolder { folder in
            var (status, seconds): (Int32, Double) = (0, 0)
            try await stuck(["export", "HOST", "--to", folder + "/" + output], at: request, before: host, folder) {
                program in
                let began = ContinuousClock.now
                program.signal(signal)
                if isTwice {
                    try await Task.sleep(for: .milliseconds(20))
                    program.signal(signal)
                }
                status = await program.end()
                seconds = (ContinuousClock.now - began).seconds
            }
            let errors = try Program.text(of: folder + "/errors")
            guard status == 128 + signal else { return (.wrongClass, "exit \(status): \(errors)") }
            guard seconds < Self.mostSeconds else { return (.wrongClass, "it took \(seconds) s") }
            let words = [
                "lifeboat: stopped by \(signal == SIGINT ? "SIGINT" : "SIGTERM"); nothing incomplete has a final name",
                "try: the same command again, it goes on from here",
            ]
            // The second one ends it as it stands, before it can say anything.
            if !isTwice, let word = words.first(where: { !errors.contains($0) }) {
                return (.wrongClass, "it does not say '\(word)': \(errors)")
            }
            if let fault = try await Self.fault(folder + "/" + output, source, complete: false) {
                return (.lost, fault)
            }
            let again = try await BuiltCommand.run(
                ["export", host, "--to", folder + "/" + output], state: folder + "/state")
            let after = try await Self.fault(folder + "/" + output, source, complete: true)
            if again.status != 0 || after != nil { return (.unresumed, "\(again.errors) \(after ?? "")") }
            let name = output.hasSuffix("/") ? String(output.dropLast()) : output
            let left = Set(try FileManager.default.contentsOfDirectory(atPath: folder)).subtracting([
                "state", "errors", name,
            ])
            return left.isEmpty ? (.fine, "") : (.unresumed, "left behind: \(left)")
        }
    }

    private static func fault(_ path: String, _ source: MemoryStore, complete: Bool) async throws -> String? {
        let marker = path.hasSuffix("/") ? path + "oci-layout" : path
        guard FileManager.default.fileExists(atPath: marker) else { return complete ? "there is nothing" : nil }
        if !path.hasSuffix("/"), let finding = try await ArchiveVerification(path: path).run().findings.first {
            return finding.detail
        }
        let store: any SourceStore =
            path.hasSuffix("/")
            ? try await Layout.open(path, surroundings: .ofThisMachine) : try await openArchive(path)
        if store is any SequentialSource { return nil }
        return try await TortureWorld.faults(of: store, against: source, complete: complete).first
    }

    @Test func `an import that is stopped leaves no tag on anything that is not whole`() async throws {
        let source = try await TortureWorld.store()
        let tally = Tally("signals: import")
        try await TestRegistry.run(over: source, writable: false) { from in
            for request in Torture.cases(Array(0..<24), oneIn: 9) {
                let target = MemoryStore(name: "target")
                try await withTemporaryFolder { folder in
                    try await TestRegistry.run(over: target) { to in
                        var status: Int32 = 0
                        try await self.stuck(
                            ["import", from + "/**", "--to", "HOST"], at: request, before: to, folder
                        ) { program in
                            program.signal(SIGTERM)
                            status = await program.end()
                        }
                        let wrong = try await TortureWorld.faults(of: target, against: source, complete: false)
                        let again = try await BuiltCommand.run(
                            ["import", from + "/**", "--to", to], state: folder + "/state")
                        let after = try await TortureWorld.faults(of: target, against: source, complete: true)
                        let verdict: Verdict =
                            !wrong.isEmpty
                            ? .lost
                            : status != 143 ? .wrongClass : again.status != 0 || !after.isEmpty ? .unresumed : .fine
                        tally.add(verdict, "request \(request): \(wrong), exit \(status), then \(again.errors)\(after)")
                    }
                }
            }
        }
        try tally.close()
    }
}
