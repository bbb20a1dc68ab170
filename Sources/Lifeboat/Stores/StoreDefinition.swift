import OCI
import OCIArchive

/// Where images are or should be, before anything is opened.
public enum StoreDefinition: Sendable, Hashable {
    /// A registry, and a path under which its repositories are meant; empty for all.
    case registry(host: String, prefix: String)
    /// An OCI tar; `-` is stdin or stdout.
    case archive(path: String)
    /// An OCI layout folder.
    case layout(path: String)
    /// A backup set; to read from it, the backup that `at` means (`BackupSet.find`), the latest where it is nil.
    case backups(path: String, at: String?)

    public var description: String {
        switch self {
        case .registry(let host, let prefix): prefix.isEmpty ? host : host + "/" + prefix
        case .archive("-"): "standard input or output"
        case .archive(let path), .layout(let path), .backups(let path, _): path
        }
    }

    /// What it is called where it is read.
    var asSource: String { self == .archive(path: "-") ? "standard input" : description }

    /// What it is called where it is written.
    var asTarget: String { self == .archive(path: "-") ? "standard output" : description }

    public static let archiveSuffixes = [
        ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst", ".tar.xz", ".txz",
    ]

    /// Whether people mean a file or folder by this, and not an image.
    ///
    /// A known suffix, `-`, a slash at the end, or a beginning of `/`, `./` or `../` makes a path; so does the name of
    /// something that exists, unless it could be an image with a host. A folder with records in it is a backup set.
    public static func path(
        _ text: String, in fileSystem: any FileSystem
    ) async throws -> StoreDefinition? {
        if text == "-" || archiveSuffixes.contains(where: text.hasSuffix) {
            if let status = try await fileSystem.status(text, followLinks: true), status.kind == .folder {
                throw LifeboatError(
                    .usage, "\(shown(text)) is a folder, want a file",
                    advice: "write \(shown(text))/ for an OCI layout folder")
            }
            return .archive(path: text)
        }
        if try await BackupSet.isSet(trimmed(text), in: fileSystem) {
            return .backups(path: trimmed(text), at: nil)
        }
        if text.hasSuffix("/") {
            try await checkNoRegistry(text, in: fileSystem)
            return .layout(path: trimmed(text))
        }
        let looksLikePath =
            text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../") || text == "." || text == ".."
        guard let status = try await fileSystem.status(text, followLinks: true) else {
            return looksLikePath ? .archive(path: text) : nil
        }
        switch status.kind {
        case .folder:
            let isLayout = try await fileSystem.status(text + "/oci-layout", followLinks: false) != nil
            if isLayout || looksLikePath { return .layout(path: text) }
            // A folder that happens to have the name of an image is not meant; but no image is called so by its host.
            guard !text.contains("/"), !text.contains(":") else { return nil }
            throw LifeboatError(
                .usage, "\(shown(text)) is a folder, and no OCI layout",
                advice: "\(shown(text))/ for a layout in it, docker.io/library/\(shown(text)) for the image")
        default: return .archive(path: text)
        }
    }

    /// A port, or the name `localhost`, is of a registry: nobody calls a folder so.
    ///
    /// - Throws: `LifeboatError` `.usage` for what ends in a slash as a folder does, and is none.
    private static func checkNoRegistry(_ text: String, in fileSystem: any FileSystem) async throws {
        let path = trimmed(text)
        let first = path.prefix { $0 != "/" }
        guard first.contains(":") || first == "localhost", Reference.isHost(first), Reference.isWellFormedHost(first),
            try await fileSystem.status(path, followLinks: true) == nil
        else { return }
        throw LifeboatError(
            .usage, "\(shown(text)) ends in a slash, which means a folder, and there is none",
            advice: "\(shown(path)) for the registry, ./\(shown(text)) for a new folder")
    }

    private static func trimmed(_ path: String) -> String {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }
}

/// Images as people write them on a command line: a path, an image, or a pattern.
public struct SourceDefinition: Sendable, Hashable {
    public var store: StoreDefinition
    public var selection: Selection

    public init(store: StoreDefinition, selection: Selection) {
        self.store = store
        self.selection = selection
    }

    /// Reads `PATH`, `HOST`, `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@DIGEST` or a pattern such as `HOST/team/**:1.*`.
    ///
    /// - Parameter images: patterns that choose from an archive, a folder or a whole registry; all of it if there are none.
    /// - Returns: a source for each pattern, since each may take other tags of the same repository.
    /// - Throws: `OCIError` or `LifeboatError` of kind `.usage`.
    public static func parse(
        _ text: String, images: [String] = [], platforms: [Platform] = [], referrers: Bool = true,
        in fileSystem: any FileSystem
    ) async throws -> [SourceDefinition] {
        if let store = try await StoreDefinition.path(text, in: fileSystem) {
            return (images.isEmpty ? ["**"] : images).map { pattern in
                SourceDefinition(
                    store: store, rule: SelectionRule(pattern: pattern, platforms: platforms, referrers: referrers))
            }
        }
        if text.contains("*") || text.contains("?") {
            guard let slash = text.firstIndex(of: "/"), Reference.isHost(text[..<slash]),
                Reference.isWellFormedHost(text[..<slash])
            else {
                throw LifeboatError(
                    .usage, "the pattern '\(shown(text))' does not begin with a host",
                    advice: "HOST/PATTERN, such as 'registry.example.com/team/**'")
            }
            let rule = SelectionRule(
                pattern: text[text.index(after: slash)...], platforms: platforms, referrers: referrers)
            return [
                SourceDefinition(
                    store: .registry(host: Reference.canonical(registry: String(text[..<slash])), prefix: ""),
                    rule: rule)
            ]
        }
        if isRegistry(text) {
            let store = try StoreDefinition.registry(parsing: text)
            guard !images.isEmpty else { return [SourceDefinition(store: store, selection: .all)] }
            return images.map {
                SourceDefinition(
                    store: store, rule: SelectionRule(pattern: $0, platforms: platforms, referrers: referrers))
            }
        }
        let reference = try Reference(parsing: text)
        return [
            SourceDefinition(
                store: .registry(host: reference.registry, prefix: ""),
                rule: SelectionRule(reference, platforms: platforms, referrers: referrers))
        ]
    }

    /// Whether a word without a slash is a registry, all of it, and not an image of Docker Hub: `registry.example.com`,
    /// `127.0.0.1:5000`, `localhost:5000`.
    public static func isRegistry(_ text: String) -> Bool {
        guard !text.contains("/"), !text.contains("@"), Reference.isWellFormedHost(text) else { return false }
        if text.hasPrefix("[") { return true }
        let name = text.split(separator: ":")[0]
        return name.contains(".") || name == "localhost"
    }

    private init(store: StoreDefinition, rule: SelectionRule) {
        self.init(store: store, selection: Selection(rules: [rule]))
    }
}

extension StoreDefinition {
    /// Reads `HOST` or `HOST/PREFIX`.
    ///
    /// - Throws: `OCIError` or `LifeboatError` of kind `.usage`.
    public static func registry(parsing text: String) throws -> StoreDefinition {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let host = parts.first, Reference.isWellFormedHost(host), !text.contains("://"),
            Reference.isHost(host) || parts.count == 1
        else {
            throw LifeboatError(
                .usage, "'\(shown(text))' is not a registry", advice: "HOST or HOST/PREFIX, without http:// or https://"
            )
        }
        var prefix = parts.count == 2 ? parts[1] : ""
        while prefix.hasSuffix("/") { prefix.removeLast() }
        if !prefix.isEmpty { _ = try RepositoryName(prefix) }
        return .registry(host: Reference.canonical(registry: host), prefix: prefix)
    }
}
