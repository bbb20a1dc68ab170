import OCI
import OCIArchive

extension Pipeline {
    /// Reads the lists of images and the manifests that its selections name, each file once.
    ///
    /// - Throws: `DefinitionError` where one is missing or wrong; nothing was touched.
    func readingLists(from fileSystem: any FileSystem) async throws -> Pipeline {
        var reading = ImageListReading(fileSystem: fileSystem)
        var pipeline = self
        for (number, step) in steps.enumerated() {
            switch step.work {
            case .copy(var copy):
                for source in copy.sources.indices {
                    copy.sources[source].selection = try await reading.read(copy.sources[source].selection)
                }
                pipeline.steps[number].work = .copy(copy)
            case .verify(var verify):
                for source in verify.sources.indices {
                    verify.sources[source].selection = try await reading.read(verify.sources[source].selection)
                }
                pipeline.steps[number].work = .verify(verify)
            case .drill: continue
            }
        }
        return pipeline
    }
}
