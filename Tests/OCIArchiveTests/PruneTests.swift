import Foundation
import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

@Suite struct PruneTests {
    private func exists(_ words: SetOfWords, _ word: String) async throws -> Bool {
        try await words.set().status(of: SetOfWords.layer(word).digest) != nil
    }

    private func forget(_ backups: Backup..., from words: SetOfWords) async throws {
        try await words.set().forget(because: "a test") { _ in backups.map(\.id) }
    }

    @Test func `what no backup needs waits in the trash and then is deleted`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a", "b"])
            try await words.backUp(["b", "c"])
            try await forget(first, from: words)
            let announced = try await words.set().prune(isDryRun: true)
            #expect(try await exists(words, "a"))
            let report = try await words.set().prune()
            #expect(announced.trashed == report.trashed && announced.waiting == report.waiting)
            // The layer of a, and its manifest.
            #expect(report.trashed.blobs == 2)
            #expect(report.kept == 5)
            #expect(report.backups == 1)
            #expect(report.freed.blobs == 0)
            #expect(report.freedNext == Moment(words.now + 3 * SetOfWords.day))
            #expect(try await !exists(words, "a"))
            #expect(try await exists(words, "b"))
            let layer = SetOfWords.layer("a").digest.hex
            #expect(words.files("trash").contains("\(Moment(words.now).compact)/sha256/\(layer)"))
            // Not yet.
            words.now += 3 * SetOfWords.day - 1
            #expect(try await words.set().prune().freed.blobs == 0)
            #expect(words.files("trash").count == 2)
            words.now += 1
            let last = try await words.set().prune()
            #expect(last.freed == report.trashed)
            #expect(last.waiting.blobs == 0 && last.freedNext == nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: words.path + "/trash").isEmpty)
            #expect(try await words.faults().isEmpty)
        }
    }

    @Test func `without grace it is deleted at once`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a", "b"])
            try await words.backUp(["b"])
            try await forget(first, from: words)
            let report = try await words.set().prune(grace: 0)
            #expect(report.freed.blobs == 2 && report.trashed.blobs == 0)
            #expect(words.files("trash").isEmpty)
            #expect(words.files("blobs").count == 3)
        }
    }

    @Test func `a blob in the trash that a backup needs is put back`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a"])
            try await words.backUp(["b"])
            let record = words.path + "/records/" + first.file
            let bytes = try Data(contentsOf: URL(fileURLWithPath: record))
            try await forget(first, from: words)
            try await words.set().prune()
            // Somebody copies the record back, and takes the evidence away.
            try bytes.write(to: URL(fileURLWithPath: record))
            for name in words.files("evidence") {
                try FileManager.default.removeItem(atPath: words.path + "/evidence/" + name)
            }
            words.now += 10 * SetOfWords.day
            let report = try await words.set().prune()
            #expect(report.takenBack.blobs == 2)
            #expect(report.freed.blobs == 0)
            #expect(try await words.faults().isEmpty)
        }
    }

    @Test func `a writer takes back what it needs`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a"])
            try await words.backUp(["b"])
            try await forget(first, from: words)
            try await words.set().prune()
            let blobs = try await BackupBlobs(try await words.set())
            #expect(try await blobs.holds(SetOfWords.layer("a")))
            #expect(try await exists(words, "a"))
            #expect(try await !blobs.holds(SetOfWords.layer("never")))
        }
    }

    @Test func `a writer and a prune do not meet`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let writer = try await words.set().lock(shared: true)
            let second = try await words.set().lock(shared: true)
            let now = words
            for attempt in 0..<2 {
                let error = await #expect(throws: ArchiveError.self) {
                    if attempt == 0 {
                        _ = try await now.set().prune()
                    } else {
                        try await now.set().forget(because: "a test") { _ in [] }
                    }
                }
                #expect(error?.kind == .locked)
            }
            // To look is not to touch.
            _ = try await words.set().prune(isDryRun: true)
            try await second.release()
            try await writer.release()
            let pruner = try await words.set().lock(shared: false)
            let error = await #expect(throws: ArchiveError.self) { try await now.set().lock(shared: true) }
            #expect(error?.kind == .locked)
            try await pruner.release()
            _ = try await words.set().prune()
        }
    }

    // MARK: What stops it

    @Test func `it refuses while a record cannot be read`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let second = try await words.backUp(["b"])
            let path = words.path + "/records/" + second.file
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            // In the middle, which only the seal tells; and at the end.
            for position in [whole.count / 2, whole.count - 5] {
                var changed = whole
                changed[position] ^= 1
                try changed.write(to: URL(fileURLWithPath: path))
                let now = words
                for isDryRun in [true, false] {
                    let error = await #expect(throws: ArchiveError.self) {
                        try await now.set().prune(isDryRun: isDryRun)
                    }
                    #expect(error?.kind == .damaged)
                    #expect(error?.description.contains("is not pruned: ") ?? false)
                    #expect(error?.description.contains(second.file) ?? false)
                    #expect(error?.advice?.contains("lifeboat forget \(words.path) \(second.file)") ?? false)
                }
            }
            #expect(words.files("trash").isEmpty)
        }
    }

    @Test func `it refuses while a backup is suspect, until somebody says that it is right`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a", "b"])
            let suspect = try await words.backUp(["a"], suspect: "1 of 2 tags is gone")
            try await forget(first, from: words)
            let now = words
            let error = await #expect(throws: ArchiveError.self) { try await now.set().prune() }
            #expect(error?.kind == .policy)
            #expect(
                error?.description.contains("\(suspect.name) of \(suspect.moment) is suspect: 1 of 2 tags") ?? false)
            try await words.set().add(BackupEvidence(.accepted, of: suspect.id, at: words.now))
            #expect(try await words.set().prune().trashed.blobs == 2)
        }
    }

    @Test func `it refuses by a clock that is behind`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            words.now -= 1
            let now = words
            let error = await #expect(throws: ArchiveError.self) { try await now.set().prune() }
            #expect(error?.kind == .policy)
            #expect(error?.description.contains("the clock says 2026-11-02T11:59:59Z") ?? false)
        }
    }

    @Test func `trash of the future waits`() async throws {
        try await withSetOfWords { words in
            let first = try await words.backUp(["a"])
            try await words.backUp(["b"])
            try await forget(first, from: words)
            try await words.set().prune()
            let name = try #require(FileManager.default.contentsOfDirectory(atPath: words.path + "/trash").first)
            try FileManager.default.moveItem(
                atPath: words.path + "/trash/" + name,
                toPath: words.path + "/trash/" + Moment(words.now + 100 * SetOfWords.day).compact)
            let report = try await words.set().prune(grace: 1)
            #expect(report.freed.blobs == 0 && report.waiting.blobs == 2)
        }
    }

    @Test func `what is no blob is left alone and named`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            for name in ["blobs/sha256/README", "trash/mine", "blobs/sha256/\(String(repeating: "A", count: 64))"] {
                let path = words.path + "/" + name
                try FileManager.default.createDirectory(
                    atPath: parentFolder(of: path), withIntermediateDirectories: true)
                try Data().write(to: URL(fileURLWithPath: path))
            }
            let report = try await words.set().prune(grace: 0)
            #expect(report.freed.blobs == 0)
            #expect(report.notes.count == 1)
            #expect(report.notes.first?.contains("and 2 more") ?? false)
            #expect(FileManager.default.fileExists(atPath: words.path + "/trash/mine"))
        }
    }

    @Test func `blobs of a backup that never came to be go too`() async throws {
        try await withSetOfWords { words in
            try await words.backUp(["a"])
            let set = try await words.set()
            let stray = ByteBuffer(string: "stray")
            for algorithm in Digest.Algorithm.allCases {
                let blob = Descriptor(
                    mediaType: .ociLayer, digest: Digest(of: stray, algorithm: algorithm), size: 5)
                try await set.folder.store(Content(stray, as: blob, from: "test"))
            }
            #expect(try await set.prune().trashed == PruneReport.Amount(blobs: 2, bytes: 10))
            #expect(try await set.prune(grace: 0).freed == PruneReport.Amount(blobs: 2, bytes: 10))
        }
    }

    // MARK: Crashes

    /// The set that all the crashes happen to: one backup to be forgotten, blobs in the trash that are due, that are
    /// not, and one that a backup needs.
    private func prepare(_ words: inout SetOfWords) async throws -> Backup {
        let first = try await words.backUp(["a", "b"])
        let second = try await words.backUp(["b", "c"])
        let third = try await words.backUp(["c", "d"])
        try await forget(first, from: words)
        try await words.set().prune()
        words.now += 2 * SetOfWords.day
        let needed = SetOfWords.layer("d").digest
        let trash = words.path + "/trash/" + Moment(words.now).compact + "/sha256"
        try FileManager.default.createDirectory(atPath: trash, withIntermediateDirectories: true)
        try FileManager.default.moveItem(
            atPath: "\(words.path)/blobs/sha256/\(needed.hex)", toPath: "\(trash)/\(needed.hex)")
        words.now += 2 * SetOfWords.day
        _ = third
        return second
    }

    /// At each call with `LIFEBOAT_SCALE=full`, else at one in seven.
    @Test func `a forget and a prune cut off at any change lose nothing that is kept`() async throws {
        let step = Scale.isFull ? 1 : 7
        var cuts = 1 - step
        try await withSetOfWords { template in
            let goes = try await prepare(&template)
            var isDone = false
            while !isDone {
                cuts += step
                try #require(cuts < 2000, "it does not end")
                isDone = try await withTemporaryFolder { [template, cuts] folder in
                    try FileManager.default.copyItem(atPath: template.path, toPath: folder + "/set")
                    var words = template
                    words.path = folder + "/set"
                    return try await cut(words, after: cuts, goes)
                }
            }
        }
        #expect(cuts > 20)
    }

    /// - Returns: whether all was done before it came to the cut.
    private func cut(_ words: SetOfWords, after calls: Int, _ goes: Backup) async throws -> Bool {
        let files = FaultyFiles(deadAfter: calls)
        do {
            let set = try await words.set(files)
            try await set.forget(because: "a test") { _ in [goes.id] }
            try await set.prune()
        } catch is FileError {
        }
        // The one that was taken away by hand is all that may be missing.
        let stray = SetOfWords.layer("d").digest.short
        let faults = try await words.faults().filter { !$0.hasSuffix("lacks \(stray)") }
        #expect(faults.isEmpty, "cut after \(calls) calls: \(faults)")
        // The next run ends what was begun, whatever that was.
        try await words.set(FaultyFiles()).forget(because: "a test") { state in
            state.backups.map(\.id).filter { $0 == goes.id }
        }
        try await words.set(FaultyFiles()).prune()
        #expect(try await words.faults().isEmpty, "cut after \(calls) calls")
        #expect(try await words.set().backups().count == 1)
        let state = try await words.set().state()
        #expect(state.alarms.isEmpty, "cut after \(calls) calls: \(state.alarms)")
        // c and d with their manifests, and the config.
        #expect(words.files("blobs").count == 5)
        #expect(words.files("lifeboat-tmp").filter { $0 != "lock" }.isEmpty)
        return files.calls <= calls
    }
}
