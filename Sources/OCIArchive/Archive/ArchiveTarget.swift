import NIOCore
import OCI
import Synchronization

/// An archive that is being written.
///
/// It grows beside its name, as `NAME.partial`, and gets the name when it is complete, synced and sealed. What an
/// interrupted run left there is used again, after its bytes were checked.
public final class ArchiveTarget: Sendable {
    /// The path of the archive; `-` is standard output.
    public let path: String
    public let format: ArchiveFormat
    let fileSystem: any FileSystem
    let replaces: Bool
    /// What a delta builds on; nil for a full archive.
    let base: BaseContents?
    private let phase: Mutex<Phase>

    enum Phase {
        case new
        case writing(Session)
        case ended
    }

    /// What is in hand between begin and commit.
    struct Session {
        let plan: ArchivePlan
        let ledger: SlotLedger
        /// Nil if there is nothing to write.
        let writer: (any ArchiveWriter)?
        /// What stood at the final name at the beginning.
        let found: FileStatus?
        /// What interrupted runs of something else have left.
        var remains: PartialRemains?
        /// The same of other files, which somebody else looks after.
        var others: [PartialRemains] = []
    }

    /// - Parameters:
    ///   - format: nil to go by the suffix of `path`.
    ///   - replace: whether a file at `path` that holds something else may be replaced.
    ///   - base: what the archive is to build on: it then holds only what that lacks.
    /// - Throws: `ArchiveError` `.usage` for a suffix that is no archive's.
    public init(
        path: String, format: ArchiveFormat? = nil, fileSystem: any FileSystem = LocalFileSystem(),
        replace: Bool = false, since base: BaseContents? = nil
    ) throws {
        self.path = path
        self.fileSystem = fileSystem
        replaces = replace
        self.base = base
        phase = Mutex(.new)
        guard let format = format ?? (path == "-" ? .plain : ArchiveFormat(suffixOf: path)) else {
            throw ArchiveError.usage(
                "\(shown(path, limit: 1000)) does not end like an archive",
                advice: "a name that ends with .tar, .tar.gz, .tar.zst or .tar.xz")
        }
        if path == "-", format != .plain {
            throw ArchiveError.usage(
                "an archive on standard output is always plain", advice: "pipe it into gzip or zstd")
        }
        self.format = format
    }

    /// Whether blobs must be written one after the other, in the order that `begin` returns.
    public var isSequential: Bool { isPipe }

    /// Whether the archive was there already, complete and right, so that nothing was written; known after `begin`.
    public var wasThere: Bool {
        phase.withLock { if case .writing(let session) = $0 { session.writer == nil } else { false } }
    }

    /// The id and size (unfiltered) of the archive; nil before `begin`.
    public var plan: ArchivePlan? {
        phase.withLock { if case .writing(let session) = $0 { session.plan } else { nil } }
    }

    var isPipe: Bool { path == "-" }
    var partialPath: String { path + ".partial" }
    /// The partial of something else, of which blobs are used.
    var oldPath: String { partialPath + ".old" }

    func session() throws -> Session {
        try phase.withLock { phase throws(ArchiveError) in
            guard case .writing(let session) = phase else {
                throw ArchiveError(.internal, "\(path) is not being written")
            }
            return session
        }
    }

    func enter(_ session: Session) {
        phase.withLock { $0 = .writing(session) }
    }

    /// Ends the session, whoever comes first.
    func leave() -> Session? {
        phase.withLock { phase in
            defer { phase = .ended }
            if case .writing(let session) = phase { return session }
            return nil
        }
    }

    /// - Throws: `ArchiveError` `.usage` for a folder or device at the path, `.conflict` for another file.
    func checkName(_ plan: ArchivePlan) async throws -> Bool {
        guard let status = try await fileSystem.status(path, followLinks: true) else { return false }
        guard status.kind == .file else {
            throw ArchiveError.usage(
                "\(shown(path, limit: 1000)) is \(status.kind.article), want a file",
                advice: status.kind == .folder
                    ? "a file name in it, such as \(shown(path, limit: 1000))/images.tar" : nil)
        }
        switch try await ArchiveIdentity.read(path, fileSystem) {
        case plan.id:
            let report = try await ArchiveVerification(path: path, fileSystem: fileSystem).run()
            // A damaged copy of this very archive is replaced: nothing of worth is lost.
            return report.isSound && report.format == format
        default:
            guard replaces else {
                throw ArchiveError(
                    .conflict, "\(shown(path, limit: 1000)) exists and holds something else",
                    advice: "another name, or --force to replace it")
            }
            return false
        }
    }
}

extension FileStatus.Kind {
    /// For messages, with an article.
    var article: String {
        switch self {
        case .file: "a file"
        case .folder: "a folder"
        case .link: "a symbolic link"
        case .pipe: "a pipe or socket"
        case .device: "a device"
        case .other: "no file"
        }
    }
}
