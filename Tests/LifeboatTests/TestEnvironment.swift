import Logging
import OCI
import OCIArchive
import OCIRegistry
import TestSupport

@testable import Lifeboat

extension RunEnvironment {
    /// This machine's files, no patience with what fails, and no credentials.
    static func test(in folder: String) -> RunEnvironment {
        var environment = RunEnvironment(
            fileSystem: LocalFileSystem(), surroundings: .ofThisMachine, registries: RegistryOptions(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, workFolder: folder)
        environment.retry.firstDelay = .milliseconds(1)
        return environment
    }
}
