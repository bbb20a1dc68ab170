import HTTPTypes
import OCI

/// What a client gets to hear: a status, and a code of the distribution specification ("Error codes").
struct RegistryError: Error {
    enum Code: String {
        case blobUnknown = "BLOB_UNKNOWN"
        case blobUploadInvalid = "BLOB_UPLOAD_INVALID"
        case blobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
        case digestInvalid = "DIGEST_INVALID"
        case manifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
        case manifestInvalid = "MANIFEST_INVALID"
        case manifestUnknown = "MANIFEST_UNKNOWN"
        case nameInvalid = "NAME_INVALID"
        case nameUnknown = "NAME_UNKNOWN"
        case paginationInvalid = "PAGINATION_NUMBER_INVALID"
        case sizeInvalid = "SIZE_INVALID"
        case tooManyRequests = "TOOMANYREQUESTS"
        case unauthorized = "UNAUTHORIZED"
        case unsupported = "UNSUPPORTED"
        /// Not in the specification; registries use it for faults of their own.
        case unknown = "UNKNOWN"
    }

    let status: HTTPResponse.Status
    let code: Code
    let message: String
    let headers: HTTPFields

    init(_ status: HTTPResponse.Status, _ code: Code, _ message: String, headers: HTTPFields = [:]) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
    }

    static func notAllowed(_ message: String, allow: String) -> RegistryError {
        RegistryError(.methodNotAllowed, .unsupported, message, headers: [.allow: allow])
    }

    /// A tag that stands for images of several registries: no client gets one of them by chance.
    static func ambiguous(_ name: RepositoryName, _ reference: TagOrDigest) -> RegistryError {
        RegistryError(
            .notFound, .manifestUnknown,
            "\(name):\(reference) is here from several registries: ask with ?ns=HOST, or for HOST/\(name)")
    }

    /// The answer for an error of the store.
    ///
    /// What stands in files of this machine is nobody's business out there: the log has it.
    init(_ failure: any Failure, notFound code: Code) {
        switch failure.kind {
        case .notFound: self.init(.notFound, code, "there is no such \(code.noun)")
        case .damaged: self.init(.internalServerError, .unknown, "the stored \(code.noun) is damaged")
        case .locked, .unavailable:
            self.init(.serviceUnavailable, .tooManyRequests, "the store is busy", headers: [.retryAfter: "1"])
        case .conflict: self.init(.conflict, .unsupported, "the store refuses this")
        case .policy, .usage: self.init(.badRequest, .unsupported, "the store does not take this")
        default: self.init(.internalServerError, .unknown, "the store failed")
        }
    }

    /// The document that goes with it.
    var json: JSONValue {
        let error: JSONValue = .object([
            "code": .string(code.rawValue), "message": .string(message), "detail": .object([:]),
        ])
        return .object(["errors": .array([error])])
    }
}

extension RegistryError.Code {
    fileprivate var noun: String {
        switch self {
        case .blobUnknown: "blob"
        case .blobUploadUnknown: "upload"
        case .nameUnknown: "repository"
        default: "manifest"
        }
    }
}
