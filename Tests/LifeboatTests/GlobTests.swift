import Lifeboat
import Testing

@Suite struct GlobTests {
    @Test(arguments: [
        ("**", "a", true), ("**", "a/b/c", true), ("*", "a", true), ("*", "a/b", false),
        ("team/*", "team/app", true), ("team/*", "team/a/b", false), ("team/**", "team/a/b", true),
        ("team/**", "team", false), ("team/**", "teams/a", false), ("**/app", "x/y/app", true),
        ("v1.*", "v1.10", true), ("v1.*", "v2.1", false), ("*-rc*", "1.0-rc1", true), ("?", "a", true),
        ("?", "/", false),
        ("a?c", "abc", true), ("", "", true), ("", "a", false), ("a*b*c", "a-b-b-c", true), ("a*b*c", "a-c-b", false),
        ("a.c", "abc", false), ("***", "a/b", true),
    ])
    func `patterns match whole names`(_ pattern: String, _ name: String, _ matches: Bool) {
        #expect(Glob(pattern).matches(name) == matches)
    }

    @Test func `many stars do not take long`() {
        let pattern = Glob(String(repeating: "*a", count: 100) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 255)))
    }
}
