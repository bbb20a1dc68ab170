import Foundation
import Lifeboat
import NIOCore
import OCI
import TestSupport
import Testing

@testable import LifeboatCatalog
@testable import OCIArchive

/// Whatever happens to the set and to the file: the catalog says what the records say, or that it cannot.
@Suite struct BackupCatalogTests {
    /// A set of records without blobs, since nothing here reads one.
    private struct Nights {
        let set: BackupSet
        var time: Int64 = 1_793_534_400

        static func digest(_ text: String) -> Digest { Digest(of: Array(text.utf8)) }

        /// Adds a backup with tags and what they point to.
        @discardableResult
        mutating func add(_ tags: [String: String], at time: Int64? = nil) async throws -> Backup {
            self.time += 86_400
            let ended = time ?? self.time
            var record = BackupRecord(
                header: BackupHeader(
                    pipeline: "nightly", source: "registry.example.com", began: ended, ended: ended,
                    images: tags.count, blobs: Set(tags.values).count, bytes: 100 * Int64(Set(tags.values).count)))
            record.images = try tags.sorted { $0.key < $1.key }.map { tag, text in
                NamedImage(
                    registry: "registry.example.com", repository: try RepositoryName("team/app"), tag: try Tag(tag),
                    descriptor: Descriptor(mediaType: .ociManifest, digest: Nights.digest(text), size: 100))
            }
            record.blobs = Set(tags.values).map {
                ArchivedBlob(digest: Nights.digest($0), size: 100, role: .manifest, mediaType: .ociManifest)
            }.sorted { $0.digest < $1.digest }
            return try await set.seal(record)
        }

        func forget(_ backup: Backup) async throws {
            try await set.forget(because: "a test") { _ in [backup.id] }
        }
    }

    private func withNights(_ body: (inout Nights, Catalog, String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            var nights = Nights(
                set: try await BackupSet.create(folder + "/set", surroundings: .ofThisMachine))
            let catalog = Catalog(folder: folder + "/state")
            try await body(&nights, catalog, folder)
            try await catalog.close()
        }
    }

    /// Every question that can be asked gets the same answer from the catalog and from the records.
    private func compare(_ catalog: Catalog, _ set: BackupSet, tags: [String], texts: [String]) async throws {
        let backups = try await set.backups()
        for tag in tags {
            let name = try TagName(parsing: "team/app:" + tag)
            let (ours, wanted) = (
                try await catalog.spans(of: name, in: set, backups),
                try await RecordIndex().spans(of: name, in: set, backups)
            )
            #expect(
                Set(ours.flatMap { span in (span.span.first...span.span.last).map { "\($0) \(span.digest)" } })
                    == Set(wanted.flatMap { span in (span.span.first...span.span.last).map { "\($0) \(span.digest)" } })
            )
            #expect(TagHistory(ours, backups: backups).entries == TagHistory(wanted, backups: backups).entries)
        }
        for text in texts {
            let digest = Nights.digest(text)
            let (ours, wanted) = (
                try await catalog.holders(of: digest, in: set, backups),
                try await RecordIndex().holders(of: digest, in: set, backups)
            )
            #expect(ours.spans == wanted.spans)
            #expect(ours.size == wanted.size && ours.role == wanted.role)
            func places(_ holders: DigestHolders) -> Set<String> {
                Set(
                    holders.images.flatMap { image in
                        (image.span.first...image.span.last).map {
                            "\($0) \(image.image.name) \(image.image.descriptor)"
                        }
                    })
            }
            #expect(places(ours) == places(wanted))
        }
    }

    @Test func `it says what the records say, whatever comes and goes`() async throws {
        var chance = SeededChance(seed: 11)
        let tags = ["a", "b", "c", "d"]
        let texts = ["1", "2", "3"]
        try await withNights { nights, catalog, _ in
            for _ in 0..<40 {
                switch chance.number(below: 10) {
                case 0..<6:
                    var held: [String: String] = [:]
                    for tag in tags where chance.number(below: 4) > 0 {
                        held[tag] = texts[chance.number(below: texts.count)]
                    }
                    try await nights.add(held)
                case 6..<9:
                    let backups = try await nights.set.backups()
                    guard backups.count > 1 else { continue }
                    try await nights.forget(backups[chance.number(below: backups.count)])
                default:
                    // One from elsewhere, of a time before the others.
                    try await nights.add(["a": "1"], at: 1_700_000_000 + Int64(chance.number(below: 1_000_000)))
                }
                try await compare(catalog, nights.set, tags: tags, texts: texts)
            }
        }
    }

    @Test func `only what is new is read`() async throws {
        try await withNights { nights, catalog, _ in
            let first = try await nights.add(["a": "1"])
            try await nights.add(["a": "1", "b": "2"])
            func refresh() async throws -> Catalog.Refreshed {
                try await catalog.refresh(nights.set, try await nights.set.backups())
            }
            #expect(try await refresh() == Catalog.Refreshed(added: 2, removed: 0))
            #expect(try await refresh() == Catalog.Refreshed())
            try await nights.add(["a": "2"])
            #expect(try await refresh() == Catalog.Refreshed(added: 1, removed: 0))
            try await nights.forget(first)
            #expect(try await refresh() == Catalog.Refreshed(added: 0, removed: 1))
            try await nights.add(["a": "2"], at: 1_600_000_000)
            #expect(try await refresh() == Catalog.Refreshed(added: 3, removed: 2))
        }
    }

    @Test func `two sets do not mix, and one set has one name`() async throws {
        try await withNights { nights, catalog, folder in
            try await nights.add(["a": "1"])
            var others = Nights(set: try await BackupSet.create(folder + "/other", surroundings: .ofThisMachine))
            try await others.add(["a": "2"])
            try await compare(catalog, nights.set, tags: ["a"], texts: ["1", "2"])
            try await compare(catalog, others.set, tags: ["a"], texts: ["1", "2"])
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/link", withDestinationPath: folder + "/set")
            let again = try await BackupSet.open(folder + "/link", surroundings: .ofThisMachine)
            #expect(try await catalog.refresh(again, try await again.backups()) == Catalog.Refreshed())
        }
    }

    @Test func `a damaged catalog is put aside by a rebuild, and everything is there again`() async throws {
        try await withNights { nights, catalog, folder in
            for night in 0..<5 { try await nights.add(["a": "\(night)", "b": "0"]) }
            let tag = WrittenTag(
                registry: "new.example.com", repository: try RepositoryName("team/app"), tag: try Tag("1"),
                digest: Nights.digest("1"), time: 1, run: "run")
            try await catalog.record(tag)
            try await compare(catalog, nights.set, tags: ["a"], texts: ["1"])
            try await catalog.close()
            let whole = try Data(contentsOf: URL(fileURLWithPath: catalog.path))
            for (name, damaged) in [
                ("half", whole.prefix(whole.count / 2) + Data(repeating: 0x5a, count: whole.count - whole.count / 2)),
                ("cut", whole.prefix(whole.count / 3)), ("none of ours", Data(repeating: 0x41, count: 9000)),
            ] {
                try Data(damaged).write(to: URL(fileURLWithPath: catalog.path))
                let next = Catalog(folder: folder + "/state")
                let (refreshed, aside) = try await next.rebuild(nights.set)
                #expect(refreshed.added == 5, "\(name)")
                #expect(aside == catalog.path + ".damaged", "\(name)")
                try await compare(next, nights.set, tags: ["a", "b"], texts: ["0", "1"])
                try await next.close()
            }
        }
    }

    @Test func `a catalog that is whole keeps what else it knows`() async throws {
        try await withNights { nights, catalog, _ in
            try await nights.add(["a": "1"])
            let tag = WrittenTag(
                registry: "new.example.com", repository: try RepositoryName("team/app"), tag: try Tag("1"),
                digest: Nights.digest("1"), time: 1, run: "run")
            try await catalog.record(tag)
            let (refreshed, aside) = try await catalog.rebuild(nights.set)
            #expect(refreshed.added == 1)
            #expect(aside == nil)
            let known = try await catalog.lastWritten(registry: tag.registry, repository: tag.repository, tag: tag.tag)
            #expect(known.digest == tag.digest)
        }
    }

    @Test func `a catalog of a newer version is left alone and says what to do`() async throws {
        try await withNights { nights, catalog, folder in
            try await nights.add(["a": "1"])
            try await catalog.refresh(nights.set, try await nights.set.backups())
            try await catalog.close()
            try await Program.run(
                "/usr/bin/python3", "-c",
                """
                import sqlite3, sys
                sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version = 99").connection.commit()
                """, catalog.path)
            let newer = Catalog(folder: folder + "/state")
            let set = nights.set
            let error = await #expect(throws: CatalogError.self) { _ = try await newer.rebuild(set) }
            #expect(error?.description.contains("has version 99, this lifeboat knows up to 3") ?? false)
            #expect(error?.advice?.contains("a newer lifeboat, or --state") ?? false)
            #expect(!FileManager.default.fileExists(atPath: catalog.path + ".damaged"))
        }
    }
}

/// Numbers by chance, the same in every run.
private struct SeededChance {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func number(below limit: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(limit))
    }
}
