import Foundation
import NIOCore
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCI

/// Export into a backup set.
struct BackupExportTests {
    @Test func `every night is a backup that holds what the registry held, and costs what changed`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<4 { try await nights.push("team/app\(number)", "1", seed: UInt64(number)) }
            let first = await nights.export()
            #expect(first.exitCode == 0)
            #expect(first.steps[0].count(.done) == 4)
            let before = try await nights.listing()

            try await nights.push("team/app0", "2", seed: 10)
            try await nights.push("team/app1", "1", seed: 11)
            let second = await nights.export()
            #expect(second.exitCode == 0)
            #expect(second.steps[0].count(.done) == 2)
            #expect(second.steps[0].count(.alreadyThere) == 3)
            let after = try await nights.listing()

            let set = try await nights.set()
            let backups = try await set.backups()
            #expect(backups.map(\.header.state) == [.complete, .complete])
            #expect(backups.map(\.header.images) == [4, 5])
            #expect(backups[0].header.bytesAdded == backups[0].header.bytes)
            #expect(backups[1].header.bytesAdded == second.steps[0].bytesMoved)
            #expect(backups.map(\.header.pipeline) == ["nightly", "nightly"])
            #expect(backups.map(\.header.source) == [nights.host, nights.host])
            #expect(try await BackupNights.contents(of: try await set.source(of: backups[0])) == before)
            #expect(try await BackupNights.contents(of: try await set.source(of: backups[1])) == after)
            #expect(try await set.record(backups[1]).heads == [backups[0].id])
            #expect(try FileManager.default.contentsOfDirectory(atPath: nights.path + "/lifeboat-tmp") == ["lock"])
        }
    }

    /// On 2,000 tags with `LIFEBOAT_SCALE=full`, else on 400.
    @Test func `an unchanged night asks once a tag and writes nothing but the record`() async throws {
        let images = Scale.isFull ? 200 : 40
        let tags = images * 10
        try await BackupNights.run { nights in
            for number in 0..<images {
                let target = try await nights.registry.target(RepositoryName("team/app\(number % 10)"))
                try await SeededImages.push(
                    to: target, seed: UInt64(number), layerSizes: [10],
                    tags: (0..<10).map { try Tag("\(number).\($0)") })
            }
            #expect(await nights.export().exitCode == 0)
            let before = try nights.stamps()
            let report = await nights.export(after: 0)
            #expect(report.exitCode == 0)
            #expect(report.steps[0].count(.alreadyThere) == tags)
            #expect(report.steps[0].bytesMoved == 0)
            // One to say hello, one for the catalog, one for the tags of each repository, one for each tag.
            let requests = report.steps[0].requests
            #expect(requests.values.reduce(0, +) <= tags + 10 + 2, "\(requests)")
            let after = try nights.stamps()
            let changed = after.filter { before[$0.key] != $0.value }.keys
            // The record, and the note that names the newest.
            #expect(changed.filter { $0 != "RESCUE.md" }.count == 1)
            #expect(changed.contains { $0.hasPrefix("records/") })
            #expect(before.keys.allSatisfy { after[$0] != nil })

            // A day later it is the turn of a seventh of the digests, whose referrers are looked up again.
            let later = await nights.export().steps[0].requests
            #expect(later["head"] == tags)
            #expect(later["manifest"] == nil && later["blob"] == nil)
            #expect((1...images / 3).contains(later["referrers"] ?? 0), "\(later)")
        }
    }

    @Test func `an image that fails is listed as missing, and the next run brings it`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("good", "1", seed: 1)
            let bad = try await nights.push("bad", "1", seed: 2)
            let layer = try #require(bad.children.last)
            let name = try RepositoryName("bad")
            let whole = await nights.registry.repository(name)?.blobs[layer.digest]
            await nights.registry.change(name) { $0.blobs[layer.digest] = nil }
            let report = await nights.export()
            #expect(report.exitCode == 3)
            let set = try await nights.set()
            let cut = try #require(try await set.backups().last)
            #expect(cut.header.state == .incomplete)
            let record = try await set.record(cut)
            #expect(record.images.map(\.name) == ["good:1"])
            #expect(record.missing.map(\.name) == ["\(nights.host)/bad:1"])
            #expect(record.missing.first?.kind == .notFound)
            // What there is can be restored.
            #expect(try await BackupNights.contents(of: try await set.source(of: cut)).keys.sorted() == ["good:1"])

            await nights.registry.change(name) { $0.blobs[layer.digest] = whole }
            // Only what failed is asked for, and the backup is one of everything all the same.
            nights.clock.advance(hours: 1)
            var step = Step(name: "backup", work: .copy(nights.step))
            step.only = ["\(nights.host)/bad:1"]
            let again = await Runner(nights.environment).run([step], name: "nightly")
            #expect(again.exitCode == 0)
            #expect(again.steps[0].bytesMoved < 5000)
            #expect(try await BackupNights.contents(of: try await nights.latest()) == nights.listing())
        }
    }

    @Test func `what a verification found damaged is fetched again, and so is what is gone`() async throws {
        try await BackupNights.run { nights in
            let image = try await nights.push("app", "1", seed: 1)
            await nights.export()
            let set = try await nights.set()
            let layers = image.children.filter { $0.mediaType == .ociLayer }
            try Data(repeating: 7, count: Int(layers[0].size))
                .write(to: URL(fileURLWithPath: set.path(of: layers[0].digest)))
            try FileManager.default.removeItem(atPath: set.path(of: layers[1].digest))
            let verify = Step(
                name: "verify",
                work: .verify(
                    VerifyStep(
                        sources: [SourceDefinition(store: .backups(path: nights.path, at: nil), selection: .all)],
                        against: nil)))
            let bad = await Runner(nights.environment).run([verify], name: "verify")
            #expect(bad.exitCode == 65)
            let messages = bad.steps[0].failures.map(\.message)
            #expect(messages.count == 2)
            #expect(messages.allSatisfy { $0.contains("belongs to app:1") })
            let report = await nights.export()
            #expect(report.exitCode == 0)
            #expect(report.steps[0].bytesMoved == layers[0].size + layers[1].size)
            #expect(await Runner(nights.environment).run([verify], name: "verify").exitCode == 0)
            let verified = try await set.evidence("verified").evidence
            #expect(verified.count == 2)
            let ids = try await set.backups().map { JSONValue.string($0.id.description) }
            #expect(verified.last?.members["sound"] == .array(ids))
            // The bytes are right now, so nothing is fetched a third time.
            #expect(await nights.export().steps[0].bytesMoved == 0)
        }
    }

    @Test func `a blob comes back from the trash, if its bytes are right`() async throws {
        try await BackupNights.run { nights in
            let image = try await nights.push("app", "1", seed: 1)
            await nights.export()
            let set = try await nights.set()
            let layers = image.children.filter { $0.mediaType == .ociLayer }
            for (number, layer) in layers.enumerated() {
                let trash = nights.path + "/trash/2025110\(number + 1)T020000Z/sha256"
                try FileManager.default.createDirectory(atPath: trash, withIntermediateDirectories: true)
                let path = trash + "/" + layer.digest.hex
                try FileManager.default.moveItem(atPath: set.path(of: layer.digest), toPath: path)
                if number == 1 {
                    try Data(repeating: 1, count: Int(layer.size)).write(to: URL(fileURLWithPath: path))
                }
            }
            let report = await nights.export()
            #expect(report.exitCode == 0)
            #expect(report.steps[0].bytesMoved == layers[1].size)
            #expect(try await BackupNights.contents(of: try await nights.latest()) == nights.listing())
        }
    }

    @Test func `nothing is written while the set is being pruned`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("app", "1", seed: 1)
            await nights.export()
            let lock = try await nights.set().lock(shared: false)
            #expect(await nights.export().exitCode == 75)
            try await lock.release()
            #expect(await nights.export().exitCode == 0)
        }
    }

    @Test func `several writers at once make a backup each`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<6 { try await nights.push("app\(number)", "1", seed: UInt64(number)) }
            _ = try await BackupSet.create(nights.path, surroundings: nights.surroundings)
            let codes = await withTaskGroup(of: Int32.self) { group in
                // The clock stands still, and what is the same in every respect would be one backup.
                for number in 0..<3 {
                    group.addTask {
                        await Runner(nights.environment).run(
                            [Step(name: "backup", work: .copy(nights.step), onError: .stop)], name: "nightly-\(number)"
                        ).exitCode
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes == [0, 0, 0])
            let set = try await nights.set()
            let backups = try await set.backups()
            #expect(backups.count == 3)
            for backup in backups {
                #expect(try await BackupNights.contents(of: try await set.source(of: backup)) == nights.listing())
            }
            #expect(try await set.verify().isSound)
        }
    }
}
