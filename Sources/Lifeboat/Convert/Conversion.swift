import NIOCore
import OCI
import OCIArchive
import Yams

/// A definition made of another tool's file, and what could not be carried over.
public struct Conversion: Sendable {
    /// The tools whose files are read.
    public enum Format: String, Sendable, CaseIterable {
        case regsync
        case skopeo
    }

    /// Something that the definition does not say, or says differently.
    public struct Note: Sendable, CustomStringConvertible {
        public var file: String
        public var line: Int
        public var key: String
        public var reason: String

        /// `file:line: key: reason`.
        public var description: String { "\(file):\(line): \(key): \(reason)" }
    }

    /// The definition, as YAML.
    public let definition: String
    public let notes: [Note]

    /// - Parameters:
    ///   - format: whose file it is; nil to tell from its keys.
    ///   - target: `HOST[/PREFIX]`, for a file that does not say where images go.
    /// - Throws: `DefinitionError` if it is no such file, or nothing of it can be carried over; `LifeboatError` if
    ///   there is no file; `FileError`.
    public static func read(
        _ file: String, as format: Format?, target: String? = nil, from fileSystem: any FileSystem
    ) async throws -> Conversion {
        guard let status = try await fileSystem.status(file, followLinks: true), status.kind == .file else {
            throw LifeboatError(.policy, "there is no file \(shown(file, limit: 1000))")
        }
        let bytes = try await fileSystem.read(file, upTo: PipelineDocument.sizeLimit + 1)
        return try Conversion(
            parsing: Array(bytes.readableBytesView), file: shown(file, limit: 1000), as: format, target: target)
    }

    public init(
        parsing bytes: [UInt8], file: String, as format: Format? = nil, target: String? = nil
    ) throws(DefinitionError) {
        let root = try ForeignDocument.parse(bytes, file: file)
        guard let format = format ?? Conversion.format(of: root) else {
            throw PipelineDocument.refusal(
                file, "this is neither a regsync file (a 'sync' list) nor one of skopeo sync (registries with 'images')"
            )
        }
        let reader = ForeignReader(file: file)
        let draft: DefinitionDraft
        switch format {
        case .regsync: draft = RegsyncConversion(reader: reader).draft(root)
        case .skopeo: draft = SkopeoConversion(reader: reader, target: target).draft(root)
        }
        notes = reader.notes.sorted { $0.line < $1.line }
        guard !draft.steps.isEmpty else {
            throw DefinitionError(
                file: file,
                faults: [.init(line: 1, column: 1, key: "", reason: "nothing in it can be carried over")]
                    + notes.map { .init(line: $0.line, column: 1, key: $0.key, reason: $0.reason) })
        }
        definition = draft.text(origin: "\(format.rawValue) file \(file.split(separator: "/").last ?? "")")
    }

    private static func format(of root: Node) -> Format? {
        guard case .mapping(let mapping) = root else { return nil }
        if let sync = mapping["sync"], case .sequence = sync { return .regsync }
        let keys: Set<String> = ["images", "images-by-tag-regex", "images-by-semver"]
        let isSkopeo = mapping.contains { _, value in
            guard case .mapping(let registry) = value else { return false }
            return registry.contains { keys.contains($0.key.string ?? "") }
        }
        return isSkopeo ? .skopeo : nil
    }
}
