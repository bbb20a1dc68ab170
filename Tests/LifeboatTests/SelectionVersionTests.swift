import OCI
import Testing

@testable import Lifeboat

@Suite struct SelectionVersionTests {
    /// Each lower than the next.
    private static let ascending = [
        "0", "0.0.1-0", "0.0.1", "0.1-alpine", "v0.1", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1",
        "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2", "1.10", "2",
        "22.04", "22.10", "20261120", "18446744073709551615",
    ]

    @Test func `versions are ordered as semver orders them`() throws {
        let versions = try Self.ascending.map { try #require(SemanticVersion($0), "\($0)") }
        for (i, a) in versions.enumerated() {
            for (j, b) in versions.enumerated() {
                #expect((a < b) == (i < j), "\(Self.ascending[i]) < \(Self.ascending[j])")
                #expect((a == b) == (i == j), "\(Self.ascending[i]) == \(Self.ascending[j])")
            }
        }
    }

    @Test(arguments: [
        ("1.2", "1.2.0"), ("v1.2.3", "1.2.3"), ("1.2.3_a", "1.2.3"), ("1.2.3-rc_b", "1.2.3-rc"), ("V1", "1.0"),
    ])
    func `one version may be written in several ways`(_ a: String, _ b: String) {
        #expect(SemanticVersion(a) != nil)
        #expect(SemanticVersion(a) == SemanticVersion(b))
    }

    @Test(arguments: [
        "", "v", "latest", "1.", ".1", "1..2", "1.2.3.4", "1.x", "*", "x", "1.2.3-", "1.2.3-a..b", "1.2.3-a_", "vv1",
        "18446744073709551616", "1.2a", "a1.2", "-1", "1.-2", "１", "main-1.2.3", "1.2.3_",
    ])
    func `what is no version is none`(_ text: String) {
        #expect(SemanticVersion(text) == nil)
    }

    private static let inside: [(range: String, versions: [String])] = [
        (">=1.2 <3", ["1.2", "1.2.0", "v1.2.1", "2.99.99", "2"]),
        (">=1.2, <3", ["1.2"]),
        (">= 1.2 < 3", ["1.2", "2.9"]),
        (">1.2", ["1.3", "2"]),
        (">1.2.3", ["1.2.4", "1.3"]),
        ("<=1.2", ["1.2.99", "1.1", "0"]),
        ("<1.2", ["1.1.9", "0.1"]),
        ("^1.2", ["1.2.0", "1.99.0"]),
        ("^1.2.3", ["1.2.3", "1.9.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"]),
        ("^0.0.3", ["0.0.3"]),
        ("^0.0", ["0.0.0", "0.0.9"]),
        ("^0", ["0.0.1", "0.9.9"]),
        ("^1.x", ["1.0", "1.9"]),
        ("~1.2.3", ["1.2.3", "1.2.99"]),
        ("~1.2", ["1.2.0", "1.2.9"]),
        ("~1", ["1.0", "1.9"]),
        ("~>1.2.3", ["1.2.3"]),
        ("1.x", ["1.0.0", "1.9.9", "v1.4"]),
        ("1.2.*", ["1.2.0", "1.2.7"]),
        ("1.2", ["1.2.0", "1.2.7"]),
        ("=1.2.3", ["1.2.3", "v1.2.3", "1.2.3_build"]),
        ("v1.2.3", ["1.2.3"]),
        ("*", ["0", "1", "99.1.2"]),
        ("x", ["3"]),
        ("1.2 - 1.4", ["1.2.0", "1.4.9"]),
        ("1.2.3 - 2", ["1.2.3", "2.9.9"]),
        ("1.x || >=3.1", ["1.5", "3.1", "4"]),
        ("<1||>2", ["0.9", "3"]),
        ("!=1.2.3", ["1.2.2", "1.2.4"]),
        (">=1 !=1.5", ["1.4.9", "1.6"]),
        (">=1.2.0-0", ["1.2.0-rc1", "1.2.0", "1.3.0-alpha"]),
        (">=1.2.0-rc.1 <2", ["1.2.0-rc.1", "1.2.0-rc.2", "1.9.0-beta"]),
        ("1.2.3-rc.1", ["1.2.3-rc.1"]),
        ("^1.2.0-0", ["1.2.0-alpine", "1.9"]),
    ]

    private static let outside: [(range: String, versions: [String])] = [
        (">=1.2 <3", ["1.1.9", "3", "3.0.0", "2.0.0-rc1", "latest", "1.2.3.4"]),
        (">1.2", ["1.2.0", "1.2.99"]),
        (">1.2.3", ["1.2.3"]),
        ("<=1.2", ["1.3.0"]),
        ("<1.2", ["1.2.0", "1.2.0-rc1"]),
        ("^1.2", ["1.1", "2.0", "1.3.0-rc1"]),
        ("^0.2.3", ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.4"]),
        ("^0.0", ["0.1"]),
        ("^0", ["1"]),
        ("~1.2.3", ["1.3.0", "1.2.2"]),
        ("~1", ["2", "0.9"]),
        ("1.x", ["2.0", "0.9", "1.0.0-rc1"]),
        ("1.2 - 1.4", ["1.5", "1.1"]),
        ("*", ["latest", "1.0-rc1", "sha256-abc"]),
        ("!=1.2.3", ["1.2.3"]),
        (">=1 !=1.5", ["1.5.0", "1.5.9"]),
        (">=1.2.0-0 <3", ["3.0.0-rc1", "3.0.0"]),
        ("^1.2.0-0", ["2.0.0-rc1", "2.0.0"]),
        ("1.x || >=3.1", ["3.0", "2.0"]),
        // A pre-release is named in one alternative only.
        (">=1.0.0-0 <1.1 || >=2", ["2.1.0-rc1"]),
    ]

    @Test(arguments: inside)
    func `versions are within their range`(_ range: String, _ versions: [String]) throws {
        let parsed = try VersionRange(parsing: range)
        for version in versions { #expect(parsed.contains(version), "\(version) in \(range)") }
    }

    @Test(arguments: outside)
    func `others are outside`(_ range: String, _ versions: [String]) throws {
        let parsed = try VersionRange(parsing: range)
        for version in versions { #expect(!parsed.contains(version), "\(version) not in \(range)") }
    }

    @Test(arguments: [
        ("", "'' is not a range of versions: it is empty"),
        ("latest", "'latest' is not a range of versions: 'latest' is not a version"),
        (">=", "'>=' is not a range of versions: '>=' has no version behind it"),
        ("1.2 || ", "'1.2 || ' is not a range of versions: there is nothing on one side of '||'"),
        ("1 | 2", "'1 | 2' is not a range of versions: '|' is not a version"),
        ("1.2 -", "'1.2 -' is not a range of versions: '1.2 -' has no end"),
        ("=>1", "'=>1' is not a range of versions: '>1' is not a version"),
        ("1.x.3", "'1.x.3' is not a range of versions: '1.x.3' is not a version"),
        ("<*", "'<*' is not a range of versions: nothing is below every version"),
        (">x", "'>x' is not a range of versions: nothing is above every version"),
    ])
    func `a wrong range says what is wrong`(_ range: String, _ words: String) {
        let error = #expect(throws: LifeboatError.self) { try VersionRange(parsing: range) }
        #expect(error?.description == words)
    }

    @Test(arguments: [
        ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"), ("2026-11-20T08:30:00Z", "2026-11-20T08:30:00.1Z"),
        ("2026-11-20T10:30:00+02:00", "2026-11-20T08:30:01Z"), ("2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z"),
        ("2024-02-29T23:59:59.999999999Z", "2024-03-01T00:00:00Z"),
        ("2025-12-31T23:59:59-01:00", "2026-01-01T01:00:00Z"),
        ("2026-11-20T08:30:00.123456789Z", "2026-11-20T08:30:00.12345679Z"),
        ("1999-12-31T00:00:00Z", "2000-03-01T00:00:00Z"), ("2100-02-28T00:00:00Z", "2100-03-01T00:00:00Z"),
    ])
    func `times are ordered`(_ earlier: String, _ later: String) throws {
        let (a, b) = (try #require(CreationTime.moment(earlier)), try #require(CreationTime.moment(later)))
        #expect(a < b)
        #expect(!(b < a))
    }

    @Test(arguments: [
        "", "2026", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-20T08:30:00",
        "2026-11-20T08:30:00.Z", "2026-11-20T24:00:00Z", "2026-11-20T08:30:00Zx", "yesterday", "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
    ])
    func `what says nothing of time is no time`(_ text: String) {
        #expect(CreationTime.moment(text) == nil)
    }

    @Test(
        arguments: [
            // Who wants the newest version does not want its candidates.
            (nil, ["1.1.0", "1.2.0", "1.3.0-rc.1", "1.3.0-rc.2"], ["1.1.0", "1.2.0"]),
            // Where there is nothing else, they are what there is.
            (nil, ["1.25-alpine", "1.26-alpine", "1.24-alpine"], ["1.25-alpine", "1.26-alpine"]),
            // A range says itself whether it means them.
            (">=1.2.0-0", ["1.1.0", "1.2.0", "1.3.0-rc.1", "1.3.0-rc.2"], ["1.3.0-rc.1", "1.3.0-rc.2"]),
            (">=1", ["1.1.0", "1.2.0", "1.3.0-rc.1"], ["1.1.0", "1.2.0"]),
        ] as [(String?, [String], [String])])
    func `the newest are no pre-releases unless they are meant`(
        _ range: String?, _ tags: [String], _ chosen: [String]
    ) throws {
        var rule = SelectionRule(repositories: [Glob("app")])
        rule.newest = SelectionRule.Newest(2, by: .semver)
        rule.semver = try range.map { try VersionRange(parsing: $0) }
        let choice = try TagChoice(rule, of: try tags.map { try OCI.Tag($0) }, in: "app")
        #expect(choice.tags.map(\.description) == chosen)
    }
}
