import OCI

extension Selector {
    /// The manifests of indexes that a rule wants, however deep. What cannot be read is left to the plan to say.
    func children(
        of roots: [Descriptor], from source: any ImageSource, _ rule: SelectionRule
    ) async throws -> [Digest] {
        var found: [Digest] = []
        var seen = Set(roots.map(\.digest))
        // Of what was only listed it may not be known whether it is an index.
        var waiting = roots.filter { $0.mediaType.isIndex || !$0.mediaType.isManifest }
        while let index = waiting.popLast(), seen.count < ImageGraph.nodeLimit {
            do {
                let manifest: Manifest
                if let spool {
                    manifest = try await SpooledReader(source: source, spool: spool).manifest(index)
                } else {
                    manifest = try await source.manifest(index)
                }
                guard case .index(let children) = manifest.kind else { continue }
                for child in children where child.mediaType.isManifest && seen.insert(child.digest).inserted {
                    if rule.wants(child: child) { found.append(child.digest) }
                    if child.mediaType.isIndex { waiting.append(child) }
                }
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                continue
            }
        }
        return found
    }
}
