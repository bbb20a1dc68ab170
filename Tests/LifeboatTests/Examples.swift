import Foundation
import TestSupport

/// The definitions in `pipelines/`, which users take as they are.
enum Examples {
    static let folder = Fixtures.package.appendingPathComponent("pipelines")

    static let names = [
        "air-gap-delta.yaml", "air-gap-export.yaml", "air-gap-import.yaml", "migrate-to-zone-redundant.yaml",
        "nightly-backup.yaml",
        "promote-one-image.yaml", "quickstart.yaml", "restore-after-outage.yaml",
    ]

    static func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }.sorted()
    }

    static func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: folder.appendingPathComponent(name)), as: UTF8.self)
    }
}
