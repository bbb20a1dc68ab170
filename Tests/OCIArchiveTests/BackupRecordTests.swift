import Foundation
import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Records of backups: written in one way, read strictly, nothing believed before the seal.
struct BackupRecordTests {
    private let manifest = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociManifest)
    private let layer = Descriptor(of: ByteBuffer(string: "layer"), mediaType: .ociLayer)

    private func record(ended: Int64 = 1_763_690_400, state: BackupHeader.State = .complete) throws -> BackupRecord {
        var record = BackupRecord(
            header: BackupHeader(
                pipeline: "nightly", source: "registry.example.com", began: ended - 60, ended: ended, state: state,
                images: 1, blobs: 2, bytes: manifest.size + layer.size, bytesAdded: 5))
        record.heads = [layer.digest]
        record.forgotten = [manifest.digest]
        record.images = [
            NamedImage(
                registry: "registry.example.com", repository: try RepositoryName("team/app"), tag: .latest,
                descriptor: manifest)
        ]
        record.missing = [MissingImage(name: "registry.example.com/x:1", kind: .unavailable, message: "503 \"busy\"")]
        record.blobs = [
            ArchivedBlob(digest: manifest.digest, size: manifest.size, role: .manifest, mediaType: .ociManifest),
            ArchivedBlob(digest: layer.digest, size: layer.size, role: .layer),
        ]
        record.omitted = [Digest(of: ByteBuffer(string: "elsewhere"))]
        return record
    }

    private func withSet(_ body: (BackupSet, String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await body(try await BackupSet.create(folder, surroundings: .ofThisMachine), folder)
        }
    }

    private func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        body(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func `a record comes back as it was written, and its id is the hash of its bytes`() async throws {
        try await withSet { set, folder in
            let written = try record()
            let backup = try await set.seal(written)
            #expect(backup.file == "20251121T020000Z-\(backup.id.hex.prefix(12)).jsonl")
            #expect(try await set.backups() == [backup])
            let read = try await set.record(backup)
            #expect(read.header == written.header)
            #expect(read.heads == written.heads)
            #expect(read.forgotten == written.forgotten)
            #expect(read.images == written.images)
            #expect(read.missing == written.missing)
            #expect(read.blobs == written.blobs)
            #expect(read.omitted == written.omitted)
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(folder)/records/\(backup.file)")))
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            let body = lines.dropLast().flatMap { $0 + [UInt8(ascii: "\n")] }
            #expect(Digest(of: body) == backup.id)
            #expect(
                String(decoding: try #require(lines.last), as: UTF8.self)
                    == #"{"digest":"\#(backup.id)","lines":\#(lines.count - 1),"record":"seal"}"#)
        }
    }

    @Test func `a record cut off at any byte is no backup`() async throws {
        try await withSet { set, folder in
            let backup = try await set.seal(try record())
            let path = "\(folder)/records/\(backup.file)"
            let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
            for length in stride(from: 0, to: whole.count, by: 3) {
                try Data(whole.prefix(length)).write(to: URL(fileURLWithPath: path))
                let listing = try await set.listing()
                #expect(listing.backups.isEmpty, "cut at \(length)")
                #expect(listing.damaged.map(\.file) == [backup.file])
            }
        }
    }

    @Test func `a changed bit anywhere in a record is found before anything of it is believed`() async throws {
        try await withSet { set, folder in
            let backup = try await set.seal(try record())
            let path = "\(folder)/records/\(backup.file)"
            let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
            for offset in whole.indices {
                let bit = offset % 7
                try change(path) { $0[offset] ^= 1 << bit }
                let found = try await set.listing()
                if let first = found.backups.first {
                    await #expect(throws: (any Error).self, "bit \(bit) of byte \(offset)") {
                        _ = try await set.record(first)
                    }
                } else {
                    #expect(found.damaged.count == 1, "bit \(bit) of byte \(offset)")
                }
                try Data(whole).write(to: URL(fileURLWithPath: path))
            }
            _ = try await set.record(backup)
        }
    }

    @Test func `a record under another name is not listed`() async throws {
        try await withSet { set, folder in
            let backup = try await set.seal(try record())
            let other = "20251122T020000Z-\(backup.name).jsonl"
            try FileManager.default.moveItem(
                atPath: "\(folder)/records/\(backup.file)", toPath: "\(folder)/records/\(other)")
            let listing = try await set.listing()
            #expect(listing.backups.isEmpty)
            #expect(listing.damaged.first?.error.description.contains("has the name of another record") == true)
        }
    }

    @Test func `a record of a newer format is refused by name, and the others are listed`() async throws {
        try await withSet { set, _ in
            let old = try await set.seal(try record())
            var newer = try record(ended: 1_763_776_800)
            newer.header.version = 2
            _ = try await set.seal(newer)
            let listing = try await set.listing()
            #expect(listing.backups == [old])
            #expect(listing.damaged.first?.error.advice == "read it with a newer Lifeboat")
        }
    }

    @Test func `a word finds a backup by its id, its time, or as the latest that is complete`() async throws {
        try await withSet { set, _ in
            let first = try await set.seal(try record(ended: 1_763_690_400))
            let second = try await set.seal(try record(ended: 1_763_776_800))
            let cut = try await set.seal(try record(ended: 1_763_863_200, state: .incomplete))
            #expect(try await set.find("latest") == second)
            #expect(try await set.find(String(cut.id.hex.prefix(4))) == cut)
            #expect(try await set.find(first.id.description) == first)
            #expect(try await set.find("2025-11-22T01:59:59Z") == first)
            #expect(try await set.find("2025-11-22T03:00:00+01:00") == second)
            #expect(try await set.find("2030-01-01T00:00:00Z") == second)
            for word in ["2025-11-21T01:59:59Z", "yesterday", "beef"] {
                await #expect(throws: ArchiveError.self) { _ = try await set.find(word) }
            }
        }
    }

    @Test func `a record whose middle is damaged keeps nobody from listing the others`() async throws {
        try await withSet { set, folder in
            let first = try await set.seal(try record())
            var other = try record()
            other.heads = [first.id]
            let second = try await set.seal(other)
            try change("\(folder)/records/\(second.file)") { bytes in
                let line = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? 0
                bytes[line + 3] ^= 1
            }
            #expect(Set(try await set.backups()) == [first, second])
            #expect(try await set.heads().contains(first.id))
            await #expect(throws: ArchiveError.self) { _ = try await set.record(second) }
        }
    }

    @Test func `backups of one second stand in the order in which they name each other`() async throws {
        try await withSet { set, _ in
            var written: [Backup] = []
            for number in 0..<6 {
                var record = try record()
                record.heads = written.last.map { [$0.id] } ?? []
                record.header.bytesAdded = Int64(number)
                written.append(try await set.seal(record))
            }
            #expect(try await set.backups() == written)
            #expect(try await set.find("latest") == written.last)
        }
    }

    @Test func `writers share the lock, and whoever takes away has it alone`() async throws {
        try await withSet { set, _ in
            let one = try await set.lock(shared: true)
            let two = try await set.lock(shared: true)
            await #expect(throws: ArchiveError.self) { _ = try await set.lock(shared: false) }
            try await one.release()
            try await two.release()
            let alone = try await set.lock(shared: false)
            await #expect(throws: ArchiveError.self) { _ = try await set.lock(shared: true) }
            try await alone.release()
        }
    }

    @Test func `evidence is written once, and a changed file of it is found`() async throws {
        try await withSet { set, folder in
            let evidence = BackupEvidence(
                kind: "forgotten", at: 1_763_690_400, ["backup": .string(manifest.digest.description)])
            try await set.add(evidence)
            try await set.add(evidence)
            #expect(try await set.evidence("forgotten").evidence == [evidence])
            #expect(try await set.forgotten() == [manifest.digest])
            let name = try #require(FileManager.default.contentsOfDirectory(atPath: "\(folder)/evidence").first)
            try change("\(folder)/evidence/\(name)") { $0[20] ^= 1 }
            let found = try await set.evidence("forgotten")
            #expect(found.evidence.isEmpty)
            #expect(found.damaged.map(\.file) == [name])
        }
    }
}
