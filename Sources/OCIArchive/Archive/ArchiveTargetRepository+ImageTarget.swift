import NIOCore
import OCI

/// One repository of an archive that is being written.
struct ArchiveTargetRepository: Sendable {
    let archive: ArchiveTarget
    let repository: RepositoryName
}

extension ArchiveTargetRepository: ResumableTarget {
    var name: String { archive.path }

    /// Nothing is visible in an archive before it is complete.
    func find(_ reference: TagOrDigest) -> Descriptor? { nil }

    func contains(_ blob: Descriptor) async throws -> Bool {
        let session = try archive.session()
        if session.plan.inBase.contains(blob.digest) { return true }
        let number = try slot(of: blob, in: session)
        guard let writer = session.writer, await session.ledger.claim(number) else { return true }
        do {
            var isThere = try await writer.holds(number)
            for remains in (session.remains.map { [$0] } ?? []) + session.others where !isThere {
                isThere = try await remains.copy(session.plan.map.blobs[number], to: number, of: writer)
            }
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

    /// An archive in a file keeps the beginning of what was cut off.
    func begun(_ blob: Descriptor) async throws -> Prefix? {
        let session = try archive.session()
        guard let writer = session.writer, !session.plan.inBase.contains(blob.digest) else { return nil }
        return try await writer.begun(try slot(of: blob, in: session))
    }

    private func slot(of blob: Descriptor, in session: ArchiveTarget.Session) throws -> Int {
        let map = session.plan.map
        guard let number = map.slotNumbers[blob.digest], map.blobs[number].size == blob.size else {
            throw ArchiveError(.internal, "\(blob.digest) with \(blob.size) bytes is not in the plan of \(name)")
        }
        return number
    }
}
