import Logging
import NIOHTTP1
import OCI

extension Registry: SourceStore, TargetStore {
    /// All repositories that the registry lists.
    ///
    /// - Throws: `RegistryError` that says so where the registry lists none: `_catalog` is optional, and many refuse it.
    public func repositories() async throws -> [RepositoryName] {
        let first = root.at("/v2/_catalog?n=\(Pages.size)")
        let pages = Pages(registry: self, access: .catalog, member: "repositories", what: "the list of repositories")
        let names = try await pages.read(from: first) { [self] answer in
            guard [401, 403, 404, 405].contains(answer.status) else { return nil }
            let said = answer.said.map { ": \($0)" } ?? ""
            let isRefused = answer.status == 401 || answer.status == 403
            return RegistryError(
                isRefused ? .auth : .policy, "\(name) does not list its repositories (\(answer.status)\(said))",
                advice: (isRefused ? "lifeboat login \(name), or " : "")
                    + "name the repositories, such as \(name)/team/app",
                status: answer.status)
        }
        var found: Set<RepositoryName> = []
        for name in names {
            do { found.insert(try RepositoryName(name)) } catch { skip(name, error) }
        }
        return found.sorted()
    }

    public func source(_ repository: RepositoryName) async throws -> any ImageSource { self.repository(repository) }

    public func target(_ repository: RepositoryName) async throws -> any ImageTarget { self.repository(repository) }

    /// Notes a name in a listing that nobody could ask for.
    func skip(_ text: String, _ reason: OCIError) {
        logger.notice("\(name) lists a name that is skipped: \(reason.description)")
    }
}
