import NIOCore
import OCI
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCIArchive

@Suite struct BackupHistoryTests {
    private static func digest(_ text: String) -> Digest { Digest(of: Array(text.utf8)) }

    private static func image(_ tag: String, _ text: String, registry: String? = "r.example.com") throws -> NamedImage {
        NamedImage(
            registry: registry, repository: try RepositoryName("team/app"), tag: try Tag(tag),
            descriptor: Descriptor(mediaType: .ociManifest, digest: digest(text), size: 1))
    }

    /// A night in words: `1` for what the tag points to, `-` for none, `?` for an incomplete backup without it.
    private func history(_ nights: String) async throws -> [String] {
        try await withTemporaryFolder { folder in
            let set = try await BackupSet.create(folder, surroundings: .ofThisMachine)
            for (number, night) in nights.enumerated() {
                var record = BackupRecord(
                    header: BackupHeader(
                        pipeline: "", source: "", began: 0, ended: 1000 + Int64(number),
                        state: night == "?" ? .incomplete : .complete))
                if night != "-", night != "?" { record.images = [try Self.image("1", String(night))] }
                record.header.images = record.images.count
                _ = try await set.seal(record)
            }
            let backups = try await set.backups()
            let name = try TagName(parsing: "team/app:1")
            let spans = try await RecordIndex().spans(of: name, in: set, backups)
            return TagHistory(spans, backups: backups).entries.map { entry in
                let what = (1...9).first { Self.digest("\($0)") == entry.digest }.map { "\($0)" } ?? "-"
                return "\(what) \(entry.first.header.ended - 1000)…\(entry.last.header.ended - 1000)"
            }
        }
    }

    @Test(arguments: [
        ("111", ["1 0…2"]), ("122", ["1 0…0", "2 1…2"]), ("-1-1", ["1 1…1", "- 2…2", "1 3…3"]), ("---", []),
        ("121", ["1 0…0", "2 1…1", "1 2…2"]),
        // What an incomplete backup lacks may have been there.
        ("1?1", ["1 0…2"]), ("1?", ["1 0…0"]), ("1?-", ["1 0…0", "- 2…2"]), ("?1", ["1 1…1"]),
    ])
    func `a tag's history is what it pointed to, and since when`(_ nights: String, _ wanted: [String]) async throws {
        #expect(try await history(nights) == wanted)
    }

    @Test func `a backup of another pipeline does not say that a tag is gone`() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackupSet.create(folder, surroundings: .ofThisMachine)
            for night in 0..<4 {
                let isOurs = night % 2 == 0
                var record = BackupRecord(
                    header: BackupHeader(
                        pipeline: isOurs ? "ours" : "theirs", source: "s", began: 0, ended: 1000 + Int64(night),
                        images: 1))
                record.images = [try Self.image(isOurs ? "1" : "2", "x")]
                _ = try await set.seal(record)
            }
            let backups = try await set.backups()
            let spans = try await RecordIndex().spans(of: try TagName(parsing: "team/app:1"), in: set, backups)
            let entries = TagHistory(spans, backups: backups).entries
            #expect(entries.count == 1 && entries[0].first == backups[0] && entries[0].last == backups[2])
        }
    }

    @Test(arguments: [
        ("team/app:1", "team/app:1"), ("r.example.com/team/app:1", "r.example.com/team/app:1"),
        ("localhost:5000/app:1.2", "localhost:5000/app:1.2"), ("app:x", "app:x"),
    ])
    func `a tag is named with or without its registry`(_ text: String, _ wanted: String) throws {
        #expect(try TagName(parsing: text).description == wanted)
    }

    @Test(arguments: ["team/app", "team/app@sha256:00", "localhost:5000/app", ":1", "team/app:", "team/App:1"])
    func `what names no tag is refused`(_ text: String) {
        #expect(throws: (any Error).self) { try TagName(parsing: text) }
    }

    @Test func `a tag without a registry is that of any`() throws {
        let image = try Self.image("1", "x")
        #expect(try TagName(parsing: "team/app:1").names(image))
        #expect(try TagName(parsing: "r.example.com/team/app:1").names(image))
        #expect(try !TagName(parsing: "other.example.com/team/app:1").names(image))
        #expect(try !TagName(parsing: "team/app:2").names(image))
    }

    @Test func `a difference names what was added, moved and gone`() throws {
        let old = [try Self.image("a", "1"), try Self.image("b", "1"), try Self.image("c", "1")]
        let new = [
            try Self.image("b", "1"), try Self.image("c", "2"), try Self.image("d", "3"),
            try Self.image("b", "9", registry: "other.example.com"),
        ]
        let difference = BackupDifference(from: old, to: new)
        #expect(difference.same == 1)
        #expect(
            difference.entries == [
                .init(name: "other.example.com/team/app:b", change: .added(Self.digest("9"))),
                .init(name: "r.example.com/team/app:a", change: .gone(Self.digest("1"))),
                .init(name: "r.example.com/team/app:c", change: .moved(from: Self.digest("1"), to: Self.digest("2"))),
                .init(name: "r.example.com/team/app:d", change: .added(Self.digest("3"))),
            ])
        #expect(BackupDifference(from: old, to: old).entries.isEmpty)
    }
}
