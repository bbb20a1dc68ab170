import OCI

/// Remembers which digest Lifeboat last put under a tag of a registry, for `overwrite: ours`.
public protocol WrittenTags: Sendable {
    /// - Throws: a `Failure` if it cannot be said.
    func lastWritten(registry: String, repository: RepositoryName, tag: Tag) async throws -> LastWritten

    /// The repositories of a registry in which Lifeboat has last written a digest under some tag, sorted.
    ///
    /// - Throws: a `Failure` if it cannot be said.
    func repositories(registry: String, digest: Digest) async throws -> [RepositoryName]

    /// Called before a tag is written: if the run is killed, it may have happened. A copy does not fail because of it.
    func begin(_ tag: WrittenTag) async throws

    /// Called when a tag has been written. A copy does not fail because of it.
    func record(_ tag: WrittenTag) async throws
}

/// What Lifeboat has put under a tag.
public struct LastWritten: Sendable, Hashable {
    /// Nil if nothing is known.
    public var digest: Digest?
    /// What a run was about to write that did not come to say whether it did.
    public var begun: Digest?

    public init(digest: Digest? = nil, begun: Digest? = nil) {
        self.digest = digest
        self.begun = begun
    }
}

/// A tag of a registry, and what Lifeboat made it point to.
public struct WrittenTag: Sendable, Hashable {
    /// Host and port.
    public var registry: String
    public var repository: RepositoryName
    public var tag: Tag
    public var digest: Digest
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var time: Int64
    /// The id of the run that wrote it.
    public var run: String

    public init(
        registry: String, repository: RepositoryName, tag: Tag, digest: Digest, time: Int64, run: String
    ) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest
        self.time = time
        self.run = run
    }
}

extension WrittenTags {
    public func repositories(registry: String, digest: Digest) async throws -> [RepositoryName] { [] }

    /// Moves a tag that points elsewhere only if it still points to what was last written there.
    ///
    /// - Throws: `LifeboatError` `.conflict` if somebody else has moved it, or nobody knows who wrote it.
    func checkOurs(_ item: PlanItem, want: Digest, present: Digest, registry: String) async throws {
        guard let tag = item.targetTag else { return }
        let known = try await lastWritten(registry: registry, repository: item.targetRepository, tag: tag)
        guard known.digest != present, known.begun != present else { return }
        let name = item.targetName
        if let known = known.digest {
            throw LifeboatError(
                .conflict,
                "\(name) points to \(present), want \(want); lifeboat last wrote \(known) there, so that "
                    + "somebody else has moved it",
                advice: "--overwrite always (overwrite: always) moves it all the same; nothing was changed")
        }
        throw LifeboatError(
            .conflict,
            "\(name) points to \(present), want \(want); nothing is known of lifeboat having written it",
            advice: "--overwrite always (overwrite: always), once, makes it ours; nothing was changed")
    }
}
