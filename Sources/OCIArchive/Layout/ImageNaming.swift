import OCI

/// How an image is called in an `index.json`, as far as the entry says it.
struct ImageNaming: Hashable, Sendable {
    var registry: String?
    /// None where the entry gives a tag only, or nothing.
    var repository: RepositoryName?
    var tag: Tag?

    /// `repository:tag`, so that one folder can hold many repositories (image specification, annotations.md).
    static let referenceAnnotation = "org.opencontainers.image.ref.name"
    /// The full name, `registry/repository:tag`, as containerd and buildkit write it.
    static let fullNameAnnotation = "io.containerd.image.name"
    /// The repository of a manifest that has no tag. Ours: the specification has no word for it.
    static let repositoryAnnotation = "dev.lifeboat.repository"

    init(registry: String? = nil, repository: RepositoryName? = nil, tag: Tag? = nil) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
    }
}

extension ImageNaming {
    /// Reads the name from annotations: the full name, else a reference with `/` or `:`, else a tag alone.
    ///
    /// Where there are both, the full name of `registry/path/app:1` and the reference `app:1`, the image comes from a part
    /// of a registry and is called by what stands behind its path. A name that no registry would take is no name: the
    /// image is then known by its digest.
    init(annotations: [String: String]) {
        if let text = annotations[ImageNaming.fullNameAnnotation], let name = ImageNaming(fullName: text) {
            self = name
            if let text = annotations[ImageNaming.referenceAnnotation], let short = ImageNaming(reference: text) {
                shorten(to: short)
            }
        } else if let text = annotations[ImageNaming.referenceAnnotation], let name = ImageNaming(reference: text) {
            self = name
        } else if let text = annotations[ImageNaming.repositoryAnnotation], let name = parsed(RepositoryName.self, text)
        {
            self.init(repository: name)
        } else {
            self.init()
        }
    }

    private mutating func shorten(to short: ImageNaming) {
        guard let registry, let whole = repository?.description, let rest = short.repository, short.registry == nil,
            short.tag == tag, whole.hasSuffix("/\(rest)")
        else { return }
        self.registry = registry + "/" + whole.dropLast(rest.description.count + 1)
        repository = rest
    }

    private init?(fullName text: String) {
        guard let reference = parsed(Reference.self, text) else { return nil }
        // A name without tag and digest means `latest`, as everywhere else.
        let tag = reference.tag ?? (reference.digest == nil ? Tag.latest : nil)
        self.init(registry: reference.registry, repository: reference.repository, tag: tag)
    }

    private init?(reference text: String) {
        guard text.contains("/") || text.contains(":") else {
            guard let tag = parsed(Tag.self, text) else { return nil }
            self.init(tag: tag)
            return
        }
        // A host is told apart as everywhere else, but `debian:12` is no image of Docker Hub here.
        if let slash = text.firstIndex(of: "/"), Reference.isHost(text[..<slash]) {
            self.init(fullName: text)
            return
        }
        var path = text[...]
        var tag: Tag?
        if let colon = path.lastIndex(of: ":") {
            guard let name = parsed(Tag.self, path[path.index(after: colon)...]) else { return nil }
            tag = name
            path = path[..<colon]
        }
        guard let repository = parsed(RepositoryName.self, path) else { return nil }
        self.init(repository: repository, tag: tag)
    }

    /// The annotations that say this name.
    var annotations: [String: String] {
        guard let repository else {
            return tag.map { [ImageNaming.referenceAnnotation: $0.description] } ?? [:]
        }
        guard let tag else { return [ImageNaming.repositoryAnnotation: repository.description] }
        var result = [ImageNaming.referenceAnnotation: "\(repository):\(tag)"]
        if let registry { result[ImageNaming.fullNameAnnotation] = "\(registry)/\(repository):\(tag)" }
        return result
    }
}

private protocol Parseable {
    init(text: Substring) throws(OCIError)
}

extension RepositoryName: Parseable {
    fileprivate init(text: Substring) throws(OCIError) { try self.init(text) }
}

extension Tag: Parseable {
    fileprivate init(text: Substring) throws(OCIError) { try self.init(text) }
}

extension Reference: Parseable {
    fileprivate init(text: Substring) throws(OCIError) { try self.init(parsing: String(text)) }
}

/// The value that a text stands for, or nil where it stands for none: here that is an answer, not a fault.
private func parsed<Value: Parseable>(_ type: Value.Type, _ text: some StringProtocol) -> Value? {
    do { return try Value(text: Substring(text)) } catch { return nil }
}
