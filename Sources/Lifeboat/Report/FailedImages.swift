import NIOCore
import OCI
import OCIArchive

/// What failed in an earlier run, as its report says.
public struct FailedImages: Sendable {
    /// A report above this is not read.
    public static let sizeLimit = 256 << 20

    /// Names of images by step; nil for a step that has to be repeated whole.
    private var failed: [String: Set<String>?] = [:]
    private var seen: Set<String> = []
    private let file: String
    /// nil where the run did not begin: it may not have known its own name.
    private let pipeline: String?

    /// - Throws: `LifeboatError` `.usage` if the file is no report.
    public static func read(_ file: String, from fileSystem: any FileSystem) async throws -> FailedImages {
        guard let status = try await fileSystem.status(file, followLinks: true), status.kind == .file else {
            throw LifeboatError(.usage, "there is no report \(shown(file, limit: 1000))")
        }
        guard status.size <= sizeLimit else {
            throw LifeboatError(
                .usage, "\(shown(file, limit: 1000)) has \(status.size) bytes, the limit for a report is \(sizeLimit)")
        }
        let bytes = try await fileSystem.read(file, upTo: Int(status.size))
        return try FailedImages(parsing: Array(bytes.readableBytesView), file: file)
    }

    public init(parsing bytes: [UInt8], file: String) throws {
        self.file = shown(file, limit: 1000)
        func refuse(_ reason: String) -> LifeboatError {
            LifeboatError(
                .usage, "\(shown(file, limit: 1000)) is not a report: \(reason)",
                advice: "a file that lifeboat run --report has written")
        }
        let report: JSONValue
        do {
            report = try JSONValue(parsing: bytes, in: shown(file, limit: 1000))
        } catch {
            throw refuse(error.description)
        }
        guard report["version"] == .number(1) else { throw refuse("its version is not 1") }
        guard let name = report["name"]?.stringValue, case .array(let steps)? = report["steps"] else {
            throw refuse("it has no name or no steps")
        }
        pipeline = report["error"] == nil ? name : nil
        for step in steps {
            guard let name = step["name"]?.stringValue, case .array(let images)? = step["images"] else {
                throw refuse("a step has no name or no images")
            }
            seen.insert(name)
            let names = images.filter { $0["outcome"] == .string("failed") }.compactMap { $0["source"]?.stringValue }
            var isWhole = false
            // A target that was lost has no images of its own in the report.
            if case .array(let targets)? = step["targets"] { isWhole = targets.contains { $0["error"] != nil } }
            if case .array(let differences)? = step["comparison"]?["differences"] {
                isWhole = isWhole || !differences.isEmpty
            }
            if step["error"] != nil || isWhole || step["kind"] != .string("import") && !names.isEmpty {
                // A file is written whole or not at all, and a comparison is one statement about all of its images.
                failed[name] = .some(nil)
            } else if !names.isEmpty {
                failed[name] = Set(names)
            }
        }
    }

    /// The steps that failed or were not reached, each with what it has to repeat.
    ///
    /// - Throws: `LifeboatError` `.usage` if the report is another pipeline's.
    public func steps(of pipeline: Pipeline) throws -> [Step] {
        if let reported = self.pipeline, reported != pipeline.name {
            throw LifeboatError(
                .usage,
                "\(file) is a report of the pipeline '\(shown(reported, limit: 80))', this one is "
                    + "'\(shown(pipeline.name, limit: 80))'")
        }
        return pipeline.steps.compactMap { step in
            guard seen.contains(step.name) else { return step }
            guard let names = failed[step.name] else { return nil }
            var step = step
            step.only = names
            return step
        }
    }
}
