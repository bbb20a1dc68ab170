import Foundation
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCI

/// `keep` of a set: in a definition, and after each run.
@Suite struct BackupKeepTests {
    private func faults(_ keep: String) -> [String] {
        do {
            _ = try parse(keep)
            return []
        } catch let error as DefinitionError {
            return error.description.split(separator: "\n").map(String.init)
        } catch {
            return ["unexpected \(error)"]
        }
    }

    private func parse(_ keep: String) throws -> Pipeline {
        let text = """
            version: 1
            name: nightly
            stores:
              old: {registry: old.example.com}
              it: {backups: /srv/nightly/, keep: \(keep)}
            steps: [{export: {from: old, to: it}}]
            """
        return try Pipeline(parsing: Array(text.utf8), file: "p.yaml", context: PipelineContext(variables: [:]))
    }

    @Test func `all rules are read`() throws {
        let pipeline = try parse(
            "{last: 7, hourly: 24, daily: 14, weekly: 8, monthly: 12, yearly: 5, within: 2y5m7d3h}")
        let wanted = Retention(
            [.last: 7, .hourly: 24, .daily: 14, .weekly: 8, .monthly: 12, .yearly: 5],
            within: RetentionSpan(years: 2, months: 5, days: 7, hours: 3))
        #expect(pipeline.settings.retention["/srv/nightly"]?.policy == wanted)
        #expect(
            wanted.description == "keep last 7, hourly 24, daily 14, weekly 8, monthly 12, yearly 5, within 2y5m7d3h")
    }

    @Test func `days are those of the schedule's time zone`() throws {
        let text = """
            version: 1
            name: nightly
            stores:
              old: {registry: old.example.com}
              it: {backups: /srv/nightly, keep: {daily: 7}}
            steps: [{export: {from: old, to: it}}]
            schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}
            """
        let pipeline = try Pipeline(
            parsing: Array(text.utf8), file: "p.yaml", context: PipelineContext(variables: [:]))
        #expect(pipeline.settings.retention["/srv/nightly"]?.zone.name == "Europe/Berlin")
        #expect(try parse("{daily: 7}").settings.retention["/srv/nightly"]?.zone.name == "UTC")
    }

    @Test(arguments: [
        ("{}", "keeps nothing"), ("{dayly: 7}", "dayly"), ("{daily: 0}", "not a number from 1"),
        ("{daily: -1}", "not a number from 1"), ("{within: 30}", "want years, months, days, hours"),
        ("{daily: all}", "not a number from 1"),
    ])
    func `what is no policy is a fault with its place`(_ keep: String, _ words: String) {
        let faults = faults(keep)
        #expect(!faults.isEmpty)
        #expect(faults.contains { $0.contains(words) && $0.hasPrefix("p.yaml:5:") }, "\(faults)")
    }

    @Test func `thirty nights leave what the policy says, and the space of the rest comes back`() async throws {
        try await BackupNights.run { nights in
            let policy = Retention([.last: 2, .daily: 4, .weekly: 3])
            let retention = SetRetention(policy)
            var environment = nights.environment
            environment.settings.retention[nights.path] = retention
            for number in 0..<20 { try await nights.push("team/app\(number)", "1", seed: UInt64(number)) }
            var all: [Retention.Candidate] = []
            for night in 0..<30 {
                for number in 0..<3 {
                    try await nights.push(
                        "team/app\((night * 3 + number) % 20)", "1", seed: UInt64(1000 + night * 3 + number))
                }
                nights.clock.advance(hours: 24)
                let report = await Runner(environment).run(
                    [Step(name: "backup", work: .copy(nights.step), onError: .stop)], name: "nightly")
                try #require(report.exitCode == 0, "\(report)")
                let set = try await nights.set()
                let backups = try await set.backups()
                let newest = try #require(backups.last)
                // What is left of the nights before and this one, by the policy alone.
                all.append(Retention.Candidate(id: newest.id, time: newest.header.ended))
                let kept = Set(try policy.apply(to: all, now: .max).filter(\.isKept).map(\.backup.id))
                all.removeAll { !kept.contains($0.id) }
                #expect(backups.map(\.id) == all.map(\.id), "night \(night)")
                #expect(try await set.state().alarms.isEmpty, "night \(night)")
            }
            #expect(try await BackupNights.contents(of: try await nights.latest()) == nights.listing())
            nights.clock.advance(hours: 24 * 4)
            let set = try await nights.set()
            let report = try await set.prune()
            #expect(report.waiting.blobs == 0)
            var unique: Set<Digest> = []
            for backup in try await set.backups() {
                try await set.forEachBlob(of: backup) { unique.insert($0.digest) }
            }
            let files = try FileManager.default.contentsOfDirectory(atPath: nights.path + "/blobs/sha256")
            #expect(Set(files) == Set(unique.map(\.hex)))
            #expect(try await set.verify().isSound)
        }
    }

    @Test func `a run without a backup, or with one that is suspect, forgets nothing`() async throws {
        try await BackupNights.run { nights in
            var environment = nights.environment
            environment.settings.retention[nights.path] = SetRetention(Retention([.last: 1]))
            func run() async -> Report {
                nights.clock.advance(hours: 24)
                return await Runner(environment).run(
                    [Step(name: "backup", work: .copy(nights.step), onError: .stop)], name: "nightly")
            }
            for number in 0..<10 { try await nights.push("team/app\(number)", "1", seed: UInt64(number)) }
            #expect(await run().exitCode == 0)
            for number in 0..<5 {
                let name = try RepositoryName("team/app\(number)")
                await nights.registry.change(name) { $0.tags = [:] }
            }
            #expect(await run().exitCode != 0)
            #expect(await run().exitCode != 0)
            let backups = try await nights.set().backups()
            #expect(backups.count == 3)
            #expect(backups.map { $0.header.suspect == nil } == [true, false, false])
        }
    }
}
