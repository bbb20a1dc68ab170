import NIOHTTP1
import OCI

/// One repository of a registry.
public struct RemoteRepository: Sendable {
    public let registry: Registry
    public let repository: RepositoryName

    /// `registry/repository`.
    public var name: String { "\(registry.name)/\(repository)" }

    var pull: Access { .pull(repository) }
    var push: Access { .push(repository) }

    /// An address below `/v2/<name>/`.
    func address(_ path: String) -> WebAddress { registry.root.at("/v2/\(repository)/\(path)") }

    func address(of manifest: TagOrDigest) -> WebAddress { address("manifests/\(manifest)") }

    func refusal(_ answer: Answer, of what: String, otherwise: FailureKind = .protocolViolation) -> RegistryError {
        registry.refusal(answer, of: what, in: repository, otherwise: otherwise)
    }

    static func what(_ reference: TagOrDigest) -> String {
        switch reference {
        case .tag(let tag): "tag \(tag)"
        case .digest(let digest): "manifest \(digest)"
        }
    }
}
