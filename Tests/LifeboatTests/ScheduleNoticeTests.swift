import Foundation
import OCI
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct ScheduleNoticeTests {
    /// RFC 4231, test cases 1 to 4, 6 and 7.
    private static let vectors: [(key: [UInt8], message: [UInt8], code: String)] = [
        (
            Array(repeating: 0x0b, count: 20), Array("Hi There".utf8),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            Array(repeating: 0xaa, count: 20), Array(repeating: 0xdd, count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            Array(1...25), Array(repeating: 0xcd, count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            Array(repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            Array(repeating: 0xaa, count: 131),
            Array(
                "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
                    .utf8),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ]

    @Test(arguments: vectors)
    func `the code of a message is that of RFC 4231`(_ key: [UInt8], _ message: [UInt8], _ code: String) {
        #expect(messageCode(of: message, key: key) == code)
    }

    private func notice(_ event: Notice.Event = .failure) -> Notice {
        var record = RunRecord(file: "/etc/lifeboat/nightly.yaml", name: "nightly")
        record.note(
            RunRecord.Outcome(ScheduleSimulation.report(ScheduleSimulation.down), ended: 1_795_226_820_000), nil, of: []
        )
        return Notice(event, record, host: "box", sent: 1_795_226_820_000)
    }

    private func notifier(_ sender: any NoticeSender) -> Notifier {
        Notifier(sender: sender, surroundings: SimulatedTime("2026-11-21T00:00:00Z").surroundings)
    }

    @Test func `a webhook gets JSON whose signature is over exactly its bytes`() async throws {
        let sent = NoticedRequests()
        let address = try NoticeAddress(parsing: "https://hooks.example.com/x")
        try await notifier(sent).send(notice(), to: .webhook(address, secret: RegistrySettings.Password("key")))
        let request = try #require(sent.requests.first)
        let body = try #require(request.body)
        let headers = Dictionary(request.headers, uniquingKeysWith: { $1 })
        #expect(headers["X-Lifeboat-Signature"] == "sha256=" + messageCode(of: body, key: Array("key".utf8)))
        #expect(headers["Content-Type"] == "application/json")
        let json = try JSONValue(parsing: body, in: "notice")
        #expect(json["event"]?.stringValue == "failure")
        #expect(json["pipeline"]?.stringValue == "nightly")
        #expect(json["run"]?["exitCode"] == .number(69))
        #expect(json["run"]?["failures"]?["unavailable"] == .number(1))
        #expect(json["sent"]?.stringValue == "2026-11-21T02:07:00Z")
        #expect(
            json["text"]?.stringValue
                == "lifeboat: nightly on box failed with exit code 69: a.example.com cannot be reached")
    }

    @Test func `without a secret nothing is signed`() async throws {
        let sent = NoticedRequests()
        try await notifier(sent).send(
            notice(), to: .webhook(try NoticeAddress(parsing: "https://hooks.example.com/x"), secret: nil))
        #expect(sent.requests[0].headers.map(\.0) == ["Content-Type", "X-Lifeboat-Event"])
    }

    @Test(arguments: [
        ("https://hc.example.com/ping/1", "https://hc.example.com/ping/1/fail"),
        ("https://hc.example.com/ping/1/", "https://hc.example.com/ping/1/fail"),
        ("https://hc.example.com/ping/1?a=b", "https://hc.example.com/ping/1/fail?a=b"),
    ])
    func `a ping of a failure goes to fail under the address`(_ address: String, _ failing: String) async throws {
        let sent = NoticedRequests()
        let channel = NoticeChannel.ping(try NoticeAddress(parsing: address))
        try await notifier(sent).send(notice(), to: channel)
        try await notifier(sent).send(notice(.success), to: channel)
        try await notifier(sent).send(notice(.recovery), to: channel)
        #expect(sent.lines == ["GET \(failing)", "GET \(address)", "GET \(address)"])
    }

    @Test func `what may pass is tried three times, and what does not is told without the address's path`() async throws
    {
        let sent = NoticedRequests()
        let channel = NoticeChannel.webhook(
            try NoticeAddress(parsing: "https://hooks.example.com/T0/topsecret"), secret: nil)
        sent.answer(503, 429)
        try await notifier(sent).send(notice(), to: channel)
        #expect(sent.requests.count == 3)
        sent.answer(500, 500, 500)
        let error = await #expect(throws: LifeboatError.self) { try await notifier(sent).send(notice(), to: channel) }
        #expect(
            error?.description == "https://hooks.example.com was not told: it answered 500, after 3 attempts")
        sent.answer(404)
        let refused = await #expect(throws: LifeboatError.self) { try await notifier(sent).send(notice(), to: channel) }
        #expect(refused?.description == "https://hooks.example.com was not told: it answered 404")
        #expect(sent.requests.count == 7)
    }

    @Test func `who could not be told of a failure is told at the next one, and nobody twice`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2026-11-01T00:00:00Z",
                """
                schedule: {cron: "0 2 * * *"}
                notify:
                  onFailure: [{webhook: "https://a.example.com/"}, {ping: "https://b.example.com/"}]
                  onRecovery: [{webhook: "https://a.example.com/"}]
                  onSuccess: [{ping: "https://b.example.com/"}]
                """)
            simulation.sent.answer(404)
            try await simulation.serve(until: "2026-11-04T12:00:00Z") { day in
                day < "2026-11-04" ? ScheduleSimulation.down : nil
            }
            #expect(
                simulation.sent.lines == [
                    "failure", "GET https://b.example.com/fail", "failure", "recovery", "GET https://b.example.com/",
                ])
        }
    }

    @Test func `a command reads the notice, without a shell`() async throws {
        try await withTemporaryFolder { folder in
            let words = ["/bin/sh", "-c", "cat > \"$0\"; echo \"$LIFEBOAT_EVENT\" >> \"$0\"", folder + "/a b;c"]
            try await NoticeCommand(words: words, timeLimit: .seconds(20)).run(notice())
            let text = try String(contentsOfFile: folder + "/a b;c", encoding: .utf8)
            #expect(text == notice().json.text + "\nfailure\n")
        }
    }

    @Test(
        arguments: [
            (["/bin/false"], 20_000, "/bin/false was not told: it ended with exit code 1"),
            (["/nonexistent/x"], 20_000, "/nonexistent/x was not told: No such file or directory"),
            (["/bin/sh", "-c", "kill -9 $$"], 20_000, "/bin/sh was not told: it ended with signal 9"),
            (["/bin/sh", "-c", "sleep 600 & sleep 600"], 100, "/bin/sh was not told: it took longer than 0 s"),
        ] as [([String], Int, String)])
    func `a command that fails says how`(_ words: [String], _ limit: Int, _ expected: String) async {
        let error = await #expect(throws: LifeboatError.self) {
            try await NoticeCommand(words: words, timeLimit: .milliseconds(limit)).run(notice())
        }
        #expect(error?.description == expected)
    }
}
