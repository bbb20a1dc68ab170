import NIOCore
import OCI

/// Makes a damaged archive what it was, bit for bit: what is right in it is kept, what is not is fetched.
///
/// The archive's list of contents says what every byte of it must be. It is written anew beside its name, as an export
/// would, from its own blobs where they have the right digest and from elsewhere where they have not; read again; and
/// renamed. Until then nothing is changed, and what was fetched serves the next run.
public struct ArchiveRepair: Sendable {
    private let path: String
    private let origins: [any SourceStore]
    private let opening: ArchiveOpening
    private let concurrency: Int
    private let observe: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - path: one file, which may be a volume or a delta.
    ///   - origins: asked in this order.
    ///   - progress: is told of bytes as they are read, from several tasks.
    public init(
        path: String, from origins: [any SourceStore], opening: ArchiveOpening = ArchiveOpening(),
        concurrency: Int = 4, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.path = path
        self.origins = origins
        self.opening = opening
        self.concurrency = concurrency
        observe = progress
    }

    /// - Throws: `ArchiveError` `.usage` for what Lifeboat did not write, `.damaged` if the list of contents is lost,
    ///   `.locked`, `FileError`. What could not be fetched is in the report.
    public func run() async throws -> ArchiveRepairReport {
        guard path != "-" else {
            throw ArchiveError.usage("standard input cannot be repaired", advice: "give the path of the archive")
        }
        let found = try await verification(path).run()
        var report = ArchiveRepairReport(found: found)
        if found.isSound {
            guard found.flavor == .ours else { throw notOurs() }
            return report
        }
        let (file, _) = try await openForReading(path, opening.fileSystem)
        try await closing(file) { try await repair(file, found, &report) }
        return report
    }

    private func verification(_ path: String) -> ArchiveVerification {
        ArchiveVerification(path: path, opening: opening, progress: observe)
    }

    private func notOurs() -> ArchiveError {
        .usage(
            "\(shown(path, limit: 1000)) was not written by Lifeboat: no list says what it must be",
            advice: "lifeboat export what can be read of it, and the rest from where it came from, into a new one")
    }

    private func repair(
        _ file: any File, _ found: ArchiveReport, _ report: inout ArchiveRepairReport
    ) async throws {
        let map = try await map(file, found)
        let remains = PartialRemains(ofWhole: map, file: file, path: path, isPlain: found.format == .plain)
        let origins = RepairOrigins(map, origins)
        let stash = ManifestStash { [opening] in
            try await opening.fileSystem.open(opening.workFolder + "/manifests", .temporary)
        }
        let check = try await gather(map, remains, origins, stash, &report)
        guard report.failures.isEmpty else { return try await stash.close() }
        let target = try ArchiveTarget(
            path: path, format: found.format, fileSystem: opening.fileSystem, replace: true)
        _ = try await target.begin(ArchivePlan(map), repairing: remains) { digest in
            guard let manifest = try await stash.manifest(digest) else {
                throw ArchiveError(.internal, "manifest \(digest) was not brought together")
            }
            return manifest
        }
        do {
            try await fetch(map, check, origins, to: target, &report)
            guard report.failures.isEmpty else {
                await target.abort()
                return try await stash.close()
            }
            try await target.seal()
            let written = try await verification(target.partialPath).run()
            guard written.isSound else {
                throw ArchiveError(
                    .local,
                    "what was written to \(shown(target.partialPath, limit: 1000)) cannot be read back: "
                        + (written.findings.first?.detail ?? ""), advice: "check the disk; the archive is as it was")
            }
            _ = try await target.publish()
        } catch {
            await target.abort()
            throw error
        }
        report.isRepaired = true
        try await stash.close()
    }

    // MARK: What it must be

    private func map(_ file: any File, _ found: ArchiveReport) async throws -> ArchiveMap {
        let head = try await file.head(isPipe: false)
        let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: opening.limits)
        let map = try await ContentsSearch.map(in: stream, archive: shown(path, limit: 1000))
        let sealed = found.format == .plain ? try await ArchiveSeal.id(in: file) : nil
        // A list that the seal does not name has changed itself, unless it is the seal that has rotted.
        if let map, sealed?.hasRotted(from: map.id) ?? true { return map }
        if let sealed {
            for origin in origins {
                if let part = (origin as? any ImageCatalog).flatMap({ ArchivePart($0) }), part.map.id == sealed {
                    return part.map
                }
            }
            if let map = try await ContentsSearch.rebuiltMap(of: file, archive: shown(path, limit: 1000)),
                map.id == sealed
            {
                return map
            }
        }
        if map == nil, sealed == nil, found.flavor != nil, found.flavor != .ours { throw notOurs() }
        throw ArchiveError.damaged(
            "the list of contents of \(shown(path, limit: 1000)) is damaged itself, so that what else it must hold is not "
                + "known",
            advice: "--from a whole copy of this archive, or lifeboat export the images again")
    }

    // MARK: What it has, and what it lacks

    /// Brings all manifests together, and holds the list of contents against them.
    private func gather(
        _ map: ArchiveMap, _ remains: PartialRemains, _ origins: RepairOrigins, _ stash: ManifestStash,
        _ report: inout ArchiveRepairReport
    ) async throws -> ManifestCheck {
        try await remains.forEachManifest { try await stash.put($0) }
        var check = ManifestCheck(map)
        var lost: [ArchivedBlob] = []
        for blob in map.blobs.prefix(map.manifestCount) {
            if let manifest = try await stash.manifest(blob.digest) {
                check.take(manifest.bytes, blob, archive: path)
            } else {
                lost.append(blob)
            }
        }
        // Parents stand behind their children: from the last on, each says whose the next ones are.
        for blob in lost.reversed() {
            do {
                let manifest = try await origins.all.manifest(origins.lost(blob, check))
                try await stash.put(manifest)
                check.take(manifest.bytes, blob, archive: path)
                report.add(blob)
            } catch let error as any Failure where error.kind != .local && error.kind != .internal {
                report.failures.append((blob.digest, error))
            }
        }
        if report.failures.isEmpty, let fault = FrontCheck(map).faults.first ?? check.faults.first?.fault {
            throw ArchiveError.damaged(
                "the list of contents of \(shown(path, limit: 1000)) contradicts its manifests: \(fault)",
                advice: "--from a whole copy of this archive, or lifeboat export the images again")
        }
        return check
    }

    /// Fetches every blob that the archive has not, or not right.
    private func fetch(
        _ map: ArchiveMap, _ check: ManifestCheck, _ origins: RepairOrigins, to archive: ArchiveTarget,
        _ report: inout ArchiveRepairReport
    ) async throws {
        guard let repository = map.contents.images.first?.repository else { return }
        // What is named by digest is the archive's, whatever repository it is written to.
        guard let target = try archive.target(repository) as? ArchiveTargetRepository else { return }
        let blobs = Array(map.blobs[map.manifestCount...])
        var lost = zip(
            blobs, try await OCI.map(blobs, limit: concurrency) { try await target.contains($0.descriptor) }
        ).filter { !$0.1 }.map(\.0)
        for stream in origins.all.streams where !lost.isEmpty {
            let wanted = Set(lost.map(\.digest))
            let written = try await taken(wanted, from: stream, by: target)
            report.fetched += lost.filter { written.contains($0.digest) }.map(\.digest)
            report.bytesFetched += lost.reduce(0) { $0 + (written.contains($1.digest) ? $1.size : 0) }
            lost.removeAll { written.contains($0.digest) }
        }
        let observe = observe
        let results = try await OCI.map(lost, limit: concurrency) { blob -> (any Failure)? in
            do {
                try await origins.all.read(
                    origins.lost(blob, check), after: { try await target.begun(blob.descriptor) },
                    write: { try await target.write($0.observed(observe)) })
                return nil
            } catch let error as any Failure where error.kind != .local && error.kind != .internal {
                return error
            }
        }
        for (blob, failure) in zip(lost, results) {
            if let failure { report.failures.append((blob.digest, failure)) } else { report.add(blob) }
        }
    }

    /// Takes from a store that is read in order whatever it has of what is wanted.
    private func taken(
        _ wanted: Set<Digest>, from stream: any SequentialSource, by target: ArchiveTargetRepository
    ) async throws -> Set<Digest> {
        let written = WrittenBlobs()
        let observe = observe
        do {
            try await stream.forEachBlob { content in
                guard wanted.contains(content.descriptor.digest) else { return }
                try await target.write(content.observed(observe))
                await written.insert(content.descriptor.digest)
            }
        } catch let error as any Failure where error.kind != .local && error.kind != .internal {
            // Others may have what this one has not.
        }
        return await written.digests
    }
}

private actor WrittenBlobs {
    private(set) var digests: Set<Digest> = []
    func insert(_ digest: Digest) { digests.insert(digest) }
}

/// Where lost blobs may be, and under which names.
private struct RepairOrigins: Sendable {
    let all: BlobOrigins
    private let repositories: [Digest: [RepositoryName]]

    init(_ map: ArchiveMap, _ stores: [any SourceStore]) {
        all = BlobOrigins(stores: stores, repositories: Set(map.contents.images.map(\.repository)).sorted())
        repositories = Dictionary(grouping: map.contents.images, by: \.descriptor.digest)
            .mapValues { $0.map(\.repository) }
    }

    func lost(_ blob: ArchivedBlob, _ check: ManifestCheck) -> BlobOrigins.Lost {
        let owners = check.owners(of: [blob.digest])
        return BlobOrigins.Lost(
            blob: blob.descriptor, repositories: Set(owners.flatMap { repositories[$0] ?? [] }).sorted())
    }
}

/// What became of a repair.
public struct ArchiveRepairReport: Sendable {
    /// What was wrong before.
    public let found: ArchiveReport
    /// Whether the archive is whole now, and was not before.
    public internal(set) var isRepaired = false
    /// What did not come from the archive itself.
    public internal(set) var fetched: [Digest] = []
    public internal(set) var bytesFetched: Int64 = 0
    /// What could not be had, and why; the archive is then as it was.
    public internal(set) var failures: [(blob: Digest, reason: any Failure)] = []

    mutating func add(_ blob: ArchivedBlob) {
        fetched.append(blob.digest)
        bytesFetched += blob.size
    }
}
