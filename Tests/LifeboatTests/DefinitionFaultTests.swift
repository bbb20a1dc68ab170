import Lifeboat
import Testing

/// Wrong definitions: each says where it is wrong and what is wanted.
@Suite struct DefinitionFaultTests {
    private static let head = "version: 1\nstores:\n  a: {registry: a.example.com}\n  f: {archive: f.tar}\n"

    /// The definition behind `head` (line 5 on), and what is said of it.
    private static let wrong: [(definition: String, fault: String)] = [
        ("steps: x", "5:8: steps: want a list of steps, got a text"),
        ("steps: {a: b}", "5:8: steps: want a list of steps, got a mapping"),
        ("steps: []", "5:8: steps: want a list of steps, got an empty one"),
        ("stepps: []", "5:1: stepps: unknown key; did you mean 'steps'?"),
        ("steps:\n  - verify\n", "6:5: steps[0]: want a mapping, got a text"),
        ("steps:\n  - {verify: a}", "6:14: steps[0].verify: want a mapping, got a text"),
        ("steps:\n  - {verify: {}}", "6:14: steps[0].verify.store: missing, want the name of a store"),
        ("steps:\n  - {verify: {store: b}}", "6:22: steps[0].verify.store: there is no store 'b'; declared: a, f"),
        ("steps:\n  - {verify: {store: [a]}}", "6:22: steps[0].verify.store: want a text, got a list"),
        (
            "steps:\n  - {verify: {store: a, depe: true, against: f}}",
            "6:25: steps[0].verify.depe: unknown key; did you mean 'deep'?"
        ),
        (
            "steps:\n  - {verify: {store: a, against: f, deep: yes}}",
            "6:43: steps[0].verify.deep: 'yes' is not known, want true or false"
        ),
        (
            "steps:\n  - {verify: {store: a, deep: true}}",
            "6:31: steps[0].verify.deep: goes with against: without it every byte is read anyway"
        ),
        (
            "steps:\n  - {verify: {store: a, against: a}}",
            "6:34: steps[0].verify.against: store and against are the same store"
        ),
        (
            "steps:\n  - {export: {from: a, to: f}, import: {from: f, to: a}}",
            "6:5: steps[0]: want one of export, import, verify and drill"
        ),
        ("steps:\n  - {export: {from: a}}", "6:14: steps[0].export.to: missing, want the name of a store"),
        ("steps:\n  - {import: {from: a, to: a}}", "6:28: steps[0].import.to: from and to are the same store"),
        (
            "steps:\n  - {export: {from: a, to: f, force: 1}}",
            "6:38: steps[0].export.force: '1' is not known, want true or false"
        ),
        (
            "steps:\n  - {export: {from: a, to: f, onError: ignore}}",
            "6:40: steps[0].export.onError: 'ignore' is not known, want one of stop, continue"
        ),
        (
            "steps:\n  - {import: {from: f, to: a, prefix: Team}}",
            "6:39: steps[0].import.prefix: 'Team' is not a repository name"
        ),
        (
            "steps:\n  - {name: x, verify: {store: a}}\n  - {name: x, verify: {store: f}}",
            "7:5: steps[1].name: the name 'x' stands twice"
        ),
        (
            "images: {repositories: a}\nsteps: [{verify: {store: a}}]",
            "5:9: images: want a list of rules, got a mapping"
        ),
        (
            "images: [{tags: a}]\nsteps: [{verify: {store: a}}]",
            "5:10: images[0].repositories: missing, want patterns of repositories"
        ),
        (
            "images: [{repositories: {a: b}}]\nsteps: [{verify: {store: a}}]",
            "5:25: images[0].repositories: want a text, got a mapping"
        ),
        (
            "images: [{repositories: a, repository: b}]\nsteps: [{verify: {store: a}}]",
            "5:28: images[0].repository: unknown key; did you mean 'repositories'?"
        ),
        (
            "images: [{repositories: a, digests: [sha256:12]}]\nsteps: [{verify: {store: a}}]",
            "5:38: images[0].digests: "
        ),
        (
            "images: [{repositories: a, tags: {exclude: b}}]\nsteps: [{verify: {store: a}}]",
            "5:35: images[0].tags.exclude: unknown key; "
        ),
        (
            "images: [{repositories: a, platforms: [linux]}]\nsteps: [{verify: {store: a}}]",
            "5:40: images[0].platforms: 'linux' is not a platform"
        ),
        (
            "images: [{repositories: a, referrers: on}]\nsteps: [{verify: {store: a}}]",
            "5:39: images[0].referrers: 'on' is not known, want true or false"
        ),
        ("images: [{repositories: $NONE}]\nsteps: [{verify: {store: a}}]", "5:25: images[0].repositories"),
        (
            "images: [{repositories: *a}]\nsteps: []",
            "5:25: images: anchors (&) and aliases (*) are not"
        ),
        ("steps:\n  - {verify: {store: a}}\nsteps: []", "5:1: the key 'steps' stands twice"),
        ("steps: [{verify: {store: a}}\n", "not valid YAML: "),
        ("steps:\n\t- {verify: {store: a}}", "not valid YAML: "),
        ("steps: [{verify: {store: a}}]\n---\nversion: 1", "1:1: the file has more than one document, want one"),
    ]

    /// Whole definitions whose head is what is wrong.
    private static let wrongHeads: [(definition: String, fault: String)] = [
        ("stores: {a: {registry: a.io}}\nsteps: [{verify: {store: a}}]", "1:1: version: missing, want 1"),
        (
            "version: 1.0\nstores: {a: {registry: a.io}}\nsteps: [{verify: {store: a}}]",
            "1:10: version: '1.0' is not known, want 1"
        ),
        ("version: 1\nsteps: []", "1:1: stores: missing, want the stores that the steps name"),
        ("version: 1\nstores: {a: {}}\nsteps: []", "2:13: stores.a: want one of registry, archive, layout and backups"),
        (
            "version: 1\nstores: {a: {registry: a.io, layout: x}}\nsteps: []",
            "2:13: stores.a: want one of registry, archive, layout and backups"
        ),
        (
            "version: 1\nstores: {a: {registry: 'https://a.io'}}\nsteps: []",
            "2:24: stores.a.registry: 'https://a.io' is not a registry"
        ),
        (
            "version: 1\nstores: {a: {archive: a.zip}}\nsteps: []",
            "2:23: stores.a.archive: 'a.zip' has no known suffix, want one of .tar, "
        ),
        ("- a\n- b", "1:1: want a mapping, got a list"),
    ]

    private func faults(_ text: String) -> [String] {
        do {
            _ = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
            return []
        } catch {
            #expect(error.kind.exitCode == 78)
            return error.description.split(separator: "\n").map(String.init)
        }
    }

    @Test(arguments: wrong)
    func `a wrong definition says where and why`(_ definition: String, _ fault: String) {
        let found = faults(Self.head + definition)
        #expect(found.contains { $0.hasPrefix("p.yaml:") && $0.contains(fault) }, "\(found)")
    }

    @Test(arguments: wrongHeads)
    func `a wrong head says where and why`(_ definition: String, _ fault: String) {
        let found = faults(definition)
        #expect(found.contains { $0.hasPrefix("p.yaml:" + fault) }, "\(found)")
    }
}
