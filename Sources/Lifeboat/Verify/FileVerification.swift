import OCI
import OCIArchive
import Synchronization

/// Verifies archives and layout folders as files: every byte of them, not only what an image needs.
struct FileVerification: Sendable {
    let environment: RunEnvironment
    let observe: RunObserver
    private let seen = SeenNames()

    init(environment: RunEnvironment, observe: @escaping RunObserver) {
        self.environment = environment
        self.observe = observe
    }

    struct Outcome: Sendable {
        /// One entry for each file, and one for each thing that is wrong with it.
        var images: [ImageReport] = []
        /// What is to be known of the whole: which images are complete where not all are.
        var notes: [String] = []
    }

    func verify(_ definition: StoreDefinition) async throws -> Outcome {
        var outcome =
            switch definition {
            case .archive(let path): try await verifyArchive(path)
            case .layout(let path): Outcome(images: try await verifyLayout(path))
            case .backups(let path, _): try await verifySet(path)
            case .registry: Outcome()
            }
        for number in outcome.images.indices { outcome.images[number].isFile = true }
        return outcome
    }

    /// An archive in volumes is verified with all of them, whichever was named.
    private func verifyArchive(_ path: String) async throws -> Outcome {
        let (files, faults) = try await VolumeSearch(environment.fileSystem).files(
            of: path, environment.archiveOpening)
        var reports: [ImageReport] = []
        var archive = VerifiedArchive()
        for file in files where await seen.insert(file) {
            let (verified, images) = try await verifyFile(file)
            archive.add(verified)
            reports += images
        }
        let bases = environment.archiveSettings(.archive(path: path)).bases
        if !bases.isEmpty {
            let images = try await verify(bases)
            let joined = try await environment.openedArchive(path)
            if images.allSatisfy({ $0.outcome == .done }), let linked = joined as? any LinkedArchive {
                archive.completeWithBases = Set(
                    try await joined.images().filter { linked.lack(of: $0) == nil }.map(\.fullName))
            }
            reports += images
        }
        // All volumes list the same images: they are counted once, and only those of which nothing is lacking.
        for number in reports.indices { reports[number].imageCount = number == 0 ? archive.count : 0 }
        for fault in faults where await seen.insert(fault.description) {
            var report = ImageReport(source: path, target: "", digest: nil, outcome: .failed)
            report.error = FailureReport(fault)
            reports.append(report)
        }
        for report in reports { observe(.imageEnded(report)) }
        return Outcome(images: reports, notes: archive.words(of: path))
    }

    /// What a delta builds on, read as files too; their own images are not counted.
    private func verify(_ bases: [StoreDefinition]) async throws -> [ImageReport] {
        var reports: [ImageReport] = []
        for base in bases {
            var reader = environment
            reader.settings.archives = [:]
            reports += try await FileVerification(environment: reader, observe: { _ in }).verify(base).images
        }
        return reports
    }

    private func verifyFile(_ path: String) async throws -> (ArchiveReport, [ImageReport]) {
        if path != "-", let status = try await environment.fileSystem.status(path, followLinks: true) {
            observe(.reading(file: path, bytes: status.size))
        }
        let read = Mutex<Int64>(0)
        let report = try await ArchiveVerification(
            path: path, opening: environment.archiveOpening,
            progress: { [observe] bytes in
                read.withLock { $0 += Int64(bytes) }
                observe(.moved(bytes: bytes))
            }
        ).run()
        var sound = ImageReport(
            source: path, target: "", digest: report.id, outcome: report.isSound ? .done : .failed)
        sound.size = report.byteCount
        // What is cut off was not read.
        sound.bytesMoved = read.withLock { $0 }
        sound.notes = report.notes
        sound.notes.insert(
            "\(report.imageCount == 1 ? "1 image" : "\(report.imageCount) images"), \(report.blobCount) blobs, \(report.isSealed ? "sealed" : "not sealed")",
            at: 0)
        let images = entries(
            sound,
            report.findings.map { finding in
                let images = finding.images.isEmpty ? "" : "; it belongs to " + finding.images.joined(separator: ", ")
                return LifeboatError(
                    finding.kind, "\(finding.place) of \(path): \(finding.detail)\(images)",
                    advice: report.flavor == .ours
                        ? "lifeboat repair \(shown(path, limit: 1000)) --from REGISTRY|ARCHIVE" : nil)
            })
        return (report, images)
    }

    private func verifyLayout(_ path: String) async throws -> [ImageReport] {
        let layout = try await Layout.open(
            path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
            files: environment.fileSystem)
        let result = try await layout.verify { [observe] in observe(.moved(bytes: $0)) }
        var sound = ImageReport(source: path, target: "", digest: nil, outcome: result.isSound ? .done : .failed)
        sound.size = result.bytes
        sound.bytesMoved = result.bytes
        sound.imageCount = result.images
        sound.notes = ["\(result.images == 1 ? "1 image" : "\(result.images) images"), \(result.blobs) blobs"]
        var faults: [LifeboatError] = []
        for finding in result.findings {
            switch finding.fault {
            case .unreferenced, .foreign: sound.notes.append(finding.what)
            case .missing, .damaged, .sizeMismatch:
                faults.append(
                    LifeboatError(.damaged, finding.what + (finding.image.map { "; it belongs to \($0)" } ?? "")))
            }
        }
        return finish(sound, faults)
    }

    func finish(_ file: ImageReport, _ faults: [LifeboatError]) -> [ImageReport] {
        let reports = entries(file, faults)
        for report in reports { observe(.imageEnded(report)) }
        return reports
    }

    /// One entry for the file, with the first of its faults, and one for each of the others.
    private func entries(_ file: ImageReport, _ faults: [LifeboatError]) -> [ImageReport] {
        guard let first = faults.first else { return [file] }
        var damaged = file
        damaged.error = FailureReport(first)
        var reports = [damaged]
        for fault in faults.dropFirst() {
            var report = ImageReport(source: file.source, target: "", digest: nil, outcome: .failed)
            report.error = FailureReport(fault)
            reports.append(report)
        }
        return reports
    }
}

/// What was looked at once.
private actor SeenNames {
    private var names: Set<String> = []

    func insert(_ name: String) -> Bool { names.insert(name).inserted }
}
