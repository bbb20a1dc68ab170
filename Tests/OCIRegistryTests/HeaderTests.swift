import Testing

@testable import OCIRegistry

struct HeaderTests {
    @Test(arguments: [
        ("120", 120), ("0", 0), ("-5", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30), ("Fri, 01 Jan 2027 00:00:00 GMT", 365 * 86_400),
    ])
    func `a time to wait is seconds or a date`(text: String, seconds: Int) {
        // 2026-01-01T00:00:00Z
        #expect(RetryAfter.wait(text, now: 1_767_225_600_000) == .seconds(seconds))
    }

    @Test(arguments: ["soon", "", "1.5", "Thu, 31 Foo 2026 00:00:30 GMT", "99999999999999999999"])
    func `what is no time to wait is passed over`(text: String) {
        #expect(RetryAfter.wait(text, now: 0) == nil)
    }

    @Test(arguments: [
        ("/v2/x?a=b&c=d", "https://r.example.org/v2/x?a=b&c=d"),
        ("https://r.example.org:443/v2/../y#z", "https://r.example.org/v2/../y"),
        ("y?q=1", "https://r.example.org/v2/team/y?q=1"), ("?n=2", "https://r.example.org/v2/team/list?n=2"),
        ("../../z", "https://r.example.org/z"), ("//other.example.org/z", "https://other.example.org/z"),
    ])
    func `a location is resolved against the address that sent it`(reference: String, url: String) throws {
        let base = try #require(WebAddress(parsing: "https://r.example.org/v2/team/list?n=1"))
        #expect(base.resolving(reference)?.url == url)
    }

    @Test(arguments: [
        "file:///etc/passwd", "javascript:alert(1)", "ftp://r.example.org/", "https://user:secret@r.example.org/",
        "https://r.example.org\\@evil.example.org/", "https://r example.org/", "http:///x", "https://r.example.org:0/",
    ])
    func `other schemes and addresses with a user are no addresses`(text: String) throws {
        let base = try #require(WebAddress(parsing: "https://r.example.org/v2/"))
        #expect(base.resolving(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", HostAddress.Network.loopback), ("10.1.2.3", .privateUse), ("172.31.0.1", .privateUse),
        ("172.32.0.1", .global), ("169.254.169.254", .linkLocal), ("0.0.0.0", .unspecified), ("[::1]", .loopback),
        ("[::ffff:127.0.0.1]", .loopback), ("[fe80::1]", .linkLocal), ("[fd00::1]", .privateUse),
        ("[2001:db8::1]", .global), ("[64:ff9b::169.254.169.254]", .linkLocal), ("8.8.8.8", .global),
    ])
    func `addresses belong to networks`(host: String, network: HostAddress.Network) {
        #expect(HostAddress(host)?.network == network)
    }

    @Test(arguments: ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"])
    func `addresses in forms of old are odd`(host: String) throws {
        #expect(try #require(WebAddress(parsing: "https://\(host)/")).isOddNumber)
    }
}
