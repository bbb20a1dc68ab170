import Lifeboat
import OCI
import Testing

@Suite struct SelectionParsingTests {
    private func parse(_ rules: String) throws -> [SelectionRule] {
        let text =
            "version: 1\nstores: {a: {registry: a.example.com}, f: {archive: f.tar}}\nsteps: [{export: {from: a, to: f}}]\n"
            + "images:\n" + rules
        let pipeline = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
        return try pipeline.copyStep().sources[0].selection.rules
    }

    @Test func `all of a rule is read`() throws {
        let rule = try #require(
            try parse(
                """
                  - repositories: ["team/**", "regex:x/(a|b)"]
                    except: team/scratch/*
                    tags: {include: ["1.*", "regex:v.*"], except: "*-rc*", semver: ">=1.2 <3", newest: 10, by: created}
                    platforms: [linux/amd64, linux/arm64]
                    referrers: {types: ["application/spdx*", "application/vnd.cyclonedx+json"]}
                """
            ).first)
        #expect(try rule.matches(RepositoryName("team/a/b")))
        #expect(try rule.matches(RepositoryName("x/b")))
        #expect(try !rule.matches(RepositoryName("team/scratch/a")))
        #expect(try rule.matches(Tag("v1")))
        #expect(try !rule.matches(Tag("v1-rc1")))
        #expect(rule.semver?.contains("1.2") == true)
        #expect(rule.newest == SelectionRule.Newest(10, by: .created))
        #expect(rule.platforms.map(\.description) == ["linux/amd64", "linux/arm64"])
        var referrer = Descriptor(mediaType: .ociManifest, digest: Digest(of: [UInt8]()), size: 0)
        #expect(!rule.wants(referrer: referrer))
        referrer.artifactType = "application/spdx+json"
        #expect(rule.wants(referrer: referrer))
        referrer.artifactType = "application/vnd.cyclonedx+json"
        #expect(rule.wants(referrer: referrer))
    }

    @Test func `what is not said has its usual value`() throws {
        let rules = try parse(
            "  - {repositories: a}\n  - {repositories: b, tags: {newest: 3}, platforms: all, referrers: false}\n")
        #expect(rules[0].platforms.isEmpty && rules[0].referrers && rules[0].newest == nil)
        #expect(rules[1].newest == SelectionRule.Newest(3, by: .semver))
        #expect(rules[1].platforms.isEmpty && !rules[1].referrers)
    }

    @Test func `a list is relative to the definition`() throws {
        let rules = try parse("  - {list: images.txt, platforms: linux/amd64}\n  - {kubernetes: /k8s/}\n")
        #expect(rules[0].list?.path == "images.txt" && rules[0].list?.kind == .list)
        #expect(rules[0].platforms.count == 1)
        #expect(rules[1].list?.path == "/k8s/" && rules[1].list?.kind == .kubernetes)
    }

    @Test(arguments: [
        ("  []", "5:3: images: want a list of rules, got an empty one; without the key all images are meant"),
        ("  - {}", "5:5: images[0].repositories: missing, want patterns of repositories"),
        ("  - {repositories: []}", "5:20: images[0].repositories: want patterns, got an empty list"),
        (
            "  - {repositories: a, list: x}",
            "5:5: images[0]: want one of repositories, list and kubernetes"
        ),
        ("  - {list: x, tags: 1}", "5:21: images[0].tags: list names the images already"),
        ("  - {list: ''}", "5:12: images[0].list: want a path, got nothing"),
        (
            "  - {nonsense: a}",
            "5:6: images[0].nonsense: unknown key; known here: repositories, except, tags, digests, platforms, referrers, list, kubernetes"
        ),
        ("  - {repository: a}", "5:6: images[0].repository: unknown key; did you mean 'repositories'?"),
        (
            "  - {repositories: Team/App}",
            "5:20: images[0].repositories: 'Team/App' is not a repository name: it must be lower-case"
        ),
        (
            "  - {repositories: 'regex:(a'}",
            "5:20: images[0].repositories: '(a' is not a regular expression that is taken: unmatched ( or \\("
        ),
        (
            "  - {repositories: a, except: '[x]'}",
            "5:31: images[0].except: '[x]' has '[', which is in no name; want a glob of *, ** and ?, or regex:"
        ),
        (
            "  - {repositories: a, tags: {include: [ok, 'regex:(x)\\1']}}",
            "5:44: images[0].tags.include: '(x)\\1' is not a regular expression that is taken: it refers back (\\1), "
                + "which cannot be matched in bounded time"
        ),
        (
            "  - {repositories: a, tags: {semver: 'about 3'}}",
            "5:38: images[0].tags.semver: 'about 3' is not a range of versions: 'about' is not a version"
        ),
        (
            "  - {repositories: a, tags: {newest: 0}}",
            "5:38: images[0].tags.newest: '0' is not a number from 1 to 1000000"
        ),
        (
            "  - {repositories: a, tags: {newest: many}}",
            "5:38: images[0].tags.newest: 'many' is not a number from 1 to 1000000"
        ),
        (
            "  - {repositories: a, tags: {newest: 1, by: name}}",
            "5:45: images[0].tags.by: 'name' is not known, want one of semver, created"
        ),
        ("  - {repositories: a, tags: {by: semver}}", "5:34: images[0].tags.by: orders nothing without newest"),
        (
            "  - {repositories: a, tags: {includes: x}}",
            "5:30: images[0].tags.includes: unknown key; did you mean 'include'?"
        ),
        (
            "  - {repositories: a, tags: -x}",
            "5:29: images[0].tags: '-x' is not a tag: want 1 to 128 letters, digits, '_', '.' and '-', the first neither '.' nor '-'"
        ),
        (
            "  - {repositories: a, platforms: [all, linux/amd64]}",
            "5:35: images[0].platforms: 'all' stands alone, want it or a list of platforms"
        ),
        ("  - {repositories: a, referrers: yes}", "5:34: images[0].referrers: 'yes' is not known, want true or false"),
        (
            "  - {repositories: a, referrers: [x]}",
            "5:34: images[0].referrers: want true, false or {types: [...], rescan: 7d}, got a list"
        ),
        (
            "  - {repositories: a, referrers: {type: x}}",
            "5:35: images[0].referrers.type: unknown key; did you mean 'types'?"
        ),
        (
            "  - {repositories: a, referrers: {}}", "5:34: images[0].referrers: want types, rescan or both"
        ),
        (
            "  - {repositories: a, referrers: {rescan: weekly}}",
            "5:43: images[0].referrers.rescan: 'weekly' is not an interval, want a number with s, m, h or d, such as "
                + "7d, or 0s for each time"
        ),
        (
            "  - {repositories: a, digests: ['sha256:12']}",
            "5:33: images[0].digests: 'sha256:12' is not a digest, want 64 lower-case hex digits"
        ),
    ])
    func `a wrong rule says where and what`(_ rules: String, _ words: String) {
        let error = #expect(throws: DefinitionError.self) { try parse(rules) }
        let found = error?.description.split(separator: "\n").map(String.init) ?? []
        #expect(found.contains("p.yaml:" + words), "\(found)")
    }
}
