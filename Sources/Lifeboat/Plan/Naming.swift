import OCI

/// What images are called at the target: the repository renamed, then prefixed; the tag rewritten.
public struct Naming: Sendable {
    /// Put before every repository, without a slash at its end; empty for none.
    public var prefix: String
    /// The one name for the one image, whatever it was called.
    public var exact: Reference?
    /// The first that matches the whole name of a repository.
    public var rename: [Rewrite]
    public var retag: [Retag]

    public init(
        prefix: String = "", exact: Reference? = nil, rename: [Rewrite] = [], retag: [Retag] = []
    ) {
        self.prefix = prefix
        self.exact = exact
        self.rename = rename
        self.retag = retag
    }

    /// - Throws: `OCIError` if the name that results is none.
    public func target(for image: NamedImage) throws(OCIError) -> (RepositoryName, Tag?) {
        if let exact { return (exact.repository, exact.nameAlone) }
        return (try repository(for: image.repository), try tag(for: image))
    }

    /// What belongs to an image by its tag keeps it: the tag is the digest of the image.
    func target(for selected: Selector.Selected) throws(OCIError) -> (RepositoryName, Tag?) {
        let (repository, tag) = try target(for: selected.image)
        return (repository, selected.companionOf == nil ? tag : selected.image.tag)
    }

    /// What will be called so at the target, before it is known what it is.
    func target(
        for reference: TagOrDigest, in repository: RepositoryName, isCompanion: Bool
    ) throws(OCIError) -> (RepositoryName, Tag?) {
        switch reference {
        case .digest(let digest):
            if let exact { return (exact.repository, exact.nameAlone) }
            return (try self.repository(for: repository), tag(for: digest))
        case .tag(let tag):
            if let exact { return (exact.repository, isCompanion ? tag : exact.nameAlone) }
            return (try self.repository(for: repository), isCompanion ? tag : try self.tag(for: tag))
        }
    }

    private func repository(for name: RepositoryName) throws(OCIError) -> RepositoryName {
        if prefix.isEmpty, rename.isEmpty { return name }
        let renamed = rename.firstResult(for: name.description) ?? name.description
        return try RepositoryName(prefix.isEmpty ? renamed : prefix + "/" + renamed)
    }

    private func tag(for image: NamedImage) throws(OCIError) -> Tag? {
        guard let tag = image.tag else { return self.tag(for: image.descriptor.digest) }
        return try self.tag(for: tag)
    }

    private func tag(for digest: Digest) -> Tag? {
        for case .digest(digest, let tag) in retag { return tag }
        return nil
    }

    private func tag(for tag: Tag) throws(OCIError) -> Tag {
        // These names say which digest they belong to, and nobody finds them under others.
        guard !retag.isEmpty, tag.companionStem == nil else { return tag }
        for case .tag(let rewrite) in retag {
            if let renamed = rewrite.result(for: tag.description) { return try Tag(renamed) }
        }
        return tag
    }
}

extension Reference {
    /// The tag under which an image is put that gets this name: none where its digest is the name.
    fileprivate var nameAlone: Tag? { tag ?? (digest == nil ? .latest : nil) }
}

// MARK: What is there already

extension Naming {
    /// What a repository is called at the target; nil where the rules make no name of it, so that it cannot be there.
    func held(_ repository: RepositoryName) -> RepositoryName? {
        do throws(OCIError) {
            return try self.repository(for: repository)
        } catch {
            return nil
        }
    }

    /// The same for a tag.
    func held(_ tag: Tag, in repository: RepositoryName) -> TagName? {
        do throws(OCIError) {
            return TagName(repository: try self.repository(for: repository), tag: try self.tag(for: tag))
        } catch {
            return nil
        }
    }

    /// What a repository of the target is called at the source; nil where no prefix alone makes that name, and where
    /// there are renames, which cannot be turned round.
    func original(of repository: RepositoryName) -> RepositoryName? {
        guard rename.isEmpty else { return nil }
        guard !prefix.isEmpty else { return repository }
        let name = repository.description
        guard name.hasPrefix(prefix + "/") else { return nil }
        return RepositoryName(ifValid: name.dropFirst(prefix.count + 1))
    }
}

extension Naming {
    /// A line for each rule that matches none of some images: as a rule, it is misspelt.
    func unused(by images: [NamedImage]) -> [String] {
        guard !images.isEmpty, !rename.isEmpty || !retag.isEmpty else { return [] }
        let repositories = Set(images.map(\.repository))
        let tags = Set(images.compactMap(\.tag))
        let digests = Set(images.map(\.descriptor.digest))
        let whole = "; the pattern is for the whole name"
        return rename.filter { rule in !repositories.contains { rule.result(for: $0.description) != nil } }.map {
            "rename '\(shown($0.description, limit: 200))' matches no repository" + whole
        }
            + retag.compactMap { rule in
                switch rule {
                case .digest(let digest, _):
                    digests.contains(digest) ? nil : "retag of \(digest.short) matches no image"
                case .tag(let rewrite):
                    tags.contains { rewrite.result(for: $0.description) != nil }
                        ? nil : "retag '\(shown(rewrite.description, limit: 200))' matches no tag" + whole
                }
            }
    }
}

/// A rule for what a tag becomes.
public enum Retag: Sendable {
    case tag(Rewrite)
    /// An image that was chosen by digest gets a tag.
    case digest(Digest, Tag)
}

extension Naming {
    /// The names in a store that is itself a part of a registry.
    public func under(_ store: StoreDefinition) -> Naming {
        guard case .registry(_, let path) = store, !path.isEmpty else { return self }
        var naming = self
        naming.prefix = prefix.isEmpty ? path : path + "/" + prefix
        return naming
    }
}
