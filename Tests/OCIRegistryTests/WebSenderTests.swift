import NIOCore
import NIOHTTP1
import OCIRegistry
import TestSupport
import Testing

@Suite struct WebSenderTests {
    @Test func `notices go over HTTP as they are, and a redirect is not followed`() async throws {
        try await ScriptedRegistry.serve({ request in
            request.path == "/moved" ? ScriptedAnswer(302, ["Location": "/x"]) : ScriptedAnswer(204)
        }) { server in
            let sender = WebSender()
            let status = try await sender.send(
                to: "http://\(server.host)/x?y", headers: [("X-A", "b")], body: Array("hello".utf8),
                timeLimit: .seconds(20))
            #expect(status == 204)
            let request = try #require(server.requests.first)
            #expect("\(request.method) \(request.uri)" == "POST /x?y")
            #expect(request.header("X-A") == "b" && String(buffer: request.body) == "hello")
            let moved = try await sender.send(
                to: "http://\(server.host)/moved", headers: [], body: nil, timeLimit: .seconds(20))
            #expect(moved == 302)
            #expect(server.lines == ["POST /x?y", "GET /moved"])
        }
        let error = await #expect(throws: RegistryError.self) {
            _ = try await WebSender().send(
                to: "http://127.0.0.1:1/topsecret", headers: [], body: nil, timeLimit: .seconds(20))
        }
        #expect(error?.description.contains("127.0.0.1:1 cannot be reached") ?? false)
        #expect(!(error?.description.contains("topsecret") ?? true))
    }
}
