import Foundation
import OCI
import TestSupport
import Testing

@testable import OCIArchive

@Suite struct BackupAlarmTests {
    private func remove(_ backup: Backup, of words: SetOfWords) throws {
        try FileManager.default.removeItem(atPath: words.path + "/records/" + backup.file)
    }

    @Test func `a set in order has no alarm, also after backups were forgotten`() async throws {
        try await withSetOfWords { words in
            var backups: [Backup] = []
            for night in 0..<4 {
                backups.append(try await words.backUp(["a\(night)", "b"]))
                #expect(try await words.set().state().alarms.isEmpty)
            }
            try await words.set().forget(because: "a test") { [backups] _ in [backups[0].id, backups[2].id] }
            backups.append(try await words.backUp(["c"]))
            let state = try await words.set().state()
            #expect(state.alarms.isEmpty)
            #expect(state.backups.map(\.id) == [backups[1].id, backups[3].id, backups[4].id])
            // The new record says so too: the evidence may be lost.
            for name in words.files("evidence") {
                try FileManager.default.removeItem(atPath: words.path + "/evidence/" + name)
            }
            #expect(try await words.set().state().alarms.isEmpty)
        }
    }

    @Test func `a record that was taken away is an alarm until somebody gives it up`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            let third = try await words.backUp(["c"])
            try remove(second, of: words)
            let alarm = try #require(try await words.set().state().alarms.first)
            #expect(alarm.kind == .absent)
            #expect(alarm.backup == second.id)
            #expect(
                alarm.description
                    == "backup \(second.id.short) of \(words.path) is gone, and was not forgotten: the record "
                    + "\(third.name) of \(third.moment) names it")
            #expect(alarm.advice.contains("lifeboat forget \(words.path) \(second.name)"))
            let now = words
            let error = await #expect(throws: ArchiveError.self) { try await now.set().prune() }
            #expect(error?.kind == .damaged)
            try await words.set().forget(because: "a test") { state in state.alarms.compactMap(\.backup) }
            #expect(try await words.set().state().alarms.isEmpty)
            // The blobs of what is gone may go now.
            #expect(try await words.set().prune().trashed.blobs == 2)
        }
    }

    @Test func `the newest record is missed by the evidence about it`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            try await words.set().add(
                BackupEvidence(kind: "verified", at: words.now, ["sound": .array([.string(second.id.description)])]))
            #expect(try await words.set().state().verified == [second.id: words.now])
            try remove(second, of: words)
            let alarm = try #require(try await words.set().state().alarms.first)
            #expect(alarm.description.contains("evidence that it was verified names it"))
        }
    }

    @Test func `a record that was replaced is an alarm and not another backup`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            try await words.backUp(["c"])
            // A sealed record, with the name of another one.
            try remove(second, of: words)
            try FileManager.default.copyItem(
                atPath: words.path + "/records/" + first.file, toPath: words.path + "/records/" + second.file)
            let state = try await words.set().state()
            #expect(state.alarms.map(\.kind) == [.damagedRecord])
            #expect(state.alarms.first?.file == second.file)
            #expect(state.alarms.first?.description.contains("has the name of another record") ?? false)
            #expect(state.backups.count == 2)
            // Given up by the name of its file, it is forgotten by its whole id.
            let id = try #require(state.id(ofRecord: second.file))
            #expect(id == second.id)
            try await words.set().forget(because: "a test") { _ in
                []
            } givingUp: {
                [second.file]
            }
            #expect(try await words.set().state().alarms.isEmpty)
            #expect(!words.files("records").contains(second.file))
            #expect(try await words.set().forgotten() == [second.id])
        }
    }

    @Test func `a changed seal is damage of its record, and not another backup that is gone`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            try await words.backUp(["c"])
            try words.change("records/" + second.file) { $0[$0.count - 60] ^= 1 }
            let state = try await words.set().state()
            #expect(state.alarms.map(\.kind) == [.damagedRecord])
            #expect(state.alarms.first?.file == second.file)
            #expect(state.alarms.first?.description.contains("its seal says") ?? false)
            #expect(state.backups.count == 2)
        }
    }

    @Test func `a record that a newer Lifeboat has written is not to be given up`() async throws {
        try await withSetOfWords { words in
            let backup = try await words.backUp(["a"])
            try words.change("records/" + backup.file) { bytes in
                let place = bytes.range(of: Data("\"version\":1".utf8))
                if let place { bytes[place.upperBound - 1] = UInt8(ascii: "2") }
            }
            let alarm = try #require(try await words.set().state().alarms.first)
            #expect(alarm.description.contains("format version 2"))
            #expect(alarm.advice == "read it with a newer Lifeboat")
        }
    }

    @Test func `a copy of a record under another name goes without its backup`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a"])
            try await words.backUp(["b"])
            let stray = "20250101T000000Z-" + first.file.dropFirst(17)
            try FileManager.default.copyItem(
                atPath: words.path + "/records/" + first.file, toPath: words.path + "/records/" + stray)
            #expect(try await words.set().state().alarms.map(\.file) == [stray])
            try await words.set().forget(because: "a test") { _ in
                []
            } givingUp: {
                [stray]
            }
            #expect(try await words.set().state().alarms.isEmpty)
            #expect(try await words.set().forgotten().isEmpty)
            // So it is still missed when it goes.
            try remove(first, of: words)
            #expect(try await words.set().state().alarms.map(\.backup) == [first.id])
        }
    }

    @Test(arguments: [true, false])
    func `what cannot be read or is gone is told when the set is copied, and missed in the copy`(isGone: Bool)
        async throws
    {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            try await words.backUp(["c"])
            if isGone {
                try remove(second, of: words)
            } else {
                try words.change("records/" + second.file) { $0 = $0.prefix(500) }
            }
            let other = try await BackupSet.create(words.path + "-other", surroundings: .ofThisMachine)
            let result = try await words.set().copy(nil, to: other)
            #expect(result.copied.count == 2)
            #expect(result.alarms.map(\.kind) == [isGone ? .absent : .damagedRecord])
            #expect(try await other.state().alarms.map(\.backup) == [second.id])
        }
    }

    @Test(arguments: [false, true])
    func `a set whose records are gone is no layout, and gets no new ones`(wasVerified: Bool) async throws {
        try await withSetOfWords { words in
            let backup = try await words.backUp(["a"])
            try await words.set().writeIndex(of: backup)
            if wasVerified {
                try await words.set().add(BackupEvidence(.verified, of: backup.id, at: words.now))
            }
            try FileManager.default.removeItem(atPath: words.path + "/records")
            let isSet = try await BackupSet.isSet(words.path, in: LocalFileSystem())
            #expect(isSet)
            for isWriting in [false, true] {
                let error = await #expect(throws: ArchiveError.self) {
                    _ =
                        isWriting
                        ? try await BackupSet.create(words.path, surroundings: .ofThisMachine)
                        : try await BackupSet.open(words.path, surroundings: .ofThisMachine)
                }
                #expect(error?.kind == .damaged)
                #expect(error?.advice == "put records back from a copy of the set")
            }
        }
    }

    @Test func `changed evidence is an alarm, and its backup is not verified by it`() async throws {
        try await withSetOfWords { words in
            let backup = try await words.backUp(["a"])
            try await words.set().add(BackupEvidence(.verified, of: backup.id, at: words.now))
            let path = words.path + "/evidence/" + (try #require(words.files("evidence").first))
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            bytes[bytes.count - 4] ^= 1
            try bytes.write(to: URL(fileURLWithPath: path))
            let state = try await words.set().state()
            #expect(state.alarms.map(\.kind) == [.damagedEvidence])
            #expect(state.verified.isEmpty)
        }
    }

    @Test func `the later verification decides`() async throws {
        try await withSetOfWords { words in
            let backup = try await words.backUp(["a"])
            let set = try await words.set()
            for (day, passed) in [(1, true), (3, false), (2, true)] {
                try await set.add(BackupEvidence(.verified, of: backup.id, at: Int64(day), passed: passed))
            }
            #expect(try await set.state().verified.isEmpty)
            #expect(try await set.state().failed == [backup.id: 3])
            try await set.add(BackupEvidence(.verified, of: backup.id, at: 4))
            #expect(try await set.state().verified == [backup.id: 4])
            #expect(try await set.state().failed.isEmpty)
        }
    }

    @Test func `a forgetting that was cut short leaves the backup as it was`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a"])
            try await words.backUp(["b"])
            // The evidence comes first.
            try await words.set().add(BackupEvidence(.forgotten, of: first.id, at: words.now))
            #expect(try await words.set().state().backups.count == 2)
            #expect(try await words.set().prune().trashed.blobs == 0)
            try await words.set().forget(because: "a test") { _ in [first.id] }
            #expect(try await words.set().state().backups.count == 1)
            #expect(try await words.set().prune().trashed.blobs == 2)
        }
    }

    @Test func `a set that got some backups of another one misses none of the rest`() async throws {
        try await withSetOfWords { words in
            var backups: [Backup] = []
            for night in 0..<4 { backups.append(try await words.backUp(["\(night)"])) }
            try await words.set().forget(because: "a test") { [backups] _ in [backups[0].id] }
            let other = try await BackupSet.create(words.path + "-other", surroundings: .ofThisMachine)
            _ = try await words.set().copy([backups[1], backups[3]], to: other)
            let state = try await other.state()
            #expect(state.alarms.isEmpty, "\(state.alarms)")
            #expect(state.backups.map(\.id) == [backups[1].id, backups[3].id])
            _ = try await words.set().copy(nil, to: other)
            #expect(try await other.state().alarms.isEmpty)
            #expect(try await other.backups().map(\.id) == backups[1...].map(\.id))
        }
    }

    @Test func `index.json names the newest backup that is left`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            func tags() throws -> String {
                let text = try String(contentsOfFile: words.path + "/index.json", encoding: .utf8)
                return ["a", "b"].filter { text.contains("team/app:\($0)\"") }.joined()
            }
            #expect(try tags() == "b")
            try await words.set().forget(because: "a test") { _ in [second.id] }
            #expect(try tags() == "a")
            try await words.set().forget(because: "a test") { state in state.backups.map(\.id) }
            #expect(try tags().isEmpty)
            let layout = try await Layout.open(
                words.path, surroundings: .ofThisMachine, files: LocalFileSystem())
            #expect(try await layout.images().isEmpty)
        }
    }
}
