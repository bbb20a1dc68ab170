import OCI

/// Tags that are no versions but belong to an image: cosign's `sha256-<hex>.sig`, `.att` and `.sbom`, and the lists of
/// referrers of registries without an API for them (`sha256-<hex>`).
extension Tag {
    static let companionSuffixes = ["sig", "att", "sbom"]

    /// What the companions of one image begin with, `sha256-<hex>`; nil for a tag that is no companion.
    public var companionStem: Tag? {
        if listsReferrers { return self }
        guard let dot = description.lastIndex(of: "."),
            Tag.companionSuffixes.contains(String(description[description.index(after: dot)...]))
        else { return nil }
        do throws(OCIError) {
            let stem = try Tag(description[..<dot])
            return stem.listsReferrers ? stem : nil
        } catch {
            return nil
        }
    }

    /// The artifact type that cosign gives to what it also keeps under such a tag; nil for a list of referrers.
    var companionType: String? {
        guard companionStem != nil, let dot = description.lastIndex(of: ".") else { return nil }
        return "application/vnd.dev.cosign.artifact.\(description[description.index(after: dot)...]).v1+json"
    }

    /// The tags under which cosign keeps what belongs to a manifest.
    static func companions(of digest: Digest) -> [Tag] {
        companionSuffixes.compactMap { suffix in
            do {
                return try Tag("\(Tag(referrersOf: digest)).\(suffix)")
            } catch {
                return nil  // cannot be: all of its characters may be in a tag
            }
        }
    }
}
