import NIOCore
import OCI

/// One repository of an archive that is being written.
struct ArchiveTargetRepository: Sendable {
    let archive: ArchiveTarget
    let repository: RepositoryName
}

extension ArchiveTargetRepository: ImageTarget {
    var name: String { archive.path }

    /// Nothing is visible in an archive before it is complete.
    func find(_ reference: TagOrDigest) -> Descriptor? { nil }

    func contains(_ blob: Descriptor) async throws -> Bool {
        let session = try archive.session()
        if session.plan.inBase.contains(blob.digest) { return true }
        let number = try slot(of: blob, in: session)
        guard let writer = session.writer, await session.ledger.claim(number) else { return true }
        do {
            let isThere = try await writer.holds(number)
            await session.ledger.release(number, complete: isThere)
            return isThere
        } catch {
            await session.ledger.release(number, complete: false)
            throw error
        }
    }

    func write(_ content: Content) async throws {
        let session = try archive.session()
        let number = try slot(of: content.descriptor, in: session)
        guard content.prefix.count == 0 else {
            throw ArchiveError(.internal, "\(content.descriptor.digest) came to \(name) without its first bytes")
        }
        guard let writer = session.writer, await session.ledger.claim(number) else { return }
        do {
            try await writer.write(content, to: number)
            await session.ledger.release(number, complete: true)
        } catch {
            await session.ledger.release(number, complete: false)
            throw error
        }
    }

    func push(_ manifest: Manifest, tags: [Tag]) throws {
        let session = try archive.session()
        if session.plan.inBase.contains(manifest.descriptor.digest) { return }
        _ = try slot(of: manifest.descriptor, in: session)
    }

    private func slot(of blob: Descriptor, in session: ArchiveTarget.Session) throws -> Int {
        let map = session.plan.map
        guard let number = map.slotNumbers[blob.digest], map.blobs[number].size == blob.size else {
            throw ArchiveError(.internal, "\(blob.digest) with \(blob.size) bytes is not in the plan of \(name)")
        }
        return number
    }
}
