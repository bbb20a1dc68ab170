import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// A month of nights on a registry of sixty images, three of which change each night.
struct BackupThirtyNightsTests {
    @Test func `the set grows by what changed, and every night can be restored as it was`() async throws {
        try await BackupNights.run { nights in
            var seed: UInt64 = 0
            func push(_ number: Int) async throws {
                seed += 1
                try await nights.push("team/app\(number)", "stable", seed: seed, layers: [700_000])
            }
            for number in 0..<60 { try await push(number) }
            var listings: [[String: Digest]] = []
            for night in 0..<30 {
                if night > 0 { for offset in 0..<3 { try await push((night * 7 + offset * 19) % 60) } }
                if night % 4 == 3 {
                    // Killed on the way, and run again.
                    var dying = nights
                    dying.files = DyingFiles(after: 40 + night * 13)
                    await dying.export()
                }
                #expect(await nights.export().exitCode == 0)
                listings.append(try await nights.listing())
            }
            let set = try await nights.set()
            let backups = try await set.backups().filter { $0.header.state == .complete }
            var unique: [Digest: Int64] = [:]
            var found: [[String: Digest]] = []
            for backup in backups {
                let source = try await set.source(of: backup)
                try await set.forEachBlob(of: backup) { unique[$0.digest] = $0.size }
                found.append(try await BackupNights.contents(of: source))
            }
            // A run that died behind its seal has made a backup of that night too.
            #expect(Set(found) == Set(listings))
            #expect(found.last == listings.last)
            let wanted = unique.values.reduce(0, +)
            let size = try nights.size()
            #expect(Double(size) < Double(wanted) * 1.02, "\(size) bytes for \(wanted)")
            #expect(try await set.verify().isSound)
            #expect(try await set.verify().unreferenced == 0)

            // Into an empty registry, by a time.
            let night = backups.count / 2
            let restored = MemoryStore(name: "restored")
            try await TestRegistry.run(over: restored) { host in
                let time = Moment(backups[night].header.ended + 3600).description
                let step = CopyStep(
                    kind: .import,
                    sources: [SourceDefinition(store: .backups(path: nights.path, at: time), selection: .all)],
                    target: .registry(host: host, prefix: ""))
                let report = await Runner(nights.environment).run([Step(name: "restore", work: .copy(step))], name: "r")
                #expect(report.exitCode == 0)
            }
            var listing: [String: Digest] = [:]
            for name in await restored.repositories() {
                let source = await restored.source(name)
                for tag in try await source.tags() {
                    listing["\(name):\(tag)"] = try await source.resolve(.tag(tag)).digest
                }
            }
            #expect(listing == found[night])
        }
    }
}
