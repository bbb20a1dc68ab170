import Foundation
import OCI

/// Calls `body` with the path of a folder that is gone afterwards.
public func withTemporaryFolder<R>(_ body: (String) async throws -> R) async throws -> R {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("lifeboat-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    let result: R
    do {
        result = try await body(url.path)
    } catch {
        try FileManager.default.removeItem(at: url)
        throw error
    }
    try FileManager.default.removeItem(at: url)
    return result
}

/// Public data that is kept beside the project, or nil where it is not.
public func fixture(_ path: String, file: String = #filePath) -> String? {
    let root = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let url = root.appendingPathComponent("../shared/fixtures").appendingPathComponent(path).standardizedFileURL
    return FileManager.default.fileExists(atPath: url.path) ? url.path : nil
}

extension Surroundings {
    /// The real clock and real chance.
    public static var ofThisMachine: Surroundings {
        Surroundings(
            clock: ContinuousClock(), now: { Int64(Date().timeIntervalSince1970 * 1000) },
            random: { UInt64.random(in: .min ... .max) })
    }
}
