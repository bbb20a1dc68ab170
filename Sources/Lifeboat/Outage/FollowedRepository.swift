import NIOCore
import OCI

/// One repository of what is served now, and by digest of what was served before.
struct FollowedRepository: RandomAccessSource {
    private let current: (any RandomAccessSource)?
    private let former: any RandomAccessSource
    let name: String

    /// - Throws: what `current` throws, where neither has the repository.
    static func open(
        _ repository: RepositoryName, of registry: String?, in current: ImageDirectory, _ former: ImageDirectory
    ) async throws -> any ImageSource {
        var found: (any ImageSource)?
        var fault: (any Error)?
        do {
            found = try await current.source(repository, of: registry)
        } catch let error as any Failure where error.kind == .notFound {
            fault = error
        }
        let before: any ImageSource
        do {
            before = try await former.source(repository, of: registry)
        } catch let error as any Failure where error.kind == .notFound {
            if let found { return found }
            throw fault ?? error
        }
        guard let before = before as? any RandomAccessSource, found == nil || found is any RandomAccessSource else {
            throw LifeboatError(.internal, "\(current.name) cannot be read at random")
        }
        return FollowedRepository(current: found as? any RandomAccessSource, former: before, name: before.name)
    }

    func tags() async throws -> [Tag] { try await current?.tags() ?? [] }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        if let current {
            do {
                return try await current.resolve(reference)
            } catch let error as any Failure where error.kind == .notFound {
                guard case .digest = reference else { throw error }
            }
        }
        guard case .digest = reference else { throw LifeboatError(.notFound, "\(name) has no manifest \(reference)") }
        return try await former.resolve(reference)
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        try await holder(of: descriptor.digest).manifest(descriptor)
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        try await holder(of: digest).referrers(of: digest)
    }

    func blob(_ digest: Digest) async throws -> Descriptor? { try await holder(of: digest).blob(digest) }

    func stamp(of blob: Descriptor) async throws -> String { try await holder(of: blob.digest).stamp(of: blob) }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await holder(of: blob.digest).read(blob, after: prefix, body)
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        try await holder(of: blob.digest).readUnverified(blob, in: range, by: pieceSize, send: send)
    }

    /// What is served now, if it has the content.
    private func holder(of digest: Digest) async throws -> any RandomAccessSource {
        guard let current else { return former }
        return try await current.blob(digest) != nil ? current : former
    }
}
