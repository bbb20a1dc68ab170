import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// An archive in which one bit has changed, or that is cut off (FAULTS.md, A1, A2, S1, S2): it is found and named, what is
/// whole in it can be restored, and a repair gives back the original bytes.
@Suite(.serialized) struct RotTortureTests {
    private static let width = 3

    /// Two images that share a layer, and a signature: small, so that every byte can have its turn.
    private static func store() async throws -> MemoryStore {
        let store = MemoryStore(name: "source")
        let app = try await store.target(RepositoryName("team/app"))
        let image = try await SeededImages.push(to: app, seed: 1, layerSizes: [300, 700], tags: [Tag("1.0")])
        try await SeededImages.push(to: app, seed: 9, layerSizes: [60], subject: image.descriptor)
        let other = try await store.target(RepositoryName("other"))
        try await SeededImages.push(to: other, seed: 1, layerSizes: [300, 90], tags: [Tag("2")])
        return store
    }

    private func withArchive(
        _ name: String,
        _ body: @escaping @Sendable (_ source: MemoryStore, _ host: String, _ whole: Data) async throws -> Void
    ) async throws {
        let source = try await Self.store()
        try await TestRegistry.run(over: source, writable: false) { host in
            let whole = try await withTemporaryFolder { folder in
                let step = TortureWorld.copy(
                    .export, from: .registry(host: host, prefix: ""), to: .archive(path: folder + "/" + name))
                let report = await Runner(TortureWorld.environment(folder)).run([step], name: "before")
                #expect(report.exitCode == 0)
                return try bytes(of: folder + "/" + name)
            }
            try await body(source, host, whole)
        }
    }

    @Test(arguments: ["a.tar", "a.tar.xz"])
    func `every byte that changes is found, what it spares is restored, and a repair undoes it`(_ name: String)
        async throws
    {
        try await withArchive(name) { source, host, whole in
            let tally = Tally("rot: one bit of \(name)")
            _ = try await map(Torture.cases(Array(whole.indices), oneIn: 997), limit: Self.width) { place in
                var damaged = whole
                damaged[place] ^= 1 << UInt8(place % 8)
                let (verdict, story) = try await self.trial(damaged, name, whole, source, host)
                tally.add(verdict, "\(name), byte \(place): \(story)")
            }
            try tally.close()
        }
    }

    @Test func `cut at every block, what is before the cut is restored, and a repair fetches the rest`() async throws {
        try await withArchive("a.tar") { source, host, whole in
            let tally = Tally("rot: cut at every block")
            let cuts = Array(stride(from: 512, to: whole.count, by: 512))
            _ = try await map(Torture.cases(cuts, oneIn: 11), limit: Self.width) { end in
                let (verdict, story) = try await self.trial(whole[..<end], "a.tar", whole, source, host)
                tally.add(verdict, "cut at \(end): \(story)")
            }
            try tally.close()
        }
    }

    private func trial(
        _ damaged: Data, _ name: String, _ whole: Data, _ source: MemoryStore, _ host: String
    ) async throws -> (Verdict, String) {
        try await withTemporaryFolder { folder in
            let path = folder + "/" + name
            try damaged.write(to: URL(fileURLWithPath: path))
            let found = try await ArchiveVerification(path: path).run()
            if found.isSound {
                // Filters have bits that mean nothing: all that comes out of them is as it was.
                return name.hasSuffix(".tar") ? (.silent, "it is said to be sound") : (.fine, "")
            }
            if let other = found.findings.first(where: { $0.kind != .damaged }) {
                return (.wrongClass, "\(other.kind): \(other.detail)")
            }
            if let fault = try await restored(path, found, source, folder) { return fault }
            let repaired = await FileRepair(TortureWorld.environment(folder)).run(
                .archive(path: path), from: [.registry(host: host, prefix: "")])
            let after = try bytes(of: path)
            if repaired.exitCode == 0, after != whole { return (.silent, "a repair has left other bytes") }
            if repaired.exitCode != 0 {
                let reasons = repaired.steps.flatMap(\.failures).map(\.message).joined(separator: "; ")
                // Without its list and without its seal nothing says what an archive was.
                let isLost = damaged.count < whole.count && reasons.contains("is damaged itself")
                let isForeign = damaged.count < whole.count && reasons.contains("not written by Lifeboat")
                if after != damaged { return (.lost, "a repair that failed has changed it: \(reasons)") }
                if !isLost, !isForeign, name.hasSuffix(".tar") { return (.unresumed, reasons) }
                return repaired.exitCode == 65 || repaired.exitCode == 64 ? (.fine, "") : (.wrongClass, reasons)
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            return left == [name] ? (.fine, "") : (.unresumed, "left behind: \(left)")
        }
    }

    /// - Returns: what is wrong with what an import that goes on has restored; nil if all that could be is there.
    private func restored(
        _ path: String, _ found: ArchiveReport, _ source: MemoryStore, _ folder: String
    ) async throws -> (Verdict, String)? {
        let target = MemoryStore(name: "target")
        let report = try await TestRegistry.run(over: target) { host in
            var step = TortureWorld.copy(.import, from: .archive(path: path), to: .registry(host: host, prefix: ""))
            step.onError = .continue
            return await Runner(TortureWorld.environment(folder)).run([step], name: "restore")
        }
        let reasons = report.steps.flatMap(\.failures).map { "\($0.kind.rawValue): \($0.message)" }
            .joined(separator: "; ")
        let wrong = try await TortureWorld.faults(of: target, against: source, complete: report.exitCode == 0)
        if !wrong.isEmpty { return (report.exitCode == 0 ? .silent : .lost, wrong.joined(separator: "; ")) }
        let isSomethingThere = report.steps.contains { $0.count(.done) > 0 }
        guard report.exitCode == 0 || report.exitCode == (isSomethingThere ? 3 : 65) else {
            return (.wrongClass, "restore ended with \(report.exitCode): \(reasons)")
        }
        // Of a plain archive that names what is damaged all else is there.
        guard path.hasSuffix(".tar"), found.flavor == .ours, !found.damagedImages.isEmpty else { return nil }
        for repository in await source.repositories() {
            for tag in try await source.source(repository).tags()
            where !found.damagedImages.contains(where: { $0.hasSuffix("\(repository):\(tag)") }) {
                let tags = try await target.source(repository).tags()
                if !tags.contains(tag) {
                    return (.lost, "\(repository):\(tag) is whole, and was not restored: \(reasons)")
                }
            }
        }
        return nil
    }
}
