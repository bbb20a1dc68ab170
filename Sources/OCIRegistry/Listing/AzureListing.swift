import OCI

/// A page of `/acr/v1/{repository}/_tags`: `{"tags": [{"name": "1.4", "digest": "sha256:…", …}]}`.
enum AzureListing {
    static func name(_ entry: JSONValue, _ place: String) throws(OCIError) -> String {
        guard let name = try entry.object(place)["name"] else {
            throw OCIError(.damaged, "\(place) has no name")
        }
        return try name.string(place)
    }

    static func add(_ page: JSONValue, to found: inout [Tag: ListedTag]) throws(OCIError) {
        guard let list = page["tags"], list != .null else { return }
        for entry in try list.array("tags") {
            guard let name = entry["name"]?.stringValue, let digest = entry["digest"]?.stringValue else { continue }
            do {
                found[try Tag(name)] = ListedTag(digest: try Digest(parsing: digest), mediaType: nil)
            } catch {
                // What is no tag is noted where names are read; of a digest that is none nothing is known.
                continue
            }
        }
    }
}
