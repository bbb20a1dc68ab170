import NIOCore
import OCI
import OCIArchive

/// The records of all pipelines that are watched: a small JSON file each, in the state folder.
///
/// A file is replaced as a whole. One that is damaged counts as absent, and is kept beside under `.damaged`: what
/// it said is lost, and nothing else.
public struct RunLedger: Sendable {
    public let folder: String
    private let files: any FileSystem

    /// Records have about 1 KiB.
    private static let sizeLimit = 1 << 20
    private static let suffix = ".json"
    /// Who only asks whether there is a run holds the lock for a moment: that must not keep a run away.
    private static let lockAttempts = 5
    private static let lockPause = Duration.milliseconds(20)

    /// - Parameter stateFolder: the user's, or what the command line says instead.
    public init(stateFolder: String, files: any FileSystem) {
        folder = stateFolder + "/pipelines"
        self.files = files
    }

    /// The record of a definition; nil if it has never been run here.
    ///
    /// - Parameter note: is given a line if there is one and it is damaged.
    /// - Throws: `FileError`.
    public func record(of file: String, note: (String) -> Void) async throws -> RunRecord? {
        try await read(path(of: file), note)
    }

    /// All records, by name and file.
    public func records(note: (String) -> Void) async throws -> [RunRecord] {
        guard try await files.status(folder, followLinks: true)?.kind == .folder else { return [] }
        var records: [RunRecord] = []
        for name in try await files.list(folder) where name.hasSuffix(RunLedger.suffix) {
            if let record = try await read(folder + "/" + name, note) { records.append(record) }
        }
        return records.sorted { ($0.name, $0.file) < ($1.name, $1.file) }
    }

    public func save(_ record: RunRecord) async throws {
        let path = path(of: record.file)
        try await files.createFolder(folder)
        try await ReportFile.prepare(path, in: files).write(record.json.text + "\n")
    }

    /// Keeps every other run of a definition away, also of other processes, for as long as the lock is held.
    ///
    /// - Throws: `LifeboatError` `.locked` if another run is at work; `FileError`.
    public func lock(_ file: String) async throws -> RunLock {
        try await files.createFolder(folder)
        let opened = try await files.open(lockPath(of: file), .readWrite)
        var attempt = 1
        while try await !opened.lock(shared: false) {
            guard attempt < RunLedger.lockAttempts else {
                try await opened.close()
                throw LifeboatError(
                    .locked, "another run of \(shown(file, limit: 1000)) is at work",
                    advice: "wait until it has ended; lifeboat status")
            }
            attempt += 1
            try await Task.sleep(for: RunLedger.lockPause)
        }
        return RunLock(file: opened)
    }

    /// Whether a run of a definition is at work now.
    public func isLocked(_ file: String) async throws -> Bool {
        guard try await files.status(lockPath(of: file), followLinks: true) != nil else { return false }
        let opened = try await files.open(lockPath(of: file), .read)
        return try await closing(opened) { try await !opened.lock(shared: true) }
    }

    private func lockPath(of file: String) -> String {
        path(of: file).dropLast(RunLedger.suffix.utf8.count) + ".lock"
    }

    private func read(_ path: String, _ note: (String) -> Void) async throws -> RunRecord? {
        guard try await files.status(path, followLinks: true) != nil else { return nil }
        let bytes = try await files.read(path, upTo: RunLedger.sizeLimit)
        do {
            return try RunRecord(try JSONValue(parsing: Array(bytes.readableBytesView), in: "the record"))
        } catch let error as OCIError {
            try await files.rename(path, to: path + ".damaged")
            note(
                "what was remembered of earlier runs in \(shown(path, limit: 1000)) is lost: \(error.description); kept beside as .damaged"
            )
            return nil
        }
    }

    /// `nightly-0123456789ab.json`: the file's name for people, and a digest of its path.
    private func path(of file: String) -> String {
        let last = file.split(separator: "/").last.map(String.init) ?? "pipeline"
        let stem = last.lastIndex(of: ".").map { last[..<$0] } ?? last[...]
        let word = String(
            stem.unicodeScalars.prefix(60).map { scalar -> Character in
                scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_")
                    ? Character(scalar) : "-"
            })
        return "\(folder)/\(word)-\(Digest(of: Array(file.utf8)).hex.prefix(12))\(RunLedger.suffix)"
    }
}

/// A lock that is held until it is let go, or the process ends.
public struct RunLock: Sendable {
    fileprivate let file: any File

    public func release() async throws { try await file.close() }
}
