import Lifeboat
import OCI
import TestSupport
import Testing

@Suite struct SelectionPatternTests {
    @Test(arguments: [
        ("team/**", "team/a/b", true), ("team/*", "team/a/b", false), ("regex:team/(a|b)", "team/a", true),
        ("regex:team/(a|b)", "team/ab", false), ("regex:^team/(a|b)$", "team/b", true), ("regex:a|bc", "abc", false),
        ("regex:a|bc", "bc", true), ("regex:.*-debug", "1.2-debug", true), ("regex:.*-debug", "1.2-debug-x", false),
        ("regex:v?[0-9]+[.][0-9]+", "v1.25", true), ("regex:v?[0-9]+[.][0-9]+", "1.25.1", false),
        ("regex:[[:digit:]]{8}", "20261120", true), ("regex:[]x]+", "]x", true), ("regex:a{0,255}", "aaa", true),
        ("regex:[a-z0-9]{1,128}", "abc", true),
    ])
    func `a pattern means whole names`(_ pattern: String, _ name: String, _ matches: Bool) throws {
        let parsed = try NamePattern(parsing: pattern)
        #expect(parsed.matches(name) == matches)
        #expect(parsed.description == pattern)
    }

    @Test(arguments: [
        ("", "the pattern is empty"),
        ("team/[ab]", "'team/[ab]' has '[', which is in no name; want a glob of *, ** and ?, or regex:"),
        ("team/{a,b}", "'team/{a,b}' has '{', which is in no name; want a glob of *, ** and ?, or regex:"),
        ("regex:", "'' is not a regular expression that is taken: it is empty"),
        ("regex:(a", "'(a' is not a regular expression that is taken: unmatched ( or \\("),
        ("regex:a)(b", "'a)(b' is not a regular expression that is taken: unmatched ( or \\("),
        ("regex:[a", "'[a' is not a regular expression that is taken: unmatched [, [^, [:, [., or [="),
        (
            "regex:(a)\\1",
            "'(a)\\1' is not a regular expression that is taken: it refers back (\\1), which cannot be matched in "
                + "bounded time"
        ),
        (
            "regex:((a{255}){255}){255}",
            "'((a{255}){255}){255}' is not a regular expression that is taken: its repetitions stand for more than "
                + "2000 characters when written out"
        ),
        (
            "regex:a{255}{255}",
            "'a{255}{255}' is not a regular expression that is taken: its repetitions stand for more than 2000 "
                + "characters when written out"
        ),
        ("regex:a\u{0}b", "'a\\u{0}b' is not a regular expression that is taken: it has a zero character"),
    ])
    func `a wrong pattern says what is wrong`(_ pattern: String, _ words: String) {
        let error = #expect(throws: LifeboatError.self) { try NamePattern(parsing: pattern) }
        #expect(error?.description == words)
        #expect(error?.kind == .policy)
    }

    @Test func `patterns of more than 256 characters are refused`() throws {
        let longest = String(repeating: "a", count: 256)
        _ = try NamePattern(parsing: longest)
        _ = try NamePattern(parsing: "regex:" + longest)
        #expect(throws: LifeboatError.self) { try NamePattern(parsing: longest + "a") }
        #expect(throws: LifeboatError.self) { try NamePattern(parsing: "regex:" + longest + "a") }
    }

    @Test(arguments: ["(a+)+", "(a|aa)+", "(a*)*b", "(a|a?)+", "(.*)(.*)(.*)(.*)(.*)x", "([a-z]+)*[A-Z]"])
    func `no expression takes long`(_ pattern: String) throws {
        let parsed = try NamePattern(parsing: "regex:" + pattern)
        let name = String(repeating: "a", count: 254) + "!"
        let took = processorTime { #expect(!parsed.matches(name)) }
        #expect(took < 2)
    }

    @Test func `one expression serves many tasks`() async throws {
        let parsed = try NamePattern(parsing: "regex:(a|b)+[0-9]{1,5}")
        let matches = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<200 { group.addTask { parsed.matches("abba\(number)") } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(matches == 200)
    }
}
