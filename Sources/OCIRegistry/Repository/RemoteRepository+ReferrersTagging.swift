import NIOCore
import OCI

extension RemoteRepository: ReferrersTagging {
    public func list(_ referrers: [Descriptor], of subject: Digest) async throws {
        guard !referrers.isEmpty, try await !hasReferrersAPI(subject) else { return }
        let tag = Tag(referrersOf: subject)
        try await registry.turns.take("\(repository):\(tag)") {
            let place = "tag \(tag) of \(name)"
            let existing = try await get(.tag(tag), push)
            if let existing, case .image = existing.kind {
                throw RegistryError(
                    .conflict, "\(place) should list the referrers of \(subject.short) but is not an index")
            }
            guard let bytes = try Referrers.adding(referrers, to: existing?.bytes, in: place) else { return }
            let index = try Manifest(bytes, mediaType: existing?.descriptor.mediaType ?? .ociIndex, from: place)
            try await self.push(index, tags: [tag])
            registry.withMemory { _ = $0.referrersTags[repository]?.insert(tag) }
        }
    }

    /// Whether the registry lists referrers by itself; asks it the first time.
    private func hasReferrersAPI(_ subject: Digest) async throws -> Bool {
        if let known = registry.withMemory({ $0.hasReferrersAPI }) { return known }
        _ = try await referrers(of: subject)
        return registry.withMemory { $0.hasReferrersAPI } ?? false
    }
}
