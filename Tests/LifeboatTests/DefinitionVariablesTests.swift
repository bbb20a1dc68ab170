import OCI
import Testing

@testable import Lifeboat

/// A variable that is not set is one fault, where it stands, and what depends on it has none.
@Suite struct DefinitionVariablesTests {
    private func faults(_ text: String) -> [String] {
        do {
            _ = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
            return []
        } catch {
            return error.faults.map { "\($0.key): \($0.reason)" }
        }
    }

    @Test func `a registry whose variable is not set is not taken for a file`() {
        let found = faults(
            """
            version: 1
            stores:
              new: {registry: $NEW}
              tar: {archive: a.tar}
              old: {registry: old.example.com}
            steps:
              - {name: pack, export: {from: old, to: tar}}
              - {name: move, import: {from: tar, to: new, overwrite: always}}
              - {name: both, import: {from: old, to: [new, old], onError: continue}}
              - {name: check, verify: {store: new, against: old}}
            """)
        // Only what is wrong whatever the variable is.
        #expect(
            found == [
                "stores.new.registry: the variable $NEW is not set",
                "steps[2].import.to[1]: from and to are the same store",
            ])
    }

    @Test func `an archive whose variable is not set may be forced, and a folder written`() {
        let found = faults(
            """
            version: 1
            stores:
              tar: {archive: $TAR}
              folder: {layout: x}
              old: {registry: old.example.com}
            steps:
              - {name: pack, export: {from: old, to: [folder, tar], force: true}}
            """)
        #expect(found == ["stores.tar.archive: the variable $TAR is not set"])
    }

    @Test func `each variable that is not set is named, and nothing else`() {
        let found = faults(
            """
            version: 1
            notify:
              onFailure: [{webhook: $HOOK, secret: $HMAC}, {command: [$PROGRAM, $WORD]}]
            stores:
              old: {registry: old.example.com, credentials: {username: $NAME, password: $SECRET}}
            steps: [{drill: {store: $DRILLED}}]
            """)
        #expect(
            found == [
                "notify.onFailure[0].webhook: the variable $HOOK is not set",
                "notify.onFailure[0].secret: the variable $HMAC is not set",
                "notify.onFailure[1].command[0]: the variable $PROGRAM is not set",
                "notify.onFailure[1].command[1]: the variable $WORD is not set",
                "stores.old.credentials.username: the variable $NAME is not set",
                "stores.old.credentials.password: the variable $SECRET is not set",
                "steps[0].drill.store: the variable $DRILLED is not set",
            ])
    }

    @Test func `what a definition was given is kept, but for secrets and what leads to them`() throws {
        let text = """
            version: 1
            inputs: {PLACE: {}, TAG: {default: $USUAL}, PASSWORD: {default: $VAULT}, UNUSED: {default: x}}
            notify: {onFailure: [{webhook: $HOOK}]}
            stores:
              old: {registry: $PLACE, credentials: {username: $NAME, password: $PASSWORD}}
              new: {registry: $NEW, createRepositories: {command: [make, $TOKEN]}}
            images: [{repositories: a, tags: $TAG}]
            steps: [{import: {from: old, to: new}}]
            """
        var variables = ["USUAL": "1", "VAULT": "hunter2", "HOOK": "https://h.example.com/s3cret", "NAME": "me"]
        variables.merge(["NEW": "new.example.com", "TOKEN": "t0ken", "HOME": "/root"]) { $1 }
        let context = PipelineContext(variables: variables, inputs: ["PLACE": "old.example.com"])
        let pipeline = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", context: context)
        #expect(pipeline.values == ["PLACE": "old.example.com", "TAG": "1", "UNUSED": "x"])
        #expect(pipeline.variables == ["NEW": "new.example.com", "USUAL": "1"])
    }
}
