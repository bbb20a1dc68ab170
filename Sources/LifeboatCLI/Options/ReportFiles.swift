import Lifeboat
import OCI
import OCIArchive

/// Where the report of a run goes: known to be writable before the run, and written once, whatever comes of it.
actor ReportFiles {
    private let json: ReportFile?
    private let html: ReportFile?
    private var isWritten = false

    private init(json: ReportFile?, html: ReportFile?) {
        self.json = json
        self.html = html
    }

    /// Does work that writes a report; where it ends before there is one, the report says why.
    ///
    /// - Parameter name: what the run is called as long as no definition has said it.
    /// - Throws: `LifeboatError` `.usage` where a report could not be written, before the work; what the work throws.
    static func around(
        _ flags: ReportFlags, name: String, in environment: RunEnvironment,
        _ work: (ReportFiles) async throws -> Void
    ) async throws {
        if let report = flags.report, let html = flags.html, absolutePath(report) == absolutePath(html) {
            throw LifeboatError(.usage, "--report and --html are the same file")
        }
        let files = ReportFiles(
            json: try await prepare(flags.report, .report, in: environment),
            html: try await prepare(flags.html, .page, in: environment))
        let began = environment.surroundings.now()
        do {
            try await work(files)
        } catch {
            guard error is any Failure || error is CancellationError, await !files.isWritten else { throw error }
            do {
                try await files.write(Report(name: name, began: began, error: error))
            } catch let other as any Failure {
                Terminal.story("note: there is no report: \(other.description)")
            }
            throw error
        }
    }

    func write(_ report: Report) async throws {
        isWritten = true
        try await json?.write(report.json.indented + "\n")
        try await html?.write(report.html)
    }

    private static func prepare(
        _ path: String?, _ kind: ReportFile.Kind, in environment: RunEnvironment
    ) async throws -> ReportFile? {
        guard let path else { return nil }
        return try await ReportFile.prepare(path, replacing: kind, in: environment.fileSystem)
    }
}
