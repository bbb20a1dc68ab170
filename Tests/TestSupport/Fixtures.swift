import Foundation
import OCI

/// Data that others made, beside the project: tests that need it are skipped where it is missing.
public enum Fixtures {
    /// The root of the package.
    public static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    public static let folder = package.deletingLastPathComponent().appendingPathComponent("shared/fixtures")

    public static var arePresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    public static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    public static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    public static func json(_ name: String) throws -> JSONValue {
        try JSONValue(parsing: bytes(name), in: name)
    }

    /// Paths of all files under a folder, relative to it, sorted.
    public static func files(_ name: String) -> [String] {
        let root = folder.appendingPathComponent(name)
        return (FileManager.default.subpaths(atPath: root.path) ?? []).filter { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(
                atPath: root.appendingPathComponent(path).path, isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }
}
