import OCI
import OCIArchive

/// What a tag is called, wherever it points.
public struct TagName: Sendable, Hashable, CustomStringConvertible {
    /// Nil for images of unknown origin, and, in a question, for any registry.
    public var registry: String?
    public var repository: RepositoryName
    public var tag: Tag

    public init(registry: String? = nil, repository: RepositoryName, tag: Tag) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
    }

    /// Reads `REPOSITORY:TAG` or `HOST/REPOSITORY:TAG`.
    ///
    /// - Throws: `OCIError`, `LifeboatError` `.usage`.
    public init(parsing text: String) throws {
        guard let colon = text.lastIndex(of: ":"), !text[colon...].contains("/"), !text.contains("@") else {
            throw LifeboatError(
                .usage, "'\(shown(text, limit: 300))' names no tag", advice: "REPOSITORY:TAG, such as team/app:1.4")
        }
        let name = text[..<colon]
        tag = try Tag(String(text[text.index(after: colon)...]))
        if let slash = name.firstIndex(of: "/"), Reference.isHost(name[..<slash]) {
            registry = Reference.canonical(registry: String(name[..<slash]))
            repository = try RepositoryName(String(name[name.index(after: slash)...]))
        } else {
            repository = try RepositoryName(String(name))
        }
    }

    /// The same for what may be something else; nil for what names no tag.
    init?(ifValid text: String) {
        do {
            try self.init(parsing: text)
        } catch {
            return nil
        }
    }

    /// Whether an image has this name; any registry will do where none is named.
    public func names(_ image: NamedImage) -> Bool {
        image.tag == tag && image.repository == repository && (registry == nil || registry == image.registry)
    }

    public var description: String { (registry.map { $0 + "/" } ?? "") + "\(repository):\(tag)" }
}

/// Some backups that follow each other, and what is true in all of them.
public struct BackupSpan: Sendable, Hashable {
    /// Places in the list of all backups, oldest first.
    public var first: Int
    public var last: Int

    public init(first: Int, last: Int) {
        self.first = first
        self.last = last
    }
}

/// What a tag pointed to in some backups that follow each other.
public struct TagSpan: Sendable, Hashable {
    /// The registry that the backups name.
    public var registry: String?
    public var digest: Digest
    public var span: BackupSpan

    public init(registry: String?, digest: Digest, span: BackupSpan) {
        self.registry = registry
        self.digest = digest
        self.span = span
    }
}

/// What a tag pointed to over all backups of a set.
public struct TagHistory: Sendable {
    public struct Entry: Sendable, Hashable {
        public var registry: String?
        /// Nil while the tag was not there.
        public var digest: Digest?
        /// The first and the last backup that say so.
        public var first: Backup
        public var last: Backup
    }

    /// Oldest first, registry by registry.
    public var entries: [Entry] = []

    /// - Parameters:
    ///   - spans: in which backups the tag pointed where, in any order.
    ///   - backups: all of them, oldest first. What is not in an incomplete or a suspect one may have been there.
    public init(_ spans: [TagSpan], backups: [Backup], suspect: Set<Digest> = []) {
        // What another pipeline or source did not ask for is not gone.
        let groups = backups.groups.map { Set($0.backups.map(\.id)) }
        for registry in Set(spans.map(\.registry)).sorted(by: { ($0 ?? "") < ($1 ?? "") }) {
            var digests = [Digest?](repeating: nil, count: backups.count)
            for span in spans where span.registry == registry {
                for place in span.span.first...span.span.last where digests.indices.contains(place) {
                    digests[place] = span.digest
                }
            }
            let holders = Set(zip(backups, digests).filter { $1 != nil }.map(\.0.id))
            let concerned = groups.filter { !$0.isDisjoint(with: holders) }.reduce(into: Set()) { $0.formUnion($1) }
            var isThere = false
            for (backup, digest) in zip(backups, digests) where concerned.contains(backup.id) {
                isThere = isThere || digest != nil
                guard isThere else { continue }
                let isWhole = backup.header.state == .complete && !suspect.contains(backup.id)
                if digest == nil, !isWhole { continue }
                if let last = entries.indices.last, entries[last].registry == registry, entries[last].digest == digest {
                    entries[last].last = backup
                } else {
                    entries.append(Entry(registry: registry, digest: digest, first: backup, last: backup))
                }
            }
        }
    }
}

/// Where a digest occurs in a set.
public struct DigestHolders: Sendable {
    public struct Image: Sendable, Hashable {
        public var image: NamedImage
        public var span: BackupSpan

        public init(image: NamedImage, span: BackupSpan) {
            self.image = image
            self.span = span
        }
    }

    public var digest: Digest
    public var role: ArchivedBlob.Role?
    public var size: Int64?
    /// Backups that have it.
    public var spans: [BackupSpan] = []
    /// Images whose manifest it is.
    public var images: [Image] = []

    public init(_ digest: Digest) {
        self.digest = digest
    }
}
