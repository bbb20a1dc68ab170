import OCI
import OCIArchive

/// Makes damaged archives and layout folders what they were, with what other stores have of them.
public struct FileRepair: Sendable {
    private let environment: RunEnvironment
    private let observe: RunObserver

    public init(_ environment: RunEnvironment, observe: @escaping RunObserver = { _ in }) {
        self.environment = environment
        self.observe = observe
    }

    /// Never throws: what goes wrong stands in the report.
    ///
    /// - Parameter origins: asked in this order for what is lost.
    public func run(_ file: StoreDefinition, from origins: [StoreDefinition]) async -> Report {
        var report = Report(name: "repair")
        report.began = environment.surroundings.now()
        let began = ContinuousClock.now
        var step = StepReport(
            name: "repair", kind: .repair, source: origins.map(\.description).uniqued().joined(separator: ", "),
            target: file.description)
        observe(.stepBegan(name: step.name, what: "repair \(step.target) from \(step.source)"))
        do {
            step = try await withStores(environment) { [step] stores in
                var step = step
                var opened: [any SourceStore] = []
                for origin in origins { opened.append(try await stores.source(origin)) }
                step.images = try await repair(file, opened)
                step.requests = await stores.requestCounts()
                return step
            }
        } catch {
            step.error = FailureReport(error, among: origins.map(\.description))
        }
        step.bytesMoved = step.images.reduce(0) { $0 + $1.bytesMoved }
        step.seconds = began.duration(to: .now).seconds
        report.steps = [step]
        report.seconds = step.seconds
        return report
    }

    private func repair(_ file: StoreDefinition, _ origins: [any SourceStore]) async throws -> [ImageReport] {
        switch file {
        case .archive(let path): return try await repairArchive(path, origins)
        case .layout(let path): return try await repairLayout(path, origins)
        case .backups(let path, _):
            throw LifeboatError(
                .usage,
                "\(shown(path)) is a backup set: its next backup fetches again what a verification has found damaged",
                advice: "lifeboat verify \(shown(path)), then export the same images into it again")
        case .registry(let host, _):
            throw LifeboatError(
                .usage, "\(host) is a registry, want an archive or a layout folder",
                advice: "lifeboat import SOURCE --to \(host) --repair")
        }
    }

    /// Volume by volume, whichever was named.
    private func repairArchive(_ path: String, _ origins: [any SourceStore]) async throws -> [ImageReport] {
        let (files, faults) = try await VolumeSearch(environment.fileSystem).files(of: path, environment.archiveOpening)
        var reports: [ImageReport] = []
        for file in files {
            if let status = try await environment.fileSystem.status(file, followLinks: true) {
                observe(.reading(file: file, bytes: status.size))
            }
            let result = try await ArchiveRepair(
                path: file, from: origins, opening: environment.archiveOpening, concurrency: environment.concurrency,
                progress: { [observe] in observe(.moved(bytes: $0)) }
            ).run()
            reports += Self.reports(file, result, origins)
        }
        // A volume that is gone has no list of its own; the whole of it has to come from somewhere else.
        for fault in faults {
            var report = ImageReport(source: path, target: "", digest: nil, outcome: .failed)
            report.error = FailureReport(fault)
            reports.append(report)
        }
        for report in reports { observe(.imageEnded(report)) }
        return reports
    }

    private static func reports(
        _ file: String, _ result: ArchiveRepairReport, _ origins: [any SourceStore]
    ) -> [ImageReport] {
        var report = ImageReport(
            source: origins.map(\.name).joined(separator: ", "), target: file, digest: result.found.id,
            outcome: result.isRepaired ? .done : result.found.isSound ? .alreadyThere : .failed)
        report.imageCount = result.found.imageCount
        report.size = result.found.byteCount
        report.bytesMoved = result.bytesFetched
        if result.isRepaired {
            report.notes = [words(fetched: result.fetched.count, of: result.found.findings.map(\.place).uniqued())]
        } else if !result.found.isSound, !result.fetched.isEmpty {
            report.notes = ["\(file) is as it was; what was fetched serves the next run"]
        }
        return failed(report, file, result.failures.map { ($0.blob, $0.reason) }, origins)
    }

    /// One report for each part that could not be had, the first of which is the file's.
    private static func failed(
        _ report: ImageReport, _ file: String, _ failures: [(blob: Digest?, reason: any Failure)],
        _ origins: [any SourceStore]
    ) -> [ImageReport] {
        guard !failures.isEmpty else { return [report] }
        return failures.enumerated().map { number, failure in
            var one =
                number == 0
                ? report : ImageReport(source: report.source, target: file, digest: nil, outcome: .failed)
            one.outcome = .failed
            let what = failure.blob.map { "blob \($0) of \(shown(file)) is damaged, and was not to be had: " } ?? ""
            one.error = FailureReport(
                LifeboatError(
                    failure.reason.kind, what + failure.reason.description,
                    advice: "--from another registry or archive that has it"),
                among: origins.map(\.name))
            return one
        }
    }

    private static func words(fetched count: Int, of places: [String]) -> String {
        let damaged = places.prefix(10).joined(separator: ", ") + (places.count > 10 ? " and more" : "")
        return
            "damaged were: \(damaged); \(count == 1 ? "1 blob" : "\(count) blobs") fetched, every byte of it read again"
    }

    private func repairLayout(_ path: String, _ origins: [any SourceStore]) async throws -> [ImageReport] {
        let layout = try await Layout.create(
            path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
            files: environment.fileSystem)
        let result = try await layout.repair(from: origins) { [observe] in observe(.moved(bytes: $0)) }
        try await layout.flush()
        var report = ImageReport(
            source: origins.map(\.name).joined(separator: ", "), target: path, digest: nil,
            outcome: result.found.isSound ? .alreadyThere : .done)
        report.imageCount = result.found.images
        report.size = result.found.bytes
        report.bytesMoved = result.bytesFetched
        if !result.found.isSound, result.failures.isEmpty {
            let digests = result.fetched.map(\.description)
            report.notes = [Self.words(fetched: digests.count, of: digests.map { "blob \($0)" })]
        }
        let reports = Self.failed(report, path, result.failures, origins)
        for report in reports { observe(.imageEnded(report)) }
        return reports
    }
}
