import NIOHTTP1
import OCI

extension RemoteRepository: BlobMounting {
    /// As long as it has never refused.
    public var mountsUnasked: Bool { registry.withMemory { !$0.hasRefusedMount } }

    /// A registry that does not mount begins an upload instead; a `write` of the same blob goes on with it.
    public func mount(_ blob: Descriptor, from other: RepositoryName) async throws -> Bool {
        let address = address("blobs/uploads/?mount=\(blob.digest)&from=\(other)")
        let request = Request(.mount, .POST, address, access: .push(repository, from: other), what: "a mount")
        let answer: Answer
        do {
            answer = try await registry.answer(request)
        } catch let error as RegistryError where error.kind == .auth {
            // No right to read the other repository; whether there is one to write is seen when it is tried.
            registry.withMemory { $0.hasRefusedMount = true }
            return false
        }
        if answer.status != 201 { registry.withMemory { $0.hasRefusedMount = true } }
        switch answer.status {
        case 201: return true
        case 202:
            let session = try BlobUpload.location(answer.headers, from: answer.address, of: self)
            let place = Registry.BlobPlace(repository: repository, digest: blob.digest)
            registry.withMemory { $0.begun[place] = session }
            return false
        default: return false
        }
    }
}
