import Foundation
import TestSupport
import Testing

/// Imports point down and siblings never import each other; each outside world enters at one target.
@Suite struct ImportRuleTests {
    /// What each target may import.
    private static let allowed: [String: Set<String>] = [
        "OCI": ["Crypto", "NIOCore", "Synchronization"],
        "OCIRegistry": [
            "OCI", "AsyncHTTPClient", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL", "Logging", "Foundation", "Glibc",
            "Synchronization", "CZlib",
        ],
        "OCIArchive": ["OCI", "CArchive", "NIOCore", "NIOPosix", "Glibc", "Synchronization"],
        "OCIServer": [
            "OCI", "Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOCore", "Logging", "ServiceLifecycle",
            "Synchronization", "Glibc",
        ],
        "Lifeboat": ["OCI", "OCIRegistry", "OCIArchive", "Yams", "NIOCore", "Logging", "Synchronization", "Glibc"],
        "LifeboatCatalog": ["Lifeboat", "OCI", "GRDB", "Dispatch", "Glibc"],
        "LifeboatCLI": [
            "Lifeboat", "LifeboatCatalog", "OCI", "OCIArchive", "OCIRegistry", "OCIServer", "ArgumentParser", "Logging",
            "Glibc",
            "Dispatch",
            "Synchronization",
        ],
    ]

    @Test func `every target imports only what stands below it`() throws {
        let sources = Fixtures.package.appendingPathComponent("Sources")
        let targets = try FileManager.default.contentsOfDirectory(atPath: sources.path).filter {
            !["CArchive", "CZlib"].contains($0)
        }
        #expect(Set(targets) == Set(Self.allowed.keys))
        var seen = 0
        for target in targets {
            let folder = sources.appendingPathComponent(target)
            for file in try #require(FileManager.default.subpaths(atPath: folder.path)) where file.hasSuffix(".swift") {
                let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
                for line in text.split(separator: "\n") {
                    guard let module = Self.importedModule(line) else { continue }
                    seen += 1
                    #expect(Self.allowed[target]?.contains(module) ?? false, "\(target)/\(file) imports \(module)")
                }
            }
        }
        #expect(seen > 50)
    }

    /// The module of `import M`, `@testable import M`, `public import struct M.T`; nil for other lines.
    private static func importedModule(_ line: Substring) -> String? {
        var words = line.split(separator: " ")
        while let first = words.first,
            first.hasPrefix("@") || ["public", "internal", "private", "package"].contains(first)
        {
            words.removeFirst()
        }
        guard words.first == "import", line.first != " ", words.count > 1 else { return nil }
        let kinds: Set<Substring> = ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"]
        let name = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
        return name.split(separator: ".").first.map(String.init)
    }
}
