import HTTPTypes

extension HTTPField.Name {
    static let apiVersion = HTTPField.Name("Docker-Distribution-API-Version")!
    static let contentDigest = HTTPField.Name("Docker-Content-Digest")!
    static let uploadID = HTTPField.Name("Docker-Upload-UUID")!
    static let subject = HTTPField.Name("OCI-Subject")!
    static let filtersApplied = HTTPField.Name("OCI-Filters-Applied")!
    static let tag = HTTPField.Name("OCI-Tag")!
    static let link = HTTPField.Name("Link")!
}
