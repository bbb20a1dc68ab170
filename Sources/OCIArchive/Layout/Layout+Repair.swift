import OCI

/// What became of the repair of a layout folder.
public struct LayoutRepairReport: Sendable {
    /// What was wrong before.
    public internal(set) var found = LayoutVerification()
    /// What was fetched and put in its place.
    public internal(set) var fetched: [Digest] = []
    public internal(set) var bytesFetched: Int64 = 0
    /// What could not be had, and why.
    public internal(set) var failures: [(blob: Digest?, reason: any Failure)] = []
}

extension Layout {
    /// The most times that the folder is read: each manifest that is fetched may show that others are missing.
    private static let repairRounds = ImageGraph.depthLimit

    /// Replaces every blob that is missing or has other bytes than its name says, each when its bytes are known to be
    /// right; all others are left alone.
    ///
    /// - Parameter origins: asked in this order.
    /// - Throws: `FileError`; what could not be fetched is in the report.
    public func repair(
        from origins: [any SourceStore], observing observe: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> LayoutRepairReport {
        var report = LayoutRepairReport()
        let repositories = try await repositories()
        let origins = BlobOrigins(stores: origins, repositories: repositories)
        for round in 0..<Self.repairRounds {
            let verification = try await verify(observing: observe)
            if round == 0 { report.found = verification }
            if verification.isSound { return report }
            let progress = report.fetched.count
            report.failures = []
            try await fetch(verification, origins, observe, &report)
            if report.fetched.count == progress { return report }
        }
        return report
    }

    private func fetch(
        _ verification: LayoutVerification, _ origins: BlobOrigins, _ observe: @escaping @Sendable (Int) -> Void,
        _ report: inout LayoutRepairReport
    ) async throws {
        for lost in verification.lost {
            let blob = lost.descriptor
            let wanted = BlobOrigins.Lost(blob: blob, repositories: lost.repository.map { [$0] } ?? [])
            do {
                if lost.isManifest {
                    let manifest = try await origins.manifest(wanted)
                    try await folder.store(Content(manifest.bytes, as: blob, from: "memory"))
                } else {
                    try await origins.read(wanted, write: { try await folder.store($0.observed(observe)) })
                }
                report.fetched.append(blob.digest)
                report.bytesFetched += blob.size
            } catch let error as any Failure where error.kind != .local && error.kind != .internal {
                report.failures.append((blob.digest, error))
            }
        }
        if verification.lost.isEmpty {
            // Something is wrong that is no blob, such as a name that stands for two images.
            report.failures = verification.findings.filter { $0.fault != .unreferenced && $0.fault != .foreign }
                .map { ($0.digest, ArchiveError.damaged($0.what)) }
        }
    }
}
