import Foundation
import Glibc
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// A file system that is cut off from its disk at any moment, as when the power fails (FAULTS.md, L7).
@Suite(.serialized, .enabled(if: PowerCut.isPossible, "mounting ext4 in a file needs root and a kernel that lets us"))
struct PowerTortureTests {
    @Test(arguments: ["a.tar", "folder/"])
    func `after a power cut there is no archive, or a whole one`(_ output: String) async throws {
        let source = try await TortureWorld.store()
        try await TestRegistry.run(over: source, writable: false) { host in
            let wanted = try await withTemporaryFolder { folder in
                let arguments = ["export", host, "--to", folder + "/" + output]
                let result = try await BuiltCommand.run(arguments, state: folder + "/state")
                #expect(result.status == 0, "\(result.errors)")
                return output.hasSuffix("/") ? nil : try bytes(of: folder + "/" + output)
            }
            let tally = Tally("power: export to \(output)")
            // Most runs take a few hundred milliseconds; the later cuts find them done.
            let delays = Array(stride(from: 5, to: 900, by: Torture.isFull ? 15 : 180))
            for delay in delays {
                let (verdict, story) = try await withTemporaryFolder { folder in
                    try await self.trial(delay, host, source, output, wanted, folder)
                }
                tally.add(verdict, "cut after \(delay) ms: \(story)")
            }
            try tally.close()
        }
    }

    private func trial(
        _ delay: Int, _ host: String, _ source: MemoryStore, _ output: String, _ wanted: Data?, _ folder: String
    ) async throws -> (Verdict, String) {
        let cut = try await PowerCut(in: folder)
        let arguments = ["export", host, "--to", cut.mountPoint + "/" + output]
        async let running = BuiltCommand.run(arguments, state: folder + "/state")
        try await Task.sleep(for: .milliseconds(delay))
        try cut.now()
        let first = try await running
        try await cut.recover()
        let found = try await Self.fault(cut.mountPoint + "/" + output, source, wanted)
        let second = try await BuiltCommand.run(arguments, state: folder + "/state")
        let after = try await Self.fault(cut.mountPoint + "/" + output, source, wanted)
        let left = try FileManager.default.contentsOfDirectory(atPath: cut.mountPoint).filter { $0 != "lost+found" }
        try await cut.end()
        if let found { return (first.status == 0 ? .silent : .lost, found) }
        if second.status != 0 || after != nil { return (.unresumed, "\(second.errors) \(after ?? "")") }
        let name = output.hasSuffix("/") ? String(output.dropLast()) : output
        return left == [name] ? (.fine, "") : (.unresumed, "left behind: \(left)")
    }

    /// What has the name and is not whole; nil if all is well or nothing is there.
    private static func fault(_ path: String, _ source: MemoryStore, _ wanted: Data?) async throws -> String? {
        if let wanted {
            guard FileManager.default.fileExists(atPath: path) else { return nil }
            return try bytes(of: path) == wanted ? nil : "what has the name is not whole"
        }
        guard FileManager.default.fileExists(atPath: path + "oci-layout"),
            FileManager.default.fileExists(atPath: path + "index.json")
        else { return nil }
        do {
            let layout = try await Layout.open(path, surroundings: .ofThisMachine)
            return try await TortureWorld.faults(of: layout, against: source, complete: false).first
        } catch {
            return "\(error)"
        }
    }
}

/// An ext4 file system in a file.
private struct PowerCut {
    /// `FS_IOC_SHUTDOWN` and its flag not to write the journal first (linux/ext4.h).
    private static let shutdown: UInt = 0x8004_587D
    private static let noLogFlush: UInt32 = 2

    let mountPoint: String
    private let image: String

    static let isPossible: Bool = {
        guard getuid() == 0, Program.exists("mkfs.ext4"), BuiltCommand.canTrace else { return false }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lifeboat-mount-\(UUID())").path
        let script = """
            mkdir -p \(folder)/m && truncate -s 8M \(folder)/i && mkfs.ext4 -q -F \(folder)/i 2>/dev/null \
            && mount -o loop \(folder)/i \(folder)/m 2>/dev/null && umount \(folder)/m; s=$?; rm -rf \(folder); exit $s
            """
        return Program.succeeds("bash", "-c", script)
    }()

    init(in folder: String) async throws {
        mountPoint = folder + "/disk"
        image = folder + "/image"
        try FileManager.default.createDirectory(atPath: mountPoint, withIntermediateDirectories: true)
        try await Self.run("truncate", "-s", "48M", image)
        try await Self.run("mkfs.ext4", "-q", "-F", image)
        try await Self.run("mount", "-o", "loop", image, mountPoint)
    }

    /// Nothing more reaches the disk.
    func now() throws {
        let folder = open(mountPoint, O_RDONLY)
        guard folder >= 0 else { throw FileError("open", mountPoint, code: errno) }
        defer { close(folder) }
        var flags = Self.noLogFlush
        guard ioctl(folder, Self.shutdown, &flags) == 0 else { throw FileError("shut down", mountPoint, code: errno) }
    }

    /// What the machine finds when it starts again.
    func recover() async throws {
        try await Self.run("umount", mountPoint)
        try await Self.run("mount", "-o", "loop", image, mountPoint)
    }

    func end() async throws { try await Self.run("umount", mountPoint) }

    private static func run(_ name: String, _ arguments: String...) async throws {
        let result = try await Program.run(name, arguments)
        try #require(result.status == 0, "\(name): \(result.errors)")
    }
}
