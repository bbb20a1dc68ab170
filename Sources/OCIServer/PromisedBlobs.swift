import OCI

/// What the manifests that were handed out point to: a blob among it that is not there has been lost.
actor PromisedBlobs {
    /// The most blobs that are remembered; beyond it all are forgotten.
    private static let limit = 100_000

    private var images: [Digest: Digest] = [:]

    func note(_ manifest: Manifest) {
        let children = manifest.children
        if images.count + children.count > Self.limit { images.removeAll() }
        for child in children where !child.isForeign { images[child.digest] = manifest.descriptor.digest }
    }

    /// The image that a blob was handed out with; nil if nobody was told of it.
    func image(with blob: Digest) -> Digest? { images[blob] }
}
