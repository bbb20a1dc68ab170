import OCI

/// Who refers to whom among the manifests of a folder, read once each.
///
/// Only digests are kept, whatever the manifests say besides; they are read one after the other, so that one of them
/// is in memory at a time.
actor LayoutSubjects {
    /// The most manifests that one list may lead to.
    static let manifestLimit = Tar.entryLimit

    private let folder: LayoutFolder
    private var seen: Set<Digest> = []
    private var referrers: [Digest: [Digest: Descriptor]] = [:]
    private var generation = -1
    private var reading: Task<Void, any Error>?

    init(_ folder: LayoutFolder) {
        self.folder = folder
    }

    func add(_ manifest: Manifest) {
        seen.insert(manifest.descriptor.digest)
        guard let subject = manifest.subject else { return }
        referrers[subject.digest, default: [:]][manifest.descriptor.digest] = manifest.descriptor
    }

    func remove(_ digest: Digest) {
        seen.remove(digest)
        for subject in referrers.keys { referrers[subject]?[digest] = nil }
    }

    /// Whatever refers to `digest`, sorted, once all listed manifests and their children have been read.
    func referrers(of digest: Digest, among roots: [Descriptor], generation: Int) async throws -> [Descriptor] {
        try await readAll(roots, generation)
        return (referrers[digest] ?? [:]).values.sorted { $0.digest < $1.digest }
    }

    /// Whether the list leads to a manifest.
    func reaches(_ digest: Digest, among roots: [Descriptor], generation: Int) async throws -> Bool {
        try await readAll(roots, generation)
        return seen.contains(digest)
    }

    // Unstructured, so that a caller who is cancelled does not fail the others who wait for the same reading.
    private func readAll(_ roots: [Descriptor], _ generation: Int) async throws {
        while self.generation < generation {
            if let reading {
                try await reading.value
                continue
            }
            let task = Task {
                defer { self.reading = nil }
                try await self.read(roots)
                self.generation = generation
            }
            reading = task
            try await task.value
        }
    }

    private func read(_ roots: [Descriptor]) async throws {
        var visited: Set<Digest> = []
        var waiting: [Descriptor] = []
        for root in roots where !seen.contains(root.digest) && visited.insert(root.digest).inserted {
            waiting.append(root.pointer)
        }
        while let descriptor = waiting.popLast() {
            guard let manifest = try await folder.readableManifest(descriptor) else { continue }
            add(manifest)
            guard case .index(let children) = manifest.kind else { continue }
            for child in children
            where child.mediaType.isManifest && !seen.contains(child.digest) && visited.insert(child.digest).inserted {
                guard visited.count <= Self.manifestLimit else {
                    throw ArchiveError.policy(
                        "the list of \(shown(folder.path)) leads to more than \(Self.manifestLimit) manifests")
                }
                waiting.append(child.pointer)
            }
        }
    }
}

extension Descriptor {
    /// What it takes to read the content, and nothing that is only worth knowing.
    fileprivate var pointer: Descriptor { Descriptor(mediaType: mediaType, digest: digest, size: size) }
}

extension LayoutFolder {
    /// A manifest, or nil if it is missing or damaged.
    ///
    /// It is passed over only where others are asked for: as an image of its own it is listed, and fails there.
    func readableManifest(_ descriptor: Descriptor) async throws -> Manifest? {
        do {
            let limit = min(descriptor.size, Manifest.sizeLimit)
            guard let (bytes, _) = try await read(path(of: descriptor.digest), upTo: limit) else {
                return nil
            }
            return try Manifest(bytes, as: descriptor, from: shown(path, limit: 1000))
        } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
            return nil
        }
    }
}

extension Layout {
    func referrers(of digest: Digest) async throws -> [Descriptor] {
        let (roots, generation) = try await catalog.roots()
        var found: [Descriptor] = []
        for referrer in try await subjects.referrers(of: digest, among: roots, generation: generation) {
            if let manifest = try await folder.readableManifest(referrer) { found.append(manifest.asReferrer) }
        }
        return found
    }

    /// The manifests without a tag that are there only because they refer to another one, as a signature does.
    func untaggedReferrers(_ index: LayoutIndex) async throws -> Set<Digest> {
        let untagged = index.repositories.values.flatMap(\.untagged.values)
        guard !untagged.isEmpty else { return [] }
        let (roots, generation) = try await catalog.roots()
        var found: Set<Digest> = []
        for entry in untagged {
            guard let subject = try await folder.readableManifest(entry.descriptor)?.subject,
                try await subjects.reaches(subject.digest, among: roots, generation: generation)
            else { continue }
            found.insert(entry.descriptor.digest)
        }
        return found
    }
}
