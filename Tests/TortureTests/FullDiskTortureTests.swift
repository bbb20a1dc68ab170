import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// The built command on disks of forty sizes, on one that is read-only, and with few descriptors (FAULTS.md, L1, L3, L4).
@Suite(.serialized, .enabled(if: SmallDisk.isPossible, "mounting tmpfs needs root and a kernel that lets us"))
struct FullDiskTortureTests {
    private static let sizes = 40

    @Test(arguments: ["a.tar", "a.tar.zst", "folder/", "set/"])
    func `a disk that is too small is said to be so, and the next run on a larger one finishes`(
        _ output: String
    ) async throws {
        let source = try await TortureWorld.store()
        try await TestRegistry.run(over: source, writable: false) { host in
            let wanted = try await withTemporaryFolder { folder in
                let result = try await Self.export(host, output, folder, state: folder + "/state")
                #expect(result.status == 0, "\(result.errors)")
                return output.hasPrefix("a.") ? try bytes(of: folder + "/" + output) : nil
            }
            let tally = Tally("full disk: export to \(output)")
            // All that it writes is under 400 KB.
            let sizes = (1...Self.sizes).map { $0 * 12 }
            for size in Torture.cases(sizes, oneIn: 7) {
                let (verdict, story) = try await withTemporaryFolder { folder in
                    try await SmallDisk.mounted(in: folder, kilobytes: size) { disk in
                        try await Self.trial(disk, host, output, source, wanted, state: folder + "/state")
                    }
                }
                tally.add(verdict, "\(size) KiB: \(story)")
            }
            try tally.close()
        }
    }

    private static func export(_ host: String, _ output: String, _ folder: String, state: String) async throws
        -> Program.Result
    {
        if output == "set/", !FileManager.default.fileExists(atPath: folder + "/set/records") {
            let made = try await BuiltCommand.run(["backups", "init", folder + "/set"], state: state)
            if made.status != 0 { return made }
        }
        return try await BuiltCommand.run(["export", host, "--to", folder + "/" + output], state: state)
    }

    private static func trial(
        _ disk: SmallDisk, _ host: String, _ output: String, _ source: MemoryStore, _ wanted: Data?, state: String
    ) async throws -> (Verdict, String) {
        let path = disk.path + "/" + output
        let first = try await export(host, output, disk.path, state: state)
        if first.status != 0, first.status != 74 {
            return (.wrongClass, "exit \(first.status): \(first.output)\(first.errors)")
        }
        if let fault = try await fault(path, source, wanted, complete: first.status == 0) {
            return (first.status == 0 ? .silent : .lost, fault)
        }
        try await disk.grow()
        let second = try await export(host, output, disk.path, state: state)
        let after = try await fault(path, source, wanted, complete: true)
        if second.status != 0 || after != nil {
            return (.unresumed, "\(second.output)\(second.errors) \(after ?? "")")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: disk.path)
        let name = output.hasSuffix("/") ? String(output.dropLast()) : output
        return left == [name] ? (.fine, "") : (.unresumed, "left behind: \(left)")
    }

    /// What is named and not whole; nil if all is well.
    private static func fault(
        _ path: String, _ source: MemoryStore, _ wanted: Data?, complete: Bool
    ) async throws -> String? {
        if let wanted {
            guard FileManager.default.fileExists(atPath: path) else { return complete ? "there is nothing" : nil }
            return try bytes(of: path) == wanted ? nil : "what has the name is not whole"
        }
        do {
            if path.hasSuffix("set/") {
                let set = try await BackupSet.open(String(path.dropLast()), surroundings: .ofThisMachine)
                guard let latest = try await set.listing().backups.last(where: { $0.header.state == .complete }) else {
                    return complete ? "there is no complete backup" : nil
                }
                return try await TortureWorld.faults(
                    of: try await set.source(of: latest), against: source, complete: complete
                ).first
            }
            guard FileManager.default.fileExists(atPath: path + "oci-layout"),
                FileManager.default.fileExists(atPath: path + "index.json")
            else { return complete ? "there is nothing" : nil }
            let layout = try await Layout.open(path, surroundings: .ofThisMachine)
            return try await TortureWorld.faults(of: layout, against: source, complete: complete).first
        } catch let error as any Failure where !complete && path.hasSuffix("set/") {
            // A set that could not even be made.
            return error.kind == .damaged ? error.description : nil
        }
    }

    @Test(arguments: ["a.tar", "a.tar.zst", "folder/"])
    func `with few descriptors it says so or goes on, and never leaves half of anything`(_ output: String) async throws
    {
        let source = try await TortureWorld.store()
        try await TestRegistry.run(over: source, writable: false) { host in
            let tally = Tally("descriptors: export to \(output)")
            for limit in Torture.cases(Array(6...64), oneIn: 9) {
                try await withTemporaryFolder { folder in
                    let arguments = ["export", host, "--to", folder + "/" + output]
                    let first = try await BuiltCommand.run(arguments, state: folder + "/state", descriptors: limit)
                    let wrong = try await Self.content(folder + "/" + output, source, complete: first.status == 0)
                    let second = try await BuiltCommand.run(arguments, state: folder + "/state")
                    let after = try await Self.content(folder + "/" + output, source, complete: true)
                    // Below what the loader and the runtime need, it is not ours that speaks.
                    let isOurs = first.errors.contains("lifeboat:") || first.output.contains("failed:")
                    if let wrong {
                        tally.add(first.status == 0 ? .silent : .lost, "\(limit) descriptors: \(wrong)")
                    } else if isOurs, ![0, 3, 69, 74].contains(first.status) {
                        tally.add(
                            .wrongClass, "\(limit) descriptors: exit \(first.status) \(first.output)\(first.errors)")
                    } else if second.status != 0 || after != nil {
                        tally.add(.unresumed, "\(limit) descriptors: \(second.errors) \(after ?? "")")
                    } else {
                        tally.add(.fine, "")
                    }
                }
            }
            try tally.close()
        }
    }

    private static func content(_ path: String, _ source: MemoryStore, complete: Bool) async throws -> String? {
        guard !path.hasSuffix("/") else { return try await fault(path, source, nil, complete: complete) }
        guard FileManager.default.fileExists(atPath: path) else { return complete ? "there is nothing" : nil }
        return try await ArchiveVerification(path: path).run().findings.first?.detail
    }

    @Test(arguments: ["a.tar", "a.tar.zst", "folder/"])
    func `on a read-only disk nothing is begun`(_ output: String) async throws {
        let source = try await TortureWorld.store()
        try await TestRegistry.run(over: source, writable: false) { host in
            try await withTemporaryFolder { folder in
                try await SmallDisk.mounted(in: folder, kilobytes: 64) { disk in
                    try await disk.forbidWriting()
                    let result = try await BuiltCommand.run(
                        ["export", host, "--to", disk.path + "/" + output], state: folder + "/state")
                    #expect(result.status == 74, "\(result.output)\(result.errors)")
                    #expect((result.output + result.errors).contains("ead-only"), "\(result.output)\(result.errors)")
                    #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).isEmpty)
                }
            }
        }
    }
}

/// A file system in memory, of a size.
struct SmallDisk: Sendable {
    let path: String

    static let isPossible: Bool = {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lifeboat-disk-\(UUID())").path
        let script = """
            mkdir -p \(folder) && mount -t tmpfs -o size=64k tmpfs \(folder) 2>/dev/null && umount \(folder)
            s=$?; rmdir \(folder); exit $s
            """
        return BuiltCommand.isBuilt && Program.succeeds("bash", "-c", script)
    }()

    static func mounted<R>(
        in folder: String, kilobytes: Int, _ body: (SmallDisk) async throws -> R
    ) async throws -> R {
        let disk = SmallDisk(path: folder + "/disk")
        try FileManager.default.createDirectory(atPath: disk.path, withIntermediateDirectories: true)
        try await disk.run("mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", disk.path)
        let result: Result<R, any Error>
        do { result = .success(try await body(disk)) } catch { result = .failure(error) }
        try await disk.run("umount", disk.path)
        return try result.get()
    }

    func grow() async throws { try await run("mount", "-o", "remount,size=8m", path) }
    func forbidWriting() async throws { try await run("mount", "-o", "remount,ro", path) }

    private func run(_ name: String, _ arguments: String...) async throws {
        let result = try await Program.run(name, arguments)
        try #require(result.status == 0, "\(name): \(result.errors)")
    }
}
