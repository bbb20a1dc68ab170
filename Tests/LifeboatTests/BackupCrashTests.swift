import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// A run that is killed, or loses its power, anywhere: nothing is lost, and the next run finishes.
struct BackupCrashTests {
    /// At each of its calls with `LIFEBOAT_SCALE=full`, else at some of them.
    @Test func `killed at any call, a run leaves every older backup whole, and the next one finishes`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("app", "1", seed: 1, layers: [300, 900])
            await nights.export()
            let old = try await nights.listing()
            let first = try #require(try await nights.set().backups().first)
            let pristine = nights.folder + "/pristine"
            try FileManager.default.copyItem(atPath: nights.path, toPath: pristine)
            try await nights.push("app", "2", seed: 2, layers: [300, 900])
            try await nights.push("web", "1", seed: 3, layers: [300])
            let new = try await nights.listing()

            var counting = nights
            let all = FaultyFiles()
            counting.files = all
            #expect(await counting.export().exitCode == 0)
            #expect(all.calls > 50)

            for number in Scale.sample(24, of: all.calls) {
                try FileManager.default.removeItem(atPath: nights.path)
                try FileManager.default.copyItem(atPath: pristine, toPath: nights.path)
                var dying = nights
                let files = FaultyFiles(deadAfter: number)
                dying.files = files
                await dying.export()
                try files.loseUnsynced()

                let set = try await nights.set()
                let listing = try await set.listing()
                #expect(listing.damaged.isEmpty, "killed at call \(number)")
                #expect(listing.backups.first == first)
                for backup in listing.backups {
                    let contents = try await BackupNights.contents(of: try await set.source(of: backup))
                    #expect(contents == (backup == first ? old : new), "killed at call \(number)")
                }
                #expect(await nights.export().exitCode == 0, "killed at call \(number)")
                #expect(try await BackupNights.contents(of: try await nights.latest()) == new)
                let left = try FileManager.default.contentsOfDirectory(atPath: nights.path + "/lifeboat-tmp")
                #expect(left == ["lock"], "killed at call \(number)")
            }
        }
    }

    @Test func `a run that is stopped seals what is complete, and the next one goes on from there`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<3 { try await nights.push("app\(number)", "1", seed: UInt64(number)) }
            nights.clock.advance(hours: 24)
            var environment = nights.environment
            environment.concurrency = 1
            // Stopped when the first image has come.
            let stop = AsyncStream.makeStream(of: Void.self)
            let task = Task { [environment] in
                await Runner(environment) { event in
                    if case .imageEnded = event { stop.continuation.yield() }
                }.run([Step(name: "backup", work: .copy(nights.step))], name: "nightly")
            }
            for await _ in stop.stream { break }
            task.cancel()
            _ = await task.value
            let set = try await nights.set()
            let backups = try await set.backups()
            let cut = try #require(backups.first)
            let images = try await set.record(cut).images.count
            #expect(images >= 1)
            if images < 3 {
                #expect(cut.header.state == .incomplete)
                #expect(try await set.record(cut).missing.count == 3 - images)
            }
            #expect(try await BackupNights.contents(of: try await set.source(of: cut)).count == images)
            let report = await nights.export()
            #expect(report.exitCode == 0)
            #expect(report.steps[0].count(.alreadyThere) >= images)
            #expect(try await BackupNights.contents(of: try await nights.latest()) == nights.listing())
        }
    }

    @Test func `a run that ends with its window leaves an incomplete backup`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<3 { try await nights.push("app\(number)", "1", seed: UInt64(number)) }
            try await nights.push("app0", "2", seed: 0)
            var environment = nights.environment
            environment.concurrency = 1
            // 02:00 UTC when it begins; an hour passes with every image.
            environment.settings.window = try RunWindow(from: 60, to: 180, timeZone: "UTC")
            let report = await Runner(environment) { event in
                if case .imageEnded(let image) = event, image.error == nil { nights.clock.advance(hours: 1) }
            }.run([Step(name: "backup", work: .copy(nights.step))], name: "nightly")
            #expect(report.exitCode == 3)
            let set = try await nights.set()
            let cut = try #require(try await set.backups().first)
            #expect(cut.header.state == .incomplete)
            let record = try await set.record(cut)
            #expect(!record.missing.isEmpty && !record.images.isEmpty)
            #expect(record.missing.allSatisfy { $0.kind == .policy && $0.message.contains("window") })
            #expect(await nights.export().exitCode == 0)
            #expect(try await BackupNights.contents(of: try await nights.latest()) == nights.listing())
        }
    }
}
