import Foundation
import Glibc
import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// Every call to the file system × what can become of it (FAULTS.md, L1 to L6).
@Suite(.serialized) struct DiskTortureTests {
    private static let width = 4

    enum Output: String, CaseIterable, Sendable {
        case plain = "a.tar"
        case compressed = "a.tar.zst"
        case layout = "folder"

        func store(in folder: String) -> StoreDefinition {
            self == .layout ? .layout(path: folder + "/" + rawValue) : .archive(path: folder + "/" + rawValue)
        }
    }

    enum Trouble: Sendable, CaseIterable {
        /// One call fails.
        case full, broken, forbidden
        /// All calls fail from there on, as at the death of the process.
        case death

        var code: Int32 {
            switch self {
            case .full: ENOSPC
            case .broken, .death: EIO
            case .forbidden: EACCES
            }
        }
    }

    struct Case: Sendable {
        var call: Int
        var trouble: Trouble
        /// Whether another archive has the name already, and is to be replaced.
        var replaces: Bool

        var name: String { "\(trouble) at call \(call)\(replaces ? ", replacing" : "")" }
    }

    @Test(arguments: Output.allCases)
    func `whatever the disk does, no name is given to anything but a whole`(_ output: Output) async throws {
        let source = try await TortureWorld.store()
        let older = try await self.older()
        try await TestRegistry.run(over: source, writable: false) { host in
            let undisturbed = try await withTemporaryFolder { folder in
                let files = FaultyFiles()
                _ = await self.export(host, output, folder, files, replaces: false)
                return (calls: files.calls, state: try Self.state(output, folder))
            }
            var cases: [Case] = []
            for call in 0..<undisturbed.calls {
                for trouble in Trouble.allCases {
                    cases.append(Case(call: call, trouble: trouble, replaces: false))
                    if output != .layout { cases.append(Case(call: call, trouble: trouble, replaces: true)) }
                }
            }
            let tally = Tally("disk: \(output.rawValue)")
            _ = try await map(Torture.cases(cases, oneIn: 37), limit: Self.width) { one in
                let (verdict, story) = try await withTemporaryFolder { folder in
                    try await self.trial(one, host, output, folder, older, undisturbed.state)
                }
                tally.add(verdict, "\(output.rawValue), \(one.name): \(story)")
            }
            try tally.close()
        }
    }

    /// An archive of other images.
    private func older() async throws -> Data {
        let store = MemoryStore(name: "older")
        try await SeededImages.push(
            to: try await store.target(RepositoryName("old")), seed: 77, layerSizes: [9000], tags: [Tag("1")])
        return try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store, writable: false) { host in
                _ = await self.export(host, .plain, folder, FaultyFiles(), replaces: false)
            }
            return try bytes(of: folder + "/a.tar")
        }
    }

    private func export(
        _ host: String, _ output: Output, _ folder: String, _ files: any FileSystem, replaces: Bool
    ) async -> Report {
        var environment = TortureWorld.environment(folder)
        environment.fileSystem = files
        // In order, so that the n-th call of one run is that of another as far as may be.
        environment.concurrency = 1
        var step = CopyStep(
            kind: .export, sources: [SourceDefinition(store: .registry(host: host, prefix: ""), selection: .all)],
            target: output.store(in: folder))
        step.replacesFile = replaces
        return await Runner(environment).run([Step(name: "export", work: .copy(step))], name: "torture")
    }

    private func trial(
        _ one: Case, _ host: String, _ output: Output, _ folder: String, _ older: Data, _ wanted: [String: Data]
    ) async throws -> (Verdict, String) {
        let final = folder + "/" + output.rawValue
        if one.replaces { try older.write(to: URL(fileURLWithPath: final)) }
        let happened = Mutex(false)
        let files = FaultyFiles { _, _, number in
            guard one.trouble == .death ? number >= one.call : number == one.call else { return nil }
            happened.withLock { $0 = true }
            return one.trouble.code
        }
        let report = await export(host, output, folder, files, replaces: one.replaces)
        guard happened.withLock({ $0 }) else { return (.fine, "") }
        let told = report.steps.flatMap(\.failures).map { "\($0.kind.rawValue): \($0.message)" }.joined(separator: "; ")
        let left = try Self.state(output, folder)
        let isWhole = left.filter { !$0.key.contains("lifeboat-tmp") } == wanted
        if report.exitCode == 0, !isWhole { return (.silent, "it left \(left.keys.sorted())") }
        if output == .layout {
            if let fault = try await layoutFault(final, host) { return (.lost, "\(fault) (\(told))") }
        } else {
            let found = left[output.rawValue]
            if one.replaces, found == nil { return (.lost, "the older archive is gone (\(told))") }
            if let found, found != wanted[output.rawValue], !one.replaces || found != older {
                return (.lost, "what has the name is neither old nor new (\(told))")
            }
        }
        let kinds = Set(report.steps.flatMap(\.failures).map(\.kind))
        if report.exitCode != 0, kinds != [.local] { return (.wrongClass, told) }
        let again = await export(host, output, folder, LocalFileSystem(), replaces: one.replaces)
        let then = again.steps.flatMap(\.failures).map(\.message).joined(separator: "; ")
        let after = try Self.state(output, folder)
        if again.exitCode != 0 || after != wanted {
            return (.unresumed, "first \(told); then exit \(again.exitCode) \(then), there are \(after.keys.sorted())")
        }
        return (.fine, "")
    }

    /// A layout names nothing that is not whole.
    private func layoutFault(_ path: String, _ host: String) async throws -> String? {
        guard FileManager.default.fileExists(atPath: path + "/oci-layout"),
            FileManager.default.fileExists(atPath: path + "/index.json")
        else { return nil }
        let source = try await TortureWorld.store()
        let layout = try await Layout.open(path, surroundings: .ofThisMachine)
        return try await TortureWorld.faults(of: layout, against: source, complete: false).first
    }

    /// Every file in the folder with its bytes.
    private static func state(_ output: Output, _ folder: String) throws -> [String: Data] {
        var state: [String: Data] = [:]
        for case let path as String in FileManager.default.enumerator(atPath: folder) ?? .init() {
            let full = folder + "/" + path
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: full, isDirectory: &isFolder), !isFolder.boolValue else {
                continue
            }
            state[path] = try bytes(of: full)
        }
        return state
    }
}
