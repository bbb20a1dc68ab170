import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// Backup sets in definitions and on the command line.
struct BackupDefinitionTests {
    private func pipeline(_ store: String, _ step: String = "export: {from: prod, to: set}") throws -> Pipeline {
        let text = """
            version: 1
            stores:
              prod: {registry: registry.example.com}
              set: \(store)
            steps: [{\(step)}]
            """
        return try Pipeline(parsing: Array(text.utf8), file: "folder/p.yaml", variables: [:])
    }

    private func faults(_ store: String, _ step: String = "export: {from: prod, to: set}") -> [String] {
        do {
            _ = try pipeline(store, step)
            return []
        } catch let error as DefinitionError {
            return error.faults.map { "\($0.key): \($0.reason)" }
        } catch {
            return ["\(error)"]
        }
    }

    @Test func `an import into a set is a fault of the definition`() {
        let found = faults("{backups: nightly}", "import: {from: prod, to: set}")
        #expect(
            found == ["steps[0].import.to: import writes to a registry, this store is a file or folder; use export"])
    }

    @Test func `two steps that back up one source into one set with a keep are refused`() {
        func text(_ keep: String, _ second: String) -> String {
            """
            version: 1
            stores:
              prod: {registry: registry.example.com}
              other: {registry: other.example.com}
              set: {backups: nightly\(keep)}
            steps:
              - {name: a, export: {from: prod, to: set, images: [{repositories: [a]}]}}
              - {name: b, export: {from: \(second), to: set, images: [{repositories: [b]}]}}
            """
        }
        func faults(_ text: String) -> [String] {
            do throws(DefinitionError) {
                _ = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
                return []
            } catch {
                return error.faults.map { "\($0.key): \($0.reason)" }
            }
        }
        let found = faults(text(", keep: {last: 1}", "prod"))
        #expect(
            found.count == 1 && found[0].contains("steps[1]: backs up the same source into the same set as step 'a'"),
            "\(found)")
        #expect(faults(text("", "prod")).isEmpty)
        #expect(faults(text(", keep: {last: 1}", "other")).isEmpty)
    }

    @Test func `a set is a folder beside the definition, with its rules`() throws {
        let read = try pipeline("{backups: nightly/, shrink: 7.5%}")
        let step = try read.copyStep()
        #expect(step.target == .backups(path: "folder/nightly", at: nil))
        #expect(read.settings.shrink("folder/nightly") == 7.5)
        #expect(read.settings.shrink("elsewhere") == 5)
    }

    @Test(arguments: [
        ("latest", nil), ("0123abcd", "0123abcd"), ("2026-11-20T08:30:00+01:00", "2026-11-20T08:30:00+01:00"),
    ])
    func `a set that is read says of when`(_ at: String, _ want: String?) throws {
        let read = try pipeline("{backups: nightly, at: '\(at)'}", "import: {from: set, to: prod}")
        let step = try read.copyStep()
        #expect(step.sources[0].store == .backups(path: "folder/nightly", at: want))
    }

    @Test(arguments: [
        ("{backups: nightly, at: yesterday}", "stores.set.at: 'yesterday' names no backup"),
        ("{backups: nightly, at: '2026-02-30T00:00:00Z'}", "stores.set.at: '2026-02-30T00:00:00Z' names no backup"),
        ("{backups: nightly, shrink: 5}", "stores.set.shrink: '5' is not a share"),
        ("{backups: nightly, shrink: 101%}", "stores.set.shrink: '101%' is not a share"),
        ("{backups: nightly.tar}", "stores.set.backups: 'folder/nightly.tar' is called like an archive"),
        ("{backups: nightly, credentials: docker}", "stores.set.credentials: not known of a backup set"),
        ("{backups: nightly, layout: x}", "stores.set: want one of registry, archive, layout and backups"),
    ])
    func `what is wrong with a set is named`(_ store: String, _ want: String) {
        let found = faults(store)
        #expect(found.contains { $0.hasPrefix(want.replacing("folder/", with: "")) || $0.hasPrefix(want) }, "\(found)")
    }

    @Test func `nothing is overwritten in a set`() {
        #expect(
            faults("{backups: nightly}", "export: {from: prod, to: set, overwrite: always}")
                == ["steps[0].export.overwrite: nothing is ever overwritten in a backup set: each run adds a backup"])
    }

    @Test func `a program that makes repositories is a list of words`() throws {
        let read = try pipeline(
            "{registry: ecr.example.com, createRepositories: {command: [aws, create, '{repository}']}}",
            "import: {from: prod, to: set}")
        #expect(
            read.settings.registries[.registry(host: "ecr.example.com", prefix: "")]?.createRepositories == [
                "aws", "create", "{repository}",
            ])
        #expect(
            faults("{registry: e.example.com, createRepositories: {command: aws}}", "import: {from: prod, to: set}")
                .contains { $0.contains("want a list of the program and its arguments") })
        #expect(
            faults("{registry: e.example.com, createRepositories: {}}", "import: {from: prod, to: set}")
                .contains { $0.contains("createRepositories.command: missing") })
    }

    @Test func `a folder with records is a set, a folder with a slash a layout`() async throws {
        try await withTemporaryFolder { folder in
            let files = LocalFileSystem()
            let set = folder + "/set"
            _ = try await BackupSet.create(set, surroundings: .ofThisMachine)
            for text in [set, set + "/"] {
                #expect(try await StoreDefinition.path(text, in: files) == .backups(path: set, at: nil))
            }
            #expect(try await StoreDefinition.path(folder + "/new/", in: files) == .layout(path: folder + "/new"))
        }
    }
}
