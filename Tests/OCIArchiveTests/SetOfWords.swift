import Foundation
import NIOCore
import OCI
import TestSupport

@testable import OCIArchive

/// A backup set whose layers are words, and whose clock stands where it was set.
struct SetOfWords {
    /// Midday of 2026-11-01, UTC.
    static let start: Int64 = 1_793_534_400
    static let day: Int64 = 86_400

    var path: String
    var now = SetOfWords.start

    func set(_ files: any FileSystem = LocalFileSystem()) async throws -> BackupSet {
        let now = now
        var surroundings = Surroundings.ofThisMachine
        surroundings.now = { now * 1000 }
        return try await BackupSet.create(path, surroundings: surroundings, files: files)
    }

    static func layer(_ word: String) -> Descriptor {
        Descriptor(of: ByteBuffer(string: "layer " + word), mediaType: .ociLayer)
    }

    /// Adds a backup with an image of each word; images of the same word share everything.
    @discardableResult
    mutating func backUp(
        _ words: [String], state: BackupHeader.State = .complete, suspect: String? = nil
    ) async throws -> Backup {
        now += SetOfWords.day
        let set = try await set()
        var record = BackupRecord(
            header: BackupHeader(
                pipeline: "nightly", source: "registry.example.com", began: now - 60, ended: now, state: state,
                suspect: suspect))
        let config = ByteBuffer(string: "{}")
        var blobs: [Descriptor: ArchivedBlob.Role] = [:]
        for word in words {
            let layer = ByteBuffer(string: "layer " + word)
            let manifest = SeededImages.manifest(
                config: Descriptor(of: config, mediaType: .ociConfig), layers: [SetOfWords.layer(word)])
            let root = Descriptor(of: manifest, mediaType: .ociManifest)
            for (bytes, descriptor, role) in [
                (manifest, root, ArchivedBlob.Role.manifest),
                (config, Descriptor(of: config, mediaType: .ociConfig), .config),
                (layer, SetOfWords.layer(word), .layer),
            ] where blobs.updateValue(role, forKey: descriptor) == nil {
                if try await set.status(of: descriptor.digest) == nil {
                    try await set.folder.store(Content(bytes, as: descriptor, from: "test"))
                }
            }
            record.images.append(
                NamedImage(
                    registry: "registry.example.com", repository: try RepositoryName("team/app"), tag: try Tag(word),
                    descriptor: root))
        }
        record.blobs = blobs.map { descriptor, role in
            ArchivedBlob(
                digest: descriptor.digest, size: descriptor.size, role: role,
                mediaType: role == .manifest ? descriptor.mediaType : nil)
        }.sorted { ($0.role.order, $0.digest) < ($1.role.order, $1.digest) }
        record.header.images = record.images.count
        record.header.blobs = record.blobs.count
        record.header.bytes = record.blobs.reduce(0) { $0 + $1.size }
        record.heads = try await set.heads()
        record.forgotten = try await set.forgotten().sorted()
        let backup = try await set.seal(record)
        try await set.writeNewestIndex()
        return backup
    }

    /// What is wrong with the backups of the set, each blob of which is read.
    func faults() async throws -> [String] {
        let set = try await set()
        var faults = try await set.damagedRecords().map(\.error.description)
        for backup in try await set.backups() {
            try await set.forEachBlob(of: backup) { blob in
                guard let (file, status) = try await set.folder.open(set.path(of: blob.digest)) else {
                    faults.append("\(backup.name) lacks \(blob.digest.short)")
                    return
                }
                let bytes = try await closing(file) { try await file.read(at: 0, count: Int(status.size)) }
                if Digest(of: bytes) != blob.digest { faults.append("\(backup.name): \(blob.digest.short) is damaged") }
            }
        }
        return faults
    }

    /// Changes a file of the set in place.
    func change(_ file: String, _ body: (inout Data) -> Void) throws {
        let file = URL(fileURLWithPath: path + "/" + file)
        var bytes = try Data(contentsOf: file)
        body(&bytes)
        try bytes.write(to: file)
    }

    /// All files of a folder of the set, relative to it, sorted.
    func files(_ folder: String) -> [String] {
        let root = path + "/" + folder
        return (FileManager.default.subpaths(atPath: root) ?? []).filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }
}

func withSetOfWords(_ body: (inout SetOfWords) async throws -> Void) async throws {
    try await withTemporaryFolder { folder in
        var set = SetOfWords(path: folder + "/set")
        try await body(&set)
    }
}
