import Foundation
import NIOCore
import OCI
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCIArchive

/// A policy on a set of records, and names of backups that somebody wants to be forgotten.
@Suite struct SetRetentionTests {
    private static let start: Int64 = 1_793_534_400  // 2026-11-01T12:00:00Z
    private static let day: Int64 = 86_400

    private func withSet(
        _ body: (BackupSet, (Int64, BackupHeader.State, String?) async throws -> Backup) async throws -> Void
    )
        async throws
    {
        try await withTemporaryFolder { folder in
            var surroundings = Surroundings.ofThisMachine
            surroundings.now = { (Self.start + 100 * Self.day) * 1000 }
            let set = try await BackupSet.create(folder + "/set", surroundings: surroundings)
            try await body(set) { time, state, suspect in
                try await Self.add(to: set, time, state, suspect)
            }
        }
    }

    @discardableResult
    private static func add(
        to set: BackupSet, _ time: Int64, _ state: BackupHeader.State = .complete, _ suspect: String? = nil,
        pipeline: String = "nightly", source: String = "r.example.com", scope: String = ""
    ) async throws -> Backup {
        let header = BackupHeader(
            pipeline: pipeline, source: source, scope: scope, began: time, ended: time, state: state, suspect: suspect)
        return try await set.seal(BackupRecord(header: header, heads: try await set.heads()))
    }

    @Test func `nothing is forgotten while a record that stays is damaged, but for that record itself`() async throws {
        try await withSet { set, add in
            for night in 0..<2 { _ = try await add(Self.start + Int64(night) * Self.day, .complete, nil) }
            let time = Self.start + 2 * Self.day
            let image = NamedImage(
                registry: "r.example.com", repository: try RepositoryName("app"), tag: try Tag("1.0"),
                descriptor: Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociManifest))
            let header = BackupHeader(
                pipeline: "nightly", source: "r.example.com", scope: "", began: time, ended: time, state: .complete,
                suspect: nil)
            let newest = try await set.seal(
                BackupRecord(header: header, heads: try await set.heads(), images: [image]))
            // In the middle: neither the header nor the seal says so.
            let path = set.path + "/records/" + newest.file
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try text.replacing(#""1.0""#, with: #""1.1""#).write(toFile: path, atomically: false, encoding: .utf8)
            await #expect(throws: ArchiveError.self) {
                _ = try await SetRetention(Retention([.last: 1])).apply(to: set, now: now)
            }
            await #expect(throws: ArchiveError.self) {
                _ = try await Forgetting(set, [try await set.backups()[0].name], force: false).run()
            }
            #expect(try await set.backups().count == 3)
            _ = try await Forgetting(set, [newest.name], force: false).run()
            #expect(try await set.backups().count == 2)
        }
    }

    @Test func `each pipeline and source of a set is kept by itself`() async throws {
        try await withSet { set, _ in
            var kept: Set<Digest> = []
            // The nights of one source end before those of the others.
            for night in 0..<4 {
                let time = Self.start + Int64(night) * Self.day
                for (number, (pipeline, source)) in [
                    ("nightly", "r.example.com"), ("nightly", "old.example.com"), ("weekly", "r.example.com"),
                ].enumerated() where night < 2 || number > 0 {
                    let backup = try await Self.add(
                        to: set, time + Int64(number), pipeline: pipeline, source: source, scope: "\(number)\(night)")
                    if night == (number == 0 ? 1 : 3) { kept.insert(backup.id) }
                }
            }
            let rows = try await SetRetention(Retention([.last: 1])).apply(to: set, now: now)
            #expect(
                rows.groups.map(\.group.description) == [
                    "nightly, from r.example.com", "nightly, from old.example.com", "weekly, from r.example.com",
                ])
            #expect(rows.groups.map(\.rows.count) == [2, 4, 4])
            #expect(Set(try await set.backups().map(\.id)) == kept)
        }
    }

    @Test func `what a pipeline keeps is not asked of another one's backups`() async throws {
        try await withSet { set, _ in
            for night in 0..<3 {
                for pipeline in ["nightly", "weekly"] {
                    try await Self.add(to: set, Self.start + Int64(night) * Self.day, pipeline: pipeline)
                }
            }
            var environment = RunEnvironment.test(in: parentFolder(of: set.path))
            environment.surroundings = set.surroundings
            let notes = try await SetRetention(Retention([.last: 1])).afterBackup(
                set.path, of: "weekly", in: environment)
            #expect(notes == ["keep last 1: 1 backup of 'weekly' in \(set.path), 2 forgotten"])
            let left = try await set.backups().map(\.header.pipeline)
            #expect(left.sorted() == ["nightly", "nightly", "nightly", "weekly"])
            // Nor does a suspect one of another pipeline stop it.
            try await Self.add(to: set, Self.start + 9 * Self.day, .complete, "gone", pipeline: "nightly")
            try await Self.add(to: set, Self.start + 9 * Self.day + 1, pipeline: "weekly")
            let again = try await SetRetention(Retention([.last: 1])).afterBackup(
                set.path, of: "weekly", in: environment)
            #expect(again.first == "keep last 1: 1 backup of 'weekly' in \(set.path), 1 forgotten")
            #expect(again.last?.hasSuffix("is suspect") == true, "\(again)")
        }
    }

    @Test func `exports without a definition are told apart by what was asked for`() async throws {
        try await withSet { set, _ in
            let a = try await Self.add(to: set, Self.start, pipeline: "export", scope: "aaaaaaaaaaaa")
            let b = try await Self.add(to: set, Self.start + 1, pipeline: "export", scope: "bbbbbbbbbbbb")
            let rows = try await SetRetention(Retention([.last: 1])).apply(to: set, now: now)
            #expect(rows.map(\.backup.id) == [a.id, b.id] && rows.allSatisfy(\.isKept))
            #expect(rows[0].group.description == "export, from r.example.com, selection aaaaaaaa")
        }
    }

    @Test func `a definition whose rules changed goes on, and two that alternate are two`() async throws {
        try await withSet { set, _ in
            func count(_ scopes: String) async throws -> Int {
                for (night, scope) in scopes.enumerated() {
                    try await Self.add(to: set, Self.start + Int64(night), pipeline: scopes, scope: String(scope))
                }
                return try await set.backups().groups.count { $0.group.pipeline == scopes }
            }
            let (changed, alternating) = (try await count("aabbc"), try await count("abab"))
            #expect(changed == 1 && alternating == 2)
        }
    }

    @Test func `of two backups of one second the newer one is kept`() async throws {
        try await withSet { set, _ in
            // Enough that their ids are not in this order by chance.
            for round in 0..<8 { try await Self.add(to: set, Self.start, scope: "\(round)") }
            let listed = try await set.backups()
            #expect(listed.last?.header.scope == "7")
            _ = try await SetRetention(Retention([.last: 1])).apply(to: set, now: now)
            #expect(try await set.backups() == [listed[7]])
        }
    }

    @Test func `a pipeline's last complete backup is not forgotten by name without force`() async throws {
        try await withSet { set, _ in
            let only = try await Self.add(to: set, Self.start, pipeline: "nightly")
            try await Self.add(to: set, Self.start + 1, pipeline: "weekly")
            let error = await #expect(throws: LifeboatError.self) {
                try await Forgetting(set, [only.name], force: false).run()
            }
            #expect(
                error?.description
                    == "\(set.path) would be left without a complete backup (nightly, from r.example.com)")
            _ = try await Forgetting(set, [only.name], force: true).run()
            #expect(try await set.backups().count == 1)
        }
    }

    @Test func `a record with a changed seal is forgotten by the name of its file only`() async throws {
        try await withSet { set, _ in
            let changed = try await Self.add(to: set, Self.start)
            try await Self.add(to: set, Self.start + 1)
            try await set.add(BackupEvidence(.verified, of: changed.id, at: Self.start + 2))
            let file = URL(fileURLWithPath: set.path + "/records/" + changed.file)
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 60] ^= 1
            try bytes.write(to: file)
            let error = await #expect(throws: LifeboatError.self) {
                try await Forgetting(set, [changed.name], force: true).run()
            }
            #expect(error?.description.contains("its seal says") ?? false)
            #expect(error?.advice?.hasSuffix("lifeboat forget \(set.path) \(changed.file)") ?? false)
            #expect(FileManager.default.fileExists(atPath: file.path))
            let choice = try await Forgetting(set, [changed.file], force: false).run()
            #expect(choice.damaged == [changed.file])
            #expect(try await set.state().alarms.isEmpty)
        }
    }

    private var now: Int64 { Self.start + 100 * Self.day }

    @Test func `a policy forgets what it does not keep and says why it keeps the rest`() async throws {
        try await withSet { set, add in
            var backups: [Backup] = []
            for night in 0..<10 { backups.append(try await add(Self.start + Int64(night) * Self.day, .complete, nil)) }
            try await set.add(BackupEvidence(.verified, of: backups[2].id, at: now))
            let retention = SetRetention(Retention([.last: 2, .weekly: 1]))
            let planned = try retention.rows(try await set.state(), of: set, now: now)
            #expect(try await set.backups().count == 10)
            let rows = try await retention.apply(to: set, now: now)
            #expect(rows.map(\.isKept) == planned.map(\.isKept))
            #expect(rows.filter(\.isKept).map(\.backup.id) == [backups[9], backups[8], backups[2]].map(\.id))
            #expect(rows[0].reasons == [.rule(.last), .rule(.weekly)])
            #expect(try await set.backups().map(\.id) == [backups[2], backups[8], backups[9]].map(\.id))
            #expect(try await set.state().alarms.isEmpty)
            let evidence = try await set.evidence(.forgotten).evidence
            #expect(evidence.count == 7)
            #expect(evidence.allSatisfy { $0.members["because"] == .string("keep last 2, weekly 1") })
        }
    }

    @Test func `nothing is forgotten while a record is damaged or missing`() async throws {
        try await withSet { set, add in
            let first = try await add(Self.start, .complete, nil)
            for night in 1..<4 { _ = try await add(Self.start + Int64(night) * Self.day, .complete, nil) }
            try FileManager.default.removeItem(atPath: "\(set.path)/records/\(first.file)")
            let retention = SetRetention(Retention([.last: 1]))
            let error = await #expect(throws: LifeboatError.self) { try await retention.apply(to: set, now: now) }
            #expect(error?.kind == .damaged)
            #expect(error?.description.hasPrefix("nothing is forgotten: backup \(first.id.short)") ?? false)
            #expect(try await set.backups().count == 3)
        }
    }

    @Test func `a suspect backup counts when it is accepted`() async throws {
        try await withSet { set, add in
            let good = try await add(Self.start, .complete, nil)
            let suspect = try await add(Self.start + Self.day, .complete, "half of it is gone")
            let retention = SetRetention(Retention([.last: 1]))
            #expect(try retention.rows(try await set.state(), of: set, now: now).allSatisfy(\.isKept))
            try await set.add(BackupEvidence(.accepted, of: suspect.id, at: now))
            let rows = try await retention.apply(to: set, now: now)
            #expect(rows.filter { !$0.isKept }.map(\.backup.id) == [good.id])
        }
    }

    @Test func `days are those of the time zone`() async throws {
        try await withSet { set, add in
            // 23:30 and 00:30 in Berlin are one day in UTC.
            let times = [Self.start + 10 * 3600 + 1800, Self.start + 11 * 3600 + 1800]
            for time in times { _ = try await add(time, .complete, nil) }
            let kept = { (zone: String) async throws -> Int in
                let retention = SetRetention(Retention([.daily: 1]), zone: try ZoneClock(named: zone))
                return try retention.rows(try await set.state(), of: set, now: now).count(where: \.isKept)
            }
            #expect(try await kept("UTC") == 1)
            let two = SetRetention(Retention([.daily: 2]), zone: try ZoneClock(named: "Europe/Berlin"))
            let reasons = try two.rows(try await set.state(), of: set, now: now).map(\.reasons)
            #expect(reasons == [[.rule(.daily)], [.rule(.daily)]])
        }
    }

    @Test func `after an incomplete backup nothing goes, and after a complete one it does`() async throws {
        try await withSet { set, add in
            for night in 0..<3 { _ = try await add(Self.start + Int64(night) * Self.day, .complete, nil) }
            _ = try await add(Self.start + 3 * Self.day, .incomplete, nil)
            var environment = RunEnvironment.test(in: parentFolder(of: set.path))
            environment.surroundings = set.surroundings
            let retention = SetRetention(Retention([.last: 1]))
            let notes = try await retention.afterBackup(set.path, of: "nightly", in: environment)
            #expect(
                notes == [
                    "nothing was forgotten in \(set.path): the newest backup of 'nightly, from r.example.com' is incomplete"
                ])
            _ = try await add(Self.start + 4 * Self.day, .complete, nil)
            let done = try await retention.afterBackup(set.path, of: "nightly", in: environment)
            #expect(done == ["keep last 1: 1 backup of 'nightly' in \(set.path), 4 forgotten"])
            // While somebody else is at work, the next run does it.
            _ = try await add(Self.start + 5 * Self.day, .complete, nil)
            let lock = try await set.lock(shared: true)
            let held = try await retention.afterBackup(set.path, of: "nightly", in: environment)
            try await lock.release()
            #expect(held.first?.hasPrefix("nothing was forgotten: \(set.path) is in use by another run") ?? false)
        }
    }

    @Test func `backups are forgotten by the names that people have for them`() async throws {
        try await withSet { set, add in
            var backups: [Backup] = []
            for night in 0..<5 { backups.append(try await add(Self.start + Int64(night) * Self.day, .complete, nil)) }
            let choice = try await Forgetting(
                set, [backups[0].name, "sha256:" + backups[1].id.hex, backups[2].moment.description], force: false
            ).run()
            #expect(choice.backups.map(\.id) == backups[0...2].map(\.id))
            #expect(try await set.backups().count == 2)
            // Gone already, and the alarm about it ends.
            try FileManager.default.removeItem(atPath: "\(set.path)/records/\(backups[3].file)")
            let absent = try await Forgetting(set, [backups[3].name], force: false).run()
            #expect(absent.absent == [backups[3].id])
            #expect(try await set.state().alarms.isEmpty)
            let error = await #expect(throws: LifeboatError.self) {
                try await Forgetting(set, ["latest"], force: false).run()
            }
            #expect(error?.description.contains("would be left without a complete backup") ?? false)
            let unknown = await #expect(throws: ArchiveError.self) {
                try await Forgetting(set, ["abcdef"], force: true).run()
            }
            #expect(unknown?.kind == .notFound)
            #expect(try await set.backups().count == 1)
        }
    }
}
