import OCI

/// Pins what a selection names to digests, at the price of one request each.
///
/// Where every target lacks an image its manifest has to be read anyway, so that it is read at once, by its name. Where
/// a target has something under the name it is asked what the source has: that is most often the same.
struct Pinning: Sendable {
    let store: any SourceStore
    let spool: ManifestSpool
    let targets: [Planner.Target]
    let present: TargetTags

    func pin(
        _ reference: TagOrDigest, in name: RepositoryName, by rule: SelectionRule, isCompanion: Bool
    ) async throws -> Descriptor {
        let source = try await store.source(name)
        if let listing = source as? any DigestListing, case .tag(let tag) = reference,
            let listed = try await listing.listedTags()?[tag]
        {
            // A listing may be late: then the digest is no longer there, and the tag is asked for itself.
            do {
                return try await pin(listed, of: listing, reference, in: name, by: rule, isCompanion: isCompanion)
            } catch let error as any Failure where error.kind == .notFound {}
        }
        guard let source = source as? any NamedManifestSource, !source.countsManifests,
            try await isRead(reference, in: name, by: rule, isCompanion: isCompanion)
        else { return try await source.resolve(reference) }
        if case .digest(let digest) = reference, let known = try await spool.find(digest) { return known.descriptor }
        let manifest = try await source.manifest(named: reference)
        try await spool.add(manifest)
        return manifest.descriptor
    }

    /// Pins a tag to what the source's listing says of it: without a request, unless the manifest has to be read.
    private func pin(
        _ listed: ListedTag, of source: any DigestListing, _ reference: TagOrDigest, in name: RepositoryName,
        by rule: SelectionRule, isCompanion: Bool
    ) async throws -> Descriptor {
        if let known = try await spool.find(listed.digest) { return known.descriptor }
        let isRead = try await isRead(reference, in: name, by: rule, isCompanion: isCompanion)
        if !isRead, try await isEverywhere(listed.digest, reference, in: name, isCompanion: isCompanion) {
            return source.descriptor(of: listed)
        }
        guard isRead, let named = source as? any NamedManifestSource, !named.countsManifests else {
            return try await source.resolve(.digest(listed.digest))
        }
        let manifest = try await named.manifest(named: .digest(listed.digest))
        try await spool.add(manifest)
        return manifest.descriptor
    }

    /// Whether every target has the digest under the image's name.
    private func isEverywhere(
        _ digest: Digest, _ reference: TagOrDigest, in name: RepositoryName, isCompanion: Bool
    ) async throws -> Bool {
        for (number, target) in targets.enumerated() {
            let (repository, tag) = try target.naming.target(for: reference, in: name, isCompanion: isCompanion)
            let wanted = tag.map { TagOrDigest.tag($0) } ?? reference
            do {
                guard try await present.find(wanted, in: repository, at: number) == digest else { return false }
            } catch let error as any Failure where isLostAlone(error) {
                continue
            }
        }
        return true
    }

    /// Whether the manifest will have to be read, whatever it is.
    private func isRead(
        _ reference: TagOrDigest, in name: RepositoryName, by rule: SelectionRule, isCompanion: Bool
    ) async throws -> Bool {
        // The manifest of the one platform is what the index says.
        if rule.platforms.count == 1 { return true }
        for (number, target) in targets.enumerated() {
            do {
                let (repository, tag) = try target.naming.target(for: reference, in: name, isCompanion: isCompanion)
                let wanted = tag.map { TagOrDigest.tag($0) } ?? reference
                if let memory = target.store as? any RememberingTarget {
                    if try await memory.remembers(wanted, in: repository) { continue }
                    return true
                }
                if try await present.find(wanted, in: repository, at: number) == nil { return true }
            } catch let error as LifeboatError where error.kind == .policy {
                continue  // a name that none can have is reported with all others
            } catch is OCIError {
                continue
            } catch let error as any Failure where isLostAlone(error) {
                continue
            }
        }
        return false
    }

    /// Whether a target that cannot be asked is no matter here: what it lacks is said when its images are planned, and
    /// the other targets get theirs.
    private func isLostAlone(_ error: any Failure) -> Bool {
        targets.count > 1 && error.kind != .internal && error.kind != .local
    }
}
