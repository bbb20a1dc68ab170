import NIOCore

/// A store that knows its images by heart, such as an archive: listing them costs nothing.
public protocol ImageCatalog: SourceStore {
    /// Every image, sorted by registry, repository and tag.
    func images() async throws -> [NamedImage]
}

/// A store whose images may come from several registries, so that two of its repositories can have one name.
public protocol RegistryScopedStore: SourceStore {
    /// The registries that images are known to come from.
    func registries() async throws -> Set<String>
    /// One repository as it came from `registry`; an image of no known registry may be of any.
    ///
    /// - Parameter registry: nil for whichever it is. A tag that then stands for several images is a `Failure` of kind
    ///   `.conflict`.
    /// - Throws: a `Failure` of kind `.notFound` if the repository did not come from there.
    func source(_ repository: RepositoryName, of registry: String?) async throws -> any ImageSource
}

/// A target that keeps images of several registries beside each other.
public protocol RegistryScopedTarget: TargetStore {
    /// One repository as a target of images of `registry`; nil for images of which nobody says where they belong.
    func target(_ repository: RepositoryName, of registry: String?) async throws -> any ImageTarget
}

/// A source that gives a manifest by whatever names it, in one request, where asking first what it is would cost another.
public protocol NamedManifestSource: ImageSource {
    /// Whether that counts as more than a question, as where pulls are counted and limited.
    var countsManifests: Bool { get }

    /// What a tag points to, or a digest names, as it is: the digest of a tag's manifest is that of its bytes.
    ///
    /// - Throws: a `Failure` of kind `.notFound` if there is no such manifest.
    func manifest(named reference: TagOrDigest) async throws -> Manifest
}

/// An image and what it is called.
public struct NamedImage: Hashable, Sendable {
    /// The registry that it came from, if that is known.
    public var registry: String?
    public var repository: RepositoryName
    /// None for an image that is kept by digest only.
    public var tag: Tag?
    public var descriptor: Descriptor

    public init(registry: String?, repository: RepositoryName, tag: Tag?, descriptor: Descriptor) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.descriptor = descriptor
    }

    /// `repository:tag`, or `repository@digest` where there is no tag.
    public var name: String {
        repository.description + (tag.map { ":" + $0.description } ?? "@" + descriptor.digest.description)
    }
}

/// A target that can take a blob over from another of its repositories without an upload.
public protocol BlobMounting: ImageTarget {
    /// Whether to mount without asking first whether the blob is there, which a mount finds out as well.
    var mountsUnasked: Bool { get }
    /// - Returns: whether it did; false means that the blob must be written.
    func mount(_ blob: Descriptor, from repository: RepositoryName) async throws -> Bool
}

extension BlobMounting {
    public var mountsUnasked: Bool { false }
}

/// A target whose referrers have to be listed under a tag, since it has no API for them.
public protocol ReferrersTagging: ImageTarget {
    /// Sees to it that `referrers` are listed as referring to `subject`, with what is listed already.
    ///
    /// Does nothing where the target lists them by itself.
    func list(_ referrers: [Descriptor], of subject: Digest) async throws
}

/// A store whose blobs can only be read in the order in which they come, such as an archive on a pipe.
public protocol SequentialSource: ImageCatalog {
    /// Calls `body` with each blob once, in order. Manifests can be read before and after.
    ///
    /// - Parameter body: may return without reading; the rest of the blob is then passed over.
    func forEachBlob(_ body: @escaping @Sendable (Content) async throws -> Void) async throws
}

/// A source that lists more than it holds, such as an archive that builds on another one.
public protocol PartialSource: SourceStore {
    /// Whether a blob that belongs to its images does not come with them: a target may have it, or `read` says who does.
    func isElsewhere(_ blob: Digest) -> Bool
}

/// A store that must know all that comes before the first byte is written, such as an archive.
public protocol PlannedTarget: TargetStore {
    /// Whether blobs have to be written one by one, in the order that `begin` returns, as to a pipe.
    var isSequential: Bool { get }
    /// Takes the complete list of what will be written. Nothing else is accepted afterwards.
    ///
    /// - Returns: the blobs in the order in which they are best written.
    func begin(_ images: [PlannedImage], reading manifest: @escaping @Sendable (Digest) async throws -> Manifest)
        async throws -> [Descriptor]
    /// Completes the store and makes it visible under its name.
    ///
    /// - Returns: what identifies its contents.
    func commit() async throws -> Digest
    /// Ends the work without making anything visible; what was written may serve a later run.
    func abort() async
    /// What whoever takes the store elsewhere should know about it, after `commit`.
    var notes: [String] { get }
}

extension PlannedTarget {
    public var notes: [String] { [] }
}

/// A planned target that can be completed with some of its images missing, and says which, such as a backup set.
///
/// Reads are cheap and writes are not repeated: what it holds already it takes as it is.
public protocol PartialTarget: PlannedTarget {
    /// Whether it has a blob or manifest already, as far as a look tells; asked before it is begun.
    func holds(_ blob: Descriptor) async throws -> Bool
    /// Completes the store with some of the images that it was begun with.
    ///
    /// - Parameters:
    ///   - images: those of which everything is there.
    ///   - missing: what was wanted besides.
    func commit(_ images: [PlannedImage], missing: [MissingImage]) async throws -> Digest
}

/// An image that was wanted somewhere and is not there.
public struct MissingImage: Sendable, Hashable {
    /// As reports call it.
    public var name: String
    public var kind: FailureKind
    public var message: String

    public init(name: String, kind: FailureKind, message: String) {
        self.name = name
        self.kind = kind
        self.message = message
    }
}

/// A target that remembers what it was given before, so that the source need not be asked for it again.
public protocol RememberingTarget: TargetStore {
    /// The exact bytes of a manifest; nil where they are not known, or damaged.
    func remembered(_ manifest: Descriptor) async throws -> Manifest?
    /// Whether it was given something under this name when it was last given anything.
    func remembers(_ reference: TagOrDigest, in repository: RepositoryName) async throws -> Bool
    /// What referred to the manifests of an image when it was given before; nil where that is not known of this image.
    func rememberedReferrers(of image: NamedImage) async throws -> RememberedReferrers?
}

/// What referred to manifests at a time.
public struct RememberedReferrers: Sendable {
    /// Milliseconds since 1970.
    public var time: Int64
    /// By the manifest that they refer to; one without referrers is not in it.
    public var referrers: [Digest: [Descriptor]]

    public init(time: Int64, referrers: [Digest: [Descriptor]] = [:]) {
        self.time = time
        self.referrers = referrers
    }
}

/// An image that will be written, with all that belongs to it.
public struct PlannedImage: Sendable {
    public let image: NamedImage
    public let graph: ImageGraph

    public init(_ image: NamedImage, graph: ImageGraph) {
        self.image = image
        self.graph = graph
    }
}

/// A source on storage of our own, that can say what it holds and read from any place in it.
public protocol RandomAccessSource: ImageSource {
    /// The size of a blob that this repository holds; nil if there is none. Its media type is `octet-stream`.
    func blob(_ digest: Digest) async throws -> Descriptor?

    /// Sends a part of a blob, *unverified*: the caller has read the whole through `read` before, and `stamp` has not
    /// changed since.
    ///
    /// - Parameter pieceSize: the most bytes that are read, and sent, at once.
    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws

    /// Changes whenever the stored bytes of the blob may have changed (inode, size, time of modification).
    func stamp(of blob: Descriptor) async throws -> String
}

/// A target that takes a blob in pieces over several requests (distribution specification, "Pushing a blob in chunks").
public protocol UploadTarget: ImageTarget {
    /// Starts an upload and names it.
    func beginUpload() async throws -> String
    /// Bytes received so far; nil if there is no such upload.
    func uploadSize(_ id: String) async throws -> Int64?
    /// Adds bytes at the end.
    ///
    /// - Parameter producer: sends the bytes, in order.
    /// - Returns: the size afterwards, also in the error case what had arrived is kept.
    func append(to id: String, from producer: Content.Producer) async throws -> Int64
    /// Checks all of it against `digest` and makes it a blob.
    ///
    /// - Throws: `OCIError` `.damaged` if the digest is another; the upload is then gone.
    func commitUpload(_ id: String, as digest: Digest) async throws -> Descriptor
    func cancelUpload(_ id: String) async throws
}

/// A target from which things can be taken away (distribution specification, "Content management").
public protocol DeletingTarget: ImageTarget {
    /// - Returns: whether there was such a tag.
    func untag(_ tag: Tag) async throws -> Bool
    /// Deletes a manifest and every tag that points to it.
    func deleteManifest(_ digest: Digest) async throws -> Bool
    func deleteBlob(_ digest: Digest) async throws -> Bool
}

/// A target that keeps the beginning of a blob whose write was cut off.
public protocol ResumableTarget: ImageTarget {
    /// The first bytes of a blob that are there, hashed: `write` takes content that goes on behind them.
    ///
    /// They may be the wrong ones: the digest of the whole decides, and after that has failed they are gone.
    func begun(_ blob: Descriptor) async throws -> Prefix?
}

/// A target that gathers changes and writes them together, such as the index of a layout folder.
public protocol BatchedTarget: TargetStore {
    /// Makes everything pushed so far durable and visible.
    func flush() async throws
}
