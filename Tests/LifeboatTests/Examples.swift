import Foundation
import TestSupport

/// The definitions in `pipelines/`, which users take as they are.
enum Examples {
    static let folder = Fixtures.package.appendingPathComponent("pipelines")

    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }.sorted()
    }

    static func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: folder.appendingPathComponent(name)), as: UTF8.self)
    }
}
