import OCI

/// Who refers to whom among the manifests of a folder, read once each.
actor LayoutSubjects {
    private static let readsAtATime = 8

    private let folder: LayoutFolder
    private var seen: Set<Digest> = []
    private var referrers: [Digest: [Digest: Descriptor]] = [:]
    private var generation = -1

    init(_ folder: LayoutFolder) {
        self.folder = folder
    }

    func add(_ manifest: Manifest) {
        seen.insert(manifest.descriptor.digest)
        guard let subject = manifest.subject else { return }
        referrers[subject.digest, default: [:]][manifest.descriptor.digest] = manifest.asReferrer
    }

    func remove(_ digest: Digest) {
        seen.remove(digest)
        for subject in referrers.keys { referrers[subject]?[digest] = nil }
    }

    /// Whatever refers to `digest`, sorted, once all listed manifests and their children have been read.
    func referrers(of digest: Digest, among roots: [Descriptor], generation: Int) async throws -> [Descriptor] {
        if generation != self.generation {
            try await read(roots)
            self.generation = generation
        }
        return (referrers[digest] ?? [:]).values.sorted { $0.digest < $1.digest }
    }

    private func read(_ roots: [Descriptor]) async throws {
        var layer = roots.filter { !seen.contains($0.digest) }
        while !layer.isEmpty {
            let manifests = try await map(layer, limit: Self.readsAtATime) { [folder] in
                try await folder.readableManifest($0)
            }
            layer = []
            for manifest in manifests.compactMap({ $0 }) {
                add(manifest)
                guard case .index(let children) = manifest.kind else { continue }
                layer += children.filter { $0.mediaType.isManifest && !seen.contains($0.digest) }
            }
        }
    }
}

extension LayoutFolder {
    /// A manifest, or nil if it is missing or damaged.
    ///
    /// It is passed over only where others are asked for: as an image of its own it is listed, and fails there.
    func readableManifest(_ descriptor: Descriptor) async throws -> Manifest? {
        do {
            guard let (bytes, _) = try await read(path(of: descriptor.digest), upTo: Manifest.sizeLimit) else {
                return nil
            }
            return try Manifest(bytes, as: descriptor, from: path)
        } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
            return nil
        }
    }
}

extension Layout {
    func referrers(of digest: Digest) async throws -> [Descriptor] {
        let index = try await catalog.current()
        let generation = await catalog.generation
        return try await subjects.referrers(
            of: digest, among: index.entries.map(\.descriptor), generation: generation)
    }
}
