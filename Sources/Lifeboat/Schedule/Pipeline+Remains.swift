import NIOCore
import OCI
import OCIArchive

extension Pipeline {
    /// What can be read of a definition that is wrong: its name, and who is to be told. It has no steps.
    ///
    /// - Returns: nil if that cannot be read either, or nobody is to be told.
    public static func remains(
        of file: String, from fileSystem: any FileSystem, context: PipelineContext
    ) async -> Pipeline? {
        do {
            let bytes = try await fileSystem.read(file, upTo: PipelineDocument.sizeLimit)
            return try remains(of: Array(bytes.readableBytesView), file: file, context: context)
        } catch {
            // It is on its way to be reported already, by who asked for this.
            return nil
        }
    }

    static func remains(of bytes: [UInt8], file: String, context: PipelineContext) throws(DefinitionError) -> Pipeline?
    {
        let root = try PipelineDocument.parse(bytes, file: file)
        let reader = DefinitionReader(file: file, variables: context.variables)
        let parser = PipelineParser(reader: reader, folder: context.folder ?? parentFolder(of: file), context: context)
        _ = parser.pipeline(root)
        guard !reader.faults.contains(where: { $0.key.hasPrefix("notify") }), !parser.settings.notifications.isEmpty
        else { return nil }
        var pipeline = Pipeline(name: parser.name, steps: [])
        pipeline.settings = parser.settings
        return pipeline
    }
}
