import OCI

extension BackupEvidence {
    /// What is known to happen to a backup after its record was sealed. Evidence of another kind is somebody else's.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Every byte of it was read.
        case verified
        /// It was restored for practice, and pulled from as a client would.
        case drilled
        /// It was taken out of the set on purpose.
        case forgotten
        /// It was written to a registry or another store.
        case written
        /// A backup of another set, which records that were copied from there name.
        case elsewhere
        /// Somebody has said that the listing it was made from is right, although it looks suspect.
        case accepted
    }

    /// - Parameters:
    ///   - at: seconds since 1970.
    ///   - passed: whether it went well; a verification that found damage did not.
    ///   - details: what else there is to say.
    public init(
        _ kind: Kind, of backup: Digest, at: Int64, passed: Bool = true, details: [String: JSONValue] = [:]
    ) {
        var members = details
        members["backup"] = .string(backup.description)
        members["passed"] = .bool(passed)
        self.init(kind: kind.rawValue, at: at, members)
    }

    /// The backups that it is about and for which it went well; what does not say how it went went well.
    ///
    /// - Throws: `OCIError` `.damaged` for text that is no digest.
    public var passedBackups: [Digest] {
        get throws { try (members["passed"] == .bool(false) ? [] : ids("backup")) + ids("sound") }
    }

    /// The backups that it is about and for which it did not go well.
    public var failedBackups: [Digest] {
        get throws { try (members["passed"] == .bool(false) ? ids("backup") : []) + ids("unsound") }
    }

    private func ids(_ name: String) throws -> [Digest] {
        switch members[name] {
        case .string(let id): [try Digest(parsing: id)]
        case .array(let ids): try ids.map { try Digest(parsing: try $0.string(name)) }
        default: []
        }
    }
}

extension BackupSet {
    /// All evidence of one kind, oldest first.
    ///
    /// - Returns: also the files that are damaged, and why.
    public func evidence(
        _ kind: BackupEvidence.Kind
    ) async throws -> (evidence: [BackupEvidence], damaged: [DamagedRecord]) {
        try await evidence(kind.rawValue)
    }
}
