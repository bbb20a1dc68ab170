import OCI

/// The member `manifest` of Google's tag listings: `{"sha256:…": {"mediaType": "…", "tag": ["1.4"], …}}`.
enum GoogleListing {
    static func add(_ page: JSONValue, to found: inout [Tag: ListedTag]) throws(OCIError) {
        guard let manifests = page["manifest"], manifests != .null else { return }
        for (name, manifest) in try manifests.object("manifest") {
            guard let tags = manifest["tag"], tags != .null else { continue }
            for tag in try tags.array("tag") {
                guard let text = tag.stringValue else { continue }
                do {
                    let mediaType = manifest["mediaType"]?.stringValue.map { MediaType(header: $0) }
                    found[try Tag(text)] = ListedTag(
                        digest: try Digest(parsing: name), mediaType: mediaType.flatMap { $0.isManifest ? $0 : nil })
                } catch {
                    // What is no tag is noted where names are read; of a digest that is none nothing is known.
                    continue
                }
            }
        }
    }
}
