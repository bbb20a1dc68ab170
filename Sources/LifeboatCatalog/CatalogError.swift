import GRDB
import OCI

/// The catalog cannot be read or written.
public struct CatalogError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?

    /// Whether the bytes of the file are wrong, so that a new one would help.
    public let isDamage: Bool

    private init(_ kind: FailureKind, _ path: String, _ rest: String, advice: String, isDamage: Bool = false) {
        self.kind = kind
        self.isDamage = isDamage
        description = "the catalog \(shown(path, limit: 1000)) " + rest
        self.advice = advice
    }

    /// The file was written by a later version of Lifeboat.
    init(newer path: String, version: Int) {
        self.init(
            .local, path, "has version \(version), this lifeboat knows up to \(CatalogSchema.current)",
            advice: "a newer lifeboat, or --state with another folder")
    }

    init(writing path: String, because reason: String) {
        self.init(
            .local, path, "cannot be used: \(shown(reason, limit: 500))",
            advice: "--state with a folder that can be written (state: in a definition)")
    }

    init(damaged path: String, because reason: String) {
        self.init(
            .local, path, "is damaged: \(shown(reason, limit: 500))",
            advice: "it is a cache: remove it; tags that were written before count as not ours then",
            isDamage: true)
    }

    /// Another process has changed it between two looks.
    init(changing path: String) {
        self.init(
            .locked, path, "was being brought up to date by another process", advice: "run it again")
    }

    /// What SQLite says of the file.
    init(_ error: any Error, path: String) {
        if let known = error as? CatalogError {
            self = known
            return
        }
        let words = (error as? DatabaseError)?.message ?? "\(error)"
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_NOTADB?, .SQLITE_CORRUPT?, .SQLITE_ERROR?, .SQLITE_MISMATCH?:
            self.init(damaged: path, because: words)
        case .SQLITE_BUSY?, .SQLITE_LOCKED?:
            self.init(
                .locked, path, "was held by another process for more than \(Int(Catalog.patience)) s",
                advice: "wait for it to end, or --state with another folder")
        default: self.init(writing: path, because: words)
        }
    }
}
