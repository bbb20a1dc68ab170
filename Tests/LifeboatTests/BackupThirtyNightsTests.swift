import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// A month of nights on a registry of sixty images, three of which change each night.
///
/// `LIFEBOAT_SCALE=full` makes the layers large enough for records not to count.
struct BackupThirtyNightsTests {
    private static let layer = Scale.isFull ? 700_000 : 20_000

    @Test func `the set grows by what changed, and every night can be restored as it was`() async throws {
        try await BackupNights.run { nights in
            var seed: UInt64 = 0
            func push(_ number: Int) async throws {
                seed += 1
                try await nights.push("team/app\(number)", "stable", seed: seed, layers: [Self.layer])
            }
            for number in 0..<60 { try await push(number) }
            var listings: [[String: Digest]] = []
            for night in 0..<30 {
                if night > 0 { for offset in 0..<3 { try await push((night * 7 + offset * 19) % 60) } }
                if night % 4 == 3 {
                    // Killed on the way, and run again.
                    var dying = nights
                    dying.files = FaultyFiles(deadAfter: 40 + night * 13)
                    await dying.export()
                }
                #expect(await nights.export().exitCode == 0)
                listings.append(try await nights.listing())
            }
            let set = try await nights.set()
            let backups = try await set.backups().filter { $0.header.state == .complete }
            var unique: [Digest: Int64] = [:]
            var found: [[String: Digest]] = []
            for (number, backup) in backups.enumerated() {
                let source = try await set.source(of: backup)
                try await set.forEachBlob(of: backup) { unique[$0.digest] = $0.size }
                found.append(BackupNights.names(in: source))
                // All bytes of the set are read below.
                if Scale.isFull || number % 10 == 0 {
                    #expect(try await BackupNights.contents(of: source) == found.last)
                }
            }
            // A run that died behind its seal has made a backup of that night too.
            #expect(Set(found) == Set(listings))
            #expect(found.last == listings.last)
            let wanted = unique.values.reduce(0, +)
            #expect(try nights.size(of: "blobs") == wanted)
            try checkSize(nights, wanted)
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
            try await thin(nights, Dictionary(zip(backups.map(\.id), found)) { $1 })
        }
    }

    /// A policy leaves exactly what it says, and a prune gives back the rest; both killed on the way, and run again.
    private func thin(_ nights: BackupNights, _ contents: [Digest: [String: Digest]]) async throws {
        let retention = SetRetention(Retention([.last: 3, .daily: 7, .weekly: 4]))
        let now = nights.clock.moment / 1000
        let set = try await nights.set()
        let state = try await set.state()
        let kept = try retention.rows(state, of: set, now: now).filter(\.isKept)
        #expect((7...14).contains(kept.count))
        for calls in [10, 60, 150, 400, 900] {
            do {
                let dying = try await BackupSet.open(
                    nights.path, surroundings: nights.surroundings, files: FaultyFiles(deadAfter: calls))
                _ = try await retention.apply(to: dying, now: now)
                try await dying.prune(grace: 0)
            } catch is FileError {
                continue
            }
        }
        _ = try await retention.apply(to: set, now: now)
        try await set.prune(grace: 0)
        #expect(try await set.backups().map(\.id) == kept.map(\.backup.id).reversed())
        var unique: [Digest: Int64] = [:]
        for backup in kept.map(\.backup) {
            try await set.forEachBlob(of: backup) { unique[$0.digest] = $0.size }
            #expect(BackupNights.names(in: try await set.source(of: backup)) == contents[backup.id])
        }
        #expect(try await set.verify().isSound)
        let wanted = unique.values.reduce(0, +)
        #expect(try nights.size(of: "blobs") == wanted)
        #expect(try nights.size(of: "trash") == 0)
        try checkSize(nights, wanted)
        #expect(try await set.state().alarms.isEmpty)
    }

    private func checkSize(_ nights: BackupNights, _ wanted: Int64) throws {
        guard Scale.isFull else { return }
        let size = try nights.size()
        #expect(Double(size) < Double(wanted) * 1.02, "\(size) bytes for \(wanted)")
    }
}
