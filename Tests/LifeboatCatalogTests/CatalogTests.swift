import Foundation
import Lifeboat
import LifeboatCatalog
import OCI
import TestSupport
import Testing

@Suite struct CatalogTests {
    private func written(_ tag: String, _ text: String, in repository: String = "team/app") throws -> WrittenTag {
        WrittenTag(
            registry: "new.example.com", repository: try RepositoryName(repository), tag: try Tag(tag),
            digest: Digest(of: Array(text.utf8)), time: 1_795_200_000_000, run: "run-1")
    }

    private func known(_ catalog: Catalog, _ tag: WrittenTag) async throws -> Digest? {
        try await catalog.lastWritten(registry: tag.registry, repository: tag.repository, tag: tag.tag).digest
    }

    private func expect(
        _ catalog: Catalog, failsWith kind: FailureKind, saying words: String, advice: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let tag = try written("1", "a")
        for attempt in 0..<2 {
            do {
                if attempt == 0 { _ = try await known(catalog, tag) } else { try await catalog.record(tag) }
                Issue.record("nothing was wrong", sourceLocation: sourceLocation)
            } catch let error as any Failure {
                #expect(error.kind == kind, sourceLocation: sourceLocation)
                #expect(error.description.contains(words), "\(error.description)", sourceLocation: sourceLocation)
                #expect(error.advice?.contains(advice) ?? false, "\(error)", sourceLocation: sourceLocation)
            }
        }
    }

    @Test func `what was written last is known, also to the next process`() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(folder: folder + "/a/state")
            let (first, second) = (try written("1", "a"), try written("1", "b"))
            #expect(try await known(catalog, first) == nil)
            try await catalog.record(first)
            #expect(try await known(catalog, first) == first.digest)
            try await catalog.record(second)
            #expect(try await known(catalog, first) == second.digest)
            #expect(try await known(catalog, try written("2", "a")) == nil)
            #expect(try await known(catalog, try written("1", "a", in: "team/web")) == nil)
            try await catalog.close()
            let next = Catalog(folder: folder + "/a/state")
            #expect(try await known(next, first) == second.digest)
            try await next.close()
        }
    }

    @Test func `a write that was begun is known until it has succeeded`() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(folder: folder)
            let (first, second) = (try written("1", "a"), try written("1", "b"))
            func last() async throws -> LastWritten {
                try await catalog.lastWritten(registry: first.registry, repository: first.repository, tag: first.tag)
            }
            try await catalog.begin(first)
            #expect(try await last() == LastWritten(begun: first.digest))
            try await catalog.record(first)
            #expect(try await last() == LastWritten(digest: first.digest))
            try await catalog.begin(second)
            #expect(try await last() == LastWritten(digest: first.digest, begun: second.digest))
            try await catalog.record(second)
            #expect(try await last() == LastWritten(digest: second.digest))
            try await catalog.close()
        }
    }

    @Test func `nothing is made before it is needed, and only its owner can read it`() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(folder: folder + "/state")
            #expect(!FileManager.default.fileExists(atPath: folder + "/state"))
            try await catalog.record(written("1", "a"))
            for name in ["", "-wal", "-shm"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: catalog.path + name)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
            }
            try await catalog.close()
        }
    }

    @Test func `several writers at once lose nothing`() async throws {
        try await withTemporaryFolder { folder in
            try await forEach(0..<8, limit: 8) { writer in
                // Each opens, and perhaps makes, the file by itself, as processes do.
                let catalog = Catalog(folder: folder)
                for number in 0..<20 {
                    try await catalog.record(written("\(writer)-\(number)", "x\(writer).\(number)"))
                }
                try await catalog.close()
            }
            let catalog = Catalog(folder: folder)
            for writer in 0..<8 {
                for number in 0..<20 {
                    let tag = try written("\(writer)-\(number)", "x\(writer).\(number)")
                    #expect(try await known(catalog, tag) == tag.digest)
                }
            }
            try await catalog.close()
        }
    }

    @Test func `a damaged file is said to be a cache that can be removed`() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(folder: folder)
            try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: catalog.path))
            try await expect(catalog, failsWith: .local, saying: "is damaged", advice: "it is a cache: remove it")
            try FileManager.default.removeItem(atPath: catalog.path)
            let tag = try written("1", "a")
            try await catalog.record(tag)
            #expect(try await known(catalog, tag) == tag.digest)
            try await catalog.close()
        }
    }

    @Test func `a damaged page is found when it is read`() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(folder: folder)
            for number in 0..<200 { try await catalog.record(written("tag-\(number)", "\(number)")) }
            try await catalog.close()
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: catalog.path))
            try file.seek(toOffset: 4096)
            try file.write(contentsOf: Data(repeating: 0xff, count: 16_000))
            try file.close()
            let damaged = Catalog(folder: folder)
            try await expect(damaged, failsWith: .local, saying: "is damaged", advice: "it is a cache: remove it")
            try await damaged.close()
        }
    }

    @Test(.enabled(if: Program.exists("python3"), "needs python3"))
    func `a file of a newer lifeboat is refused with words, and left as it is`() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(folder: folder)
            try await catalog.record(written("1", "a"))
            try await catalog.close()
            let script =
                "import sqlite3,sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 7').connection.commit()"
            try await Program.run("python3", "-c", script, catalog.path)
            let newer = Catalog(folder: folder)
            try await expect(
                newer, failsWith: .local, saying: "has version 7, this lifeboat knows up to 2",
                advice: "a newer lifeboat")
            let query =
                "import sqlite3,sys; c = sqlite3.connect(sys.argv[1]); print(c.execute('PRAGMA user_version').fetchone(), c.execute('SELECT count(*) FROM written_tag').fetchone())"
            #expect(try await Program.run("python3", "-c", query, catalog.path).output == "(7,) (1,)\n")
        }
    }

    @Test func `a folder that cannot be made is named`() async throws {
        let catalog = Catalog(folder: "/proc/lifeboat/state")
        try await expect(
            catalog, failsWith: .local, saying: "cannot be used: cannot make /proc/lifeboat", advice: "--state")
    }
}
