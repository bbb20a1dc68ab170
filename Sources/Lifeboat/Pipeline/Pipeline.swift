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
    public var settings = PipelineSettings()
    /// What can be given by `--input`.
    public var inputs: [String: PipelineInput] = [:]
    /// Inputs and variables that are a password, or part of one's way: they stand in no plan and no report.
    public var secretInputs: Set<String> = []
    /// What its inputs stood for, without those that are secret.
    public var values: [String: String] = [:]
    /// What the other variables in it stood for, without those that are secret.
    public var variables: [String: String] = [:]
    /// What a reader should know and that is no fault, each as `file:line:column: key: text`.
    public var notes: [String] = []
    /// The digest of the definition's bytes.
    public var digest: Digest?
    /// Files and folders that are read and that no step before has written, and where the definition says so.
    var needed: [(path: String, fault: DefinitionError.Fault)] = []

    /// Reads a definition from a file.
    ///
    /// - Throws: `DefinitionError` with everything that is wrong, also in the lists of images that it names, and an archive that is
    ///   read and is neither there nor written before; `LifeboatError` if there is no such file, `.usage` for an input that is not declared;
    ///   `FileError`.
    public static func read(
        _ file: String, from fileSystem: any FileSystem, context: PipelineContext
    ) async throws -> Pipeline {
        var context = context
        let bytes: [UInt8]
        if file == "-" {
            bytes = try await allOfStandardInput(fileSystem)
        } else {
            guard let status = try await fileSystem.status(file, followLinks: true) else {
                throw LifeboatError(.policy, "there is no pipeline definition \(shown(file, limit: 1000))")
            }
            guard status.kind == .file else {
                throw LifeboatError(.policy, "\(shown(file, limit: 1000)) is not a file, want a pipeline definition")
            }
            let opened = try await fileSystem.open(file, .read)
            (context.isWorldWritable, bytes) = try await closing(opened) {
                let isWorldWritable = try await opened.status().permissions & 0o002 != 0
                let bytes = try await opened.read(at: 0, count: PipelineDocument.sizeLimit + 1)
                return (isWorldWritable, Array(bytes.readableBytesView))
            }
        }
        let pipeline = try await Pipeline(parsing: bytes, file: file, context: context).readingLists(from: fileSystem)
        if let unknown = context.inputs.keys.sorted().first(where: { pipeline.inputs[$0] == nil }) {
            let known = pipeline.inputs.keys.sorted().joined(separator: ", ")
            throw LifeboatError(
                .usage, "\(shown(file, limit: 1000)) has no input '\(shown(unknown, limit: 80))'",
                advice: known.isEmpty ? "it declares none under inputs" : "one of \(known)")
        }
        try await pipeline.checkFiles(file, fileSystem)
        return pipeline
    }

    public static func read(
        _ file: String, from fileSystem: any FileSystem, variables: [String: String]
    ) async throws -> Pipeline {
        try await read(file, from: fileSystem, context: PipelineContext(variables: variables))
    }

    private static func allOfStandardInput(_ fileSystem: any FileSystem) async throws -> [UInt8] {
        let input = try await fileSystem.standardInput()
        var bytes: [UInt8] = []
        while bytes.count <= PipelineDocument.sizeLimit {
            let chunk = try await input.readNext(64 << 10)
            if chunk.readableBytes == 0 { break }
            bytes += chunk.readableBytesView
        }
        return bytes
    }

    private func checkFiles(_ file: String, _ fileSystem: any FileSystem) async throws {
        var faults: [DefinitionError.Fault] = []
        for (path, fault) in needed where path != "-" {
            if try await !archiveExists(path, fileSystem) { faults.append(fault) }
        }
        if !faults.isEmpty { throw DefinitionError(file: file, faults: faults) }
    }

    /// Reads a definition.
    ///
    /// - Parameter file: its path, for messages, and the folder that relative paths start from.
    /// - Throws: `DefinitionError` with everything that is wrong.
    public init(parsing bytes: [UInt8], file: String, context: PipelineContext) throws(DefinitionError) {
        let root = try PipelineDocument.parse(bytes, file: file)
        let reader = DefinitionReader(file: file, variables: context.variables)
        let parser = PipelineParser(reader: reader, folder: context.folder ?? parentFolder(of: file), context: context)
        let pipeline = parser.pipeline(root)
        try reader.check()
        guard let pipeline else {
            throw DefinitionError(
                file: file, faults: [.init(line: 1, column: 1, key: "", reason: "there is no pipeline in it")])
        }
        self = pipeline
        digest = Digest(of: bytes)
    }

    /// - Parameter variables: what `$NAME` stands for, as in the environment.
    public init(parsing bytes: [UInt8], file: String, variables: [String: String]) throws(DefinitionError) {
        try self.init(parsing: bytes, file: file, context: PipelineContext(variables: variables))
    }

    init(name: String, steps: [Step]) {
        self.name = name
        self.steps = steps
    }
}
