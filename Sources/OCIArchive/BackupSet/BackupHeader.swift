import OCI

/// The first line of a backup's record: all that a list of backups needs.
public struct BackupHeader: Sendable, Hashable {
    public enum State: String, Sendable, Hashable {
        /// Everything that was wanted is in it.
        case complete
        /// Some images are missing. What is there can be restored; the next run goes on from it.
        case incomplete
    }

    /// The version of the format that is written, and the newest that is read.
    public static let version: Int64 = 1

    public var version: Int64
    /// The name of the definition that made it.
    public var pipeline: String
    /// What the images came from, as reports name it.
    public var source: String
    /// What was asked for, as 16 hex digits of a hash of the rules: backups of one scope can be compared.
    public var scope: String
    /// When the run began, in seconds since 1970.
    public var began: Int64
    /// When the record was sealed, in seconds since 1970: the backup's time.
    public var ended: Int64
    public var state: State
    /// Why the source's listing is not believed; nil if nothing speaks against it.
    public var suspect: String?
    public var images: Int
    public var blobs: Int
    /// Bytes of all its manifests and blobs, each once.
    public var bytes: Int64
    /// Of these, the bytes that the set did not hold before.
    public var bytesAdded: Int64

    public init(
        version: Int64 = BackupHeader.version, pipeline: String, source: String, scope: String = "", began: Int64,
        ended: Int64,
        state: State = .complete, suspect: String? = nil, images: Int = 0, blobs: Int = 0, bytes: Int64 = 0,
        bytesAdded: Int64 = 0
    ) {
        self.version = version
        self.pipeline = pipeline
        self.source = source
        self.scope = scope
        self.began = began
        self.ended = ended
        self.state = state
        self.suspect = suspect
        self.images = images
        self.blobs = blobs
        self.bytes = bytes
        self.bytesAdded = bytesAdded
    }

    /// When the backup was made.
    public var moment: Moment { Moment(ended) }
}

extension BackupHeader {
    var members: [String: JSONValue] {
        var members: [String: JSONValue] = [
            "record": .string("backup"), "version": .number(version), "pipeline": .string(pipeline),
            "source": .string(source), "scope": .string(scope), "began": .number(began), "ended": .number(ended),
            "state": .string(state.rawValue), "images": .number(Int64(images)), "blobs": .number(Int64(blobs)),
            "bytes": .number(bytes), "bytesAdded": .number(bytesAdded),
        ]
        if let suspect { members["suspect"] = .string(suspect) }
        return members
    }

    /// A record that this Lifeboat is too old for is good, and not to be given up.
    static let adviceOfNewer = "read it with a newer Lifeboat"

    /// - Throws: `ArchiveError` `.damaged` for a version that only a newer Lifeboat knows, and for what is no header.
    init(_ line: StrictLine) throws {
        guard line.record == "backup" else { throw line.fault("is not the header of a backup") }
        version = try line.count("version")
        guard version == BackupHeader.version else {
            throw ArchiveError.damaged(
                "\(line.place) has format version \(version); this Lifeboat reads version \(BackupHeader.version)",
                advice: BackupHeader.adviceOfNewer)
        }
        pipeline = try line.text("pipeline")
        source = try line.text("source")
        scope = try line.text("scope")
        began = try line.count("began")
        ended = try line.count("ended")
        guard let state = State(rawValue: try line.text("state")) else { throw line.fault("has an unknown state") }
        self.state = state
        suspect = line.json["suspect"]?.stringValue
        images = try line.number("images")
        blobs = try line.number("blobs")
        bytes = try line.count("bytes")
        bytesAdded = try line.count("bytesAdded")
    }
}

extension StrictLine {
    fileprivate func number(_ name: String) throws -> Int {
        guard let number = Int(exactly: try count(name)) else { throw fault("has no \(name)") }
        return number
    }
}
