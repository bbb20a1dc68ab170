import OCI

/// Images that a file or a folder of manifests names one by one.
public struct ImageList: Sendable, Hashable {
    public enum Kind: String, Sendable {
        /// Lines of `repository:tag`, `repository@digest` or full references.
        case list
        /// Every `image:` and `imageID:` of YAML and JSON documents.
        case kubernetes
    }

    public var kind: Kind
    /// A file, or a folder of Kubernetes manifests.
    public var path: String
    /// Where the definition names it, for messages.
    public var place: Place
    /// What it names, each once; nil until it is read.
    public var contents: Contents?

    public struct Place: Sendable, Hashable {
        public var file: String
        public var line: Int
        public var column: Int
        public var key: String

        func fault(_ reason: String) -> DefinitionError {
            DefinitionError(file: file, faults: [.init(line: line, column: column, key: key, reason: reason)])
        }
    }

    public struct Contents: Sendable, Hashable {
        public var images: [ListedImage] = []
        /// Values of `image:` that name no image, such as a template: how many, and the first.
        public var unread = 0
        public var unreadExample: String?
    }

    var summary: String { "\(kind.rawValue) \(shown(path, limit: 200))" }
}

/// One image of a list.
public struct ListedImage: Sendable, Hashable {
    /// None for the store that the images are taken from, whatever it is.
    public var registry: String?
    public var repository: RepositoryName
    public var target: TagOrDigest

    public init(registry: String?, repository: RepositoryName, target: TagOrDigest) {
        self.registry = registry
        self.repository = repository
        self.target = target
    }

    /// The image as a store calls it; nil if it is none of the store's.
    ///
    /// - Parameter store: a registry, or a path under one.
    func within(_ store: String) -> ListedImage? {
        guard let registry, registry != store else { return self }
        let full = "\(registry)/\(repository)"
        guard full.hasPrefix(store + "/"), let repository = RepositoryName(ifValid: full.dropFirst(store.count + 1))
        else { return nil }
        return ListedImage(registry: store, repository: repository, target: target)
    }

    /// As docker reads it: `debian:12` is `docker.io/library/debian:12`. A digest decides, whatever the tag beside it.
    init(_ reference: Reference) {
        self.init(registry: reference.registry, repository: reference.repository, target: reference.tagOrDigest)
    }

    /// As a line of a list: without a host it is meant in the store that the images are taken from.
    ///
    /// - Throws: `OCIError` of kind `.usage`.
    init(line text: some StringProtocol) throws(OCIError) {
        let first = text.prefix { $0 != "/" }
        if first.endIndex < text.endIndex, Reference.isHost(first) {
            self.init(try Reference(parsing: String(text)))
            return
        }
        // Whatever host stands before it: the rest is read the same.
        let reference = try Reference(parsing: "localhost/" + text)
        self.init(registry: nil, repository: reference.repository, target: reference.tagOrDigest)
    }
}
