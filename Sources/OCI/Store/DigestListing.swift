/// A source that may tell with its tags what they point to, so that nobody has to ask for each of them.
///
/// The listing is the store's word: not every tag needs to be in it, and what is read for a digest of it is checked
/// against that digest like everything else.
public protocol DigestListing: ImageSource {
    /// What the listed tags point to; nil where the listing does not tell.
    func listedTags() async throws -> [Tag: ListedTag]?

    /// What is known of a listed manifest: its digest. Its size is not, nor its media type where that is `octet-stream`;
    /// this source reads it all the same.
    func descriptor(of listed: ListedTag) -> Descriptor
}

/// What a listing says of a tag.
public struct ListedTag: Hashable, Sendable {
    public var digest: Digest
    /// Nil where the listing does not say.
    public var mediaType: MediaType?

    public init(digest: Digest, mediaType: MediaType?) {
        self.digest = digest
        self.mediaType = mediaType
    }
}
