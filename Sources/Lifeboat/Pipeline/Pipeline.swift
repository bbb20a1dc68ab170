import NIOCore
import OCI
import OCIArchive
import Yams

/// A definition of what is to be moved, and the steps that it takes.
public struct Pipeline: Sendable {
    public var name: String
    public var steps: [Step]
    /// The folder of what outlives a run; nil for the user's.
    public var state: String?

    /// Reads a definition from a file.
    ///
    /// - Throws: `DefinitionError` with everything that is wrong, also in the lists of images that it names,
    ///   `LifeboatError` if there is no such file, `FileError`.
    public static func read(
        _ file: String, from fileSystem: any FileSystem, variables: [String: String]
    ) async throws -> Pipeline {
        guard let status = try await fileSystem.status(file, followLinks: true) else {
            throw LifeboatError(.policy, "there is no pipeline definition \(shown(file, limit: 1000))")
        }
        guard status.kind == .file else {
            throw LifeboatError(.policy, "\(shown(file, limit: 1000)) is not a file, want a pipeline definition")
        }
        let opened = try await fileSystem.open(file, .read)
        let bytes = try await opened.read(at: 0, count: PipelineDocument.sizeLimit + 1)
        try await opened.close()
        return try await Pipeline(parsing: Array(bytes.readableBytesView), file: file, variables: variables)
            .readingLists(from: fileSystem)
    }

    /// Reads a definition.
    ///
    /// - Parameters:
    ///   - file: its path, for messages, and the folder that relative paths start from.
    ///   - variables: what `$NAME` stands for, as in the environment.
    /// - Throws: `DefinitionError` with everything that is wrong.
    public init(parsing bytes: [UInt8], file: String, variables: [String: String]) throws(DefinitionError) {
        let root = try PipelineDocument.parse(bytes, file: file)
        let reader = DefinitionReader(file: file, variables: variables)
        let parser = PipelineParser(reader: reader, folder: parentFolder(of: file))
        let pipeline = parser.pipeline(root)
        try reader.check()
        guard let pipeline else {
            throw DefinitionError(
                file: file, faults: [.init(line: 1, column: 1, key: "", reason: "there is no pipeline in it")])
        }
        self = pipeline
    }

    init(name: String, steps: [Step]) {
        self.name = name
        self.steps = steps
    }
}
