import NIOCore
import OCI
import OCIArchive

/// One repository of an `Overlay`.
struct OverlayRepository: Sendable {
    typealias Writable = RandomAccessSource & UploadTarget & DeletingTarget & BlobMounting

    let repository: RepositoryName
    let over: any Writable
    /// None where the store below has no such repository.
    let base: (any RandomAccessSource)?
    let overlay: Overlay
    /// Whether there are several registries, and nobody has said which is meant.
    let isOfAny: Bool

    var name: String { base?.name ?? over.name }

    private func notFound(_ what: String) -> OCIError { OCIError(.notFound, "\(name) has no \(what)") }

    /// Who has a blob.
    private func holder(of digest: Digest) async throws -> any RandomAccessSource {
        if try await over.blob(digest) != nil { return over }
        guard let base else { throw notFound("blob \(digest)") }
        return base
    }
}

extension OverlayRepository: RandomAccessSource {
    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        if let found = try await over.find(reference) { return found }
        if isOfAny, case .tag(let tag) = reference, let found = try await held(tag) { return found }
        guard let base else { throw notFound("manifest \(reference)") }
        return try await base.resolve(reference)
    }

    /// What a tag stands for that has been pushed for some registry; nil if it has not.
    ///
    /// - Throws: `OCIError` `.conflict` if it stands for several images.
    private func held(_ tag: Tag) async throws -> Descriptor? {
        let held = try await overlay.held(tag, in: repository)
        guard let first = held.values.first else { return nil }
        guard held.values.allSatisfy({ $0.digest == first.digest }) else {
            let registries = held.keys.sorted().map { shown($0, limit: 300) }.joined(separator: " and ")
            throw OCIError(.conflict, "\(tag) stands for several images in \(name), of \(registries)")
        }
        return first
    }

    func tags() async throws -> [Tag] {
        let pushed = isOfAny ? try await overlay.layout.source(repository).tags() : []
        return Set(try await over.tags() + pushed + (base?.tags() ?? [])).sorted()
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        if try await over.find(.digest(descriptor.digest)) != nil { return try await over.manifest(descriptor) }
        guard let base else { throw notFound("manifest \(descriptor.digest)") }
        return try await base.manifest(descriptor)
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        var found = try await base?.referrers(of: digest) ?? []
        let known = Set(found.map(\.digest))
        found += try await over.referrers(of: digest).filter { !known.contains($0.digest) }
        return found.sorted { $0.digest < $1.digest }
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await holder(of: blob.digest).read(blob, after: prefix, body)
    }

    func blob(_ digest: Digest) async throws -> Descriptor? {
        if let blob = try await over.blob(digest) { return blob }
        return try await base?.blob(digest)
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        try await holder(of: blob.digest).readUnverified(blob, in: range, by: pieceSize, send: send)
    }

    func stamp(of blob: Descriptor) async throws -> String { try await holder(of: blob.digest).stamp(of: blob) }
}

extension OverlayRepository: ImageTarget, BlobMounting {
    func find(_ reference: TagOrDigest) async throws -> Descriptor? {
        do {
            return try await resolve(reference)
        } catch let error as any Failure where error.kind == .notFound {
            return nil
        }
    }

    func contains(_ blob: Descriptor) async throws -> Bool {
        if try await over.contains(blob) { return true }
        do {
            return try await base?.blob(blob.digest)?.size == blob.size
        } catch let error as any Failure where error.kind == .damaged {
            // What is lost below can be pushed again.
            return false
        }
    }

    func write(_ content: Content) async throws { try await over.write(content) }

    func push(_ manifest: Manifest, tags: [Tag]) async throws {
        try await bringChildren(of: manifest)
        try await over.push(manifest, tags: tags)
    }

    func mount(_ blob: Descriptor, from other: RepositoryName) async throws -> Bool {
        if try await over.mount(blob, from: other) { return true }
        guard let source = try await overlay.below(other), try await source.blob(blob.digest) != nil else {
            return false
        }
        try await source.read(blob) { try await over.write($0) }
        return true
    }

    /// Copies into the folder what it lacks of an image, children before parents.
    private func bringChildren(of manifest: Manifest) async throws {
        for child in manifest.children where !child.isForeign {
            if case .index = manifest.kind, child.mediaType.isManifest {
                guard try await over.find(.digest(child.digest)) == nil, let base else { continue }
                let below = try await base.manifest(child)
                try await bringChildren(of: below)
                try await over.push(below, tags: [])
            } else if try await !over.contains(child), let base {
                try await base.read(child) { try await over.write($0) }
            }
        }
    }
}

extension OverlayRepository: UploadTarget {
    func beginUpload() async throws -> String { try await over.beginUpload() }
    func uploadSize(_ id: String) async throws -> Int64? { try await over.uploadSize(id) }
    func cancelUpload(_ id: String) async throws { try await over.cancelUpload(id) }

    func append(to id: String, from producer: Content.Producer) async throws -> Int64 {
        try await over.append(to: id, from: producer)
    }

    func commitUpload(_ id: String, as digest: Digest) async throws -> Descriptor {
        try await over.commitUpload(id, as: digest)
    }
}

/// Only what was pushed can be taken away again.
extension OverlayRepository: DeletingTarget {
    func untag(_ tag: Tag) async throws -> Bool {
        if try await over.untag(tag) { return true }
        return try await refuse(if: try await base?.tags().contains(tag) ?? false, "tag \(tag)")
    }

    func deleteManifest(_ digest: Digest) async throws -> Bool {
        if try await over.deleteManifest(digest) { return true }
        return try await refuse(if: try await find(.digest(digest)) != nil, "manifest \(digest)")
    }

    func deleteBlob(_ digest: Digest) async throws -> Bool {
        if try await over.blob(digest) != nil { return try await over.deleteBlob(digest) }
        return try await refuse(if: try await base?.blob(digest) != nil, "blob \(digest)")
    }

    private func refuse(if isBelow: Bool, _ what: String) async throws -> Bool {
        guard isBelow else { return false }
        throw OCIError(.conflict, "\(what) is in the backup, which is never changed")
    }
}
