import OCI
import OCIArchive

extension Planner {
    /// A target that knows some of the manifests already.
    var memory: (any RememberingTarget)? {
        targets.lazy.compactMap { $0.store as? any RememberingTarget }.first
    }

    /// What referred to the manifests of an image when the target was given it, unless its turn has come to look again.
    func knownReferrers(
        of image: NamedImage, _ rule: SelectionRule, _ memory: any RememberingTarget
    ) async throws -> [Digest: [Descriptor]]? {
        guard let known = try await memory.rememberedReferrers(of: image) else { return nil }
        if let rotation, rotation.isDue(image.descriptor.digest, last: known.time, by: rule) { return nil }
        return known.referrers
    }

    /// Whether the referrers of an image that is at the target are looked up in this run: always where that is free.
    func isDue(_ root: Digest, _ item: PlanItem, _ rule: SelectionRule) async throws -> Bool {
        guard let rotation, !(item.store is any ImageCatalog), let way = item.referrerWay else { return true }
        return try await rotation.isDue(root, way, by: rule)
    }

    /// Whether the source knows a signature or SBOM of the image, or of a manifest in it, that the target does not hold.
    ///
    /// - Parameter root: what the target's tag points to.
    func lacksReferrers(
        of root: Descriptor, _ item: PlanItem, _ rule: SelectionRule, _ source: SpooledReader
    ) async throws -> Bool {
        let repository = try await targets[item.target].store.target(item.targetRepository)
        var seen: Set<Digest> = []
        var waiting = [root]
        while let manifest = waiting.popLast() {
            guard seen.insert(manifest.digest).inserted else { continue }
            // Of what was only listed it may not be known whether it is an index.
            if manifest.mediaType.isIndex || !manifest.mediaType.isManifest {
                waiting += try await children(of: manifest, item, source).filter {
                    $0.mediaType.isManifest && rule.wants(child: $0)
                }
            }
            for referrer in try await source.referrers(of: manifest.digest) where rule.wants(referrer: referrer) {
                if try await repository.find(.digest(referrer.digest)) == nil { return true }
                waiting.append(referrer)
            }
        }
        return false
    }

    /// What an index lists; nothing for one that a delta leaves to its base: then nothing of the image is new.
    private func children(of index: Descriptor, _ item: PlanItem, _ source: SpooledReader) async throws -> [Descriptor]
    {
        do {
            if case .index(let children) = try await source.manifest(index).kind { return children }
        } catch let error as any Failure where error.kind == .notFound && item.store is any PartialSource {}
        return []
    }
}
