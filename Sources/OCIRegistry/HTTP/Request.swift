import NIOCore
import NIOHTTP1
import OCI

/// What requests are counted as.
public enum RequestKind: String, Sendable, Hashable, CaseIterable {
    /// Tags and repositories, a page each.
    case list
    case head, manifest, blob, referrers
    /// Manifests and blobs sent, with the requests that begin and end it.
    case write
    case mount, token
}

/// One request with a small body or none, as often as it has to be sent.
struct Request: Sendable {
    /// The most of an error's body that is read.
    static let errorLimit = 64 << 10

    var kind: RequestKind
    var method: HTTPMethod
    var address: WebAddress
    /// Nil for one that is sent without asking the authenticator.
    var access: Access?
    /// What is asked for, for messages, such as `tag 1.4`.
    var what: String
    var headers: HTTPHeaders = [:]
    var body: ByteBuffer?
    /// The longest body that is read of an answer that is no error.
    var bodyLimit = Request.errorLimit
    /// Whether a fault of the registry (408, 5xx; not 429) is an answer like any other and not tried again.
    var takesFaults = false
    /// The longest wait for the head of the answer; nil for the usual one.
    var headLimit: Duration?

    init(_ kind: RequestKind, _ method: HTTPMethod, _ address: WebAddress, access: Access?, what: String) {
        self.kind = kind
        self.method = method
        self.address = address
        self.access = access
        self.what = what
    }

    var followsRedirects: Bool { method == .GET || method == .HEAD }
}

/// The answer to a `Request`, all of it.
struct Answer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    var body: ByteBuffer
    /// Who answered, after redirects.
    let address: WebAddress

    /// Statuses that may be gone the next time (R16, R17).
    static func isFault(_ status: Int) -> Bool { [408, 421, 425, 429].contains(status) || status >= 500 }

    /// Codes that find fault with what was sent, which is the same the next time.
    ///
    /// docker-registry gives them with status 500 where it refuses a foreign layer.
    private static let lasting: Set<String> = [
        "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNVERIFIED", "NAME_INVALID", "TAG_INVALID",
    ]

    /// Whether another answer may come the next time.
    var mayPass: Bool { Answer.isFault(status) && errorCodes.isDisjoint(with: Answer.lasting) }

    var digest: Digest? {
        headers.first(name: "Docker-Content-Digest").flatMap { text in
            do { return try Digest(parsing: text.trimmed) } catch { return nil }
        }
    }

    var mediaType: MediaType? { headers.first(name: "Content-Type").map { MediaType(header: $0) } }

    /// Whether it is a web page, by its type or, whatever that says, by how it begins.
    var isHTML: Bool {
        if mediaType?.rawValue == "text/html" { return true }
        let start = String(decoding: body.readableBytesView.prefix(64), as: UTF8.self).trimmed.lowercased()
        return start.hasPrefix("<!doctype html") || start.hasPrefix("<html")
    }
}

/// The error document of the distribution specification ("Error Codes").
extension Answer {
    /// The error codes; empty if the body is something else.
    var errorCodes: Set<String> { Set(errors.compactMap { $0["code"]?.stringValue }) }

    /// What the registry says, fit to be shown; nil if it says nothing.
    var said: String? {
        let texts = errors.compactMap { error -> String? in
            let parts = [error["code"]?.stringValue, error["message"]?.stringValue].compactMap { $0 }
            return parts.isEmpty ? nil : parts.joined(separator: " ")
        }
        if !texts.isEmpty { return shown(texts.joined(separator: "; ")) }
        if isHTML { return "an HTML page" }
        let text = String(decoding: body.readableBytesView, as: UTF8.self).trimmed
        return text.isEmpty ? nil : shown(text)
    }

    /// What each error names in `detail`, such as a digest.
    var errorDetails: String {
        errors.compactMap { $0["detail"].map { $0.stringValue ?? $0.text } }.joined(separator: "; ")
    }

    private var errors: [JSONValue] {
        guard body.readableBytes > 0 else { return [] }
        do throws(OCIError) {
            return try JSONValue(parsing: body, in: "the error")["errors"]?.array("errors") ?? []
        } catch {
            return []
        }
    }
}
