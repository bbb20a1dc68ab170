import NIOCore
import OCI
import OCIServer
import TestSupport
import Testing

/// Who may ask a server.
struct LoginTests {
    /// As `htpasswd -nbB -C 4 user hunter2` writes it.
    private static let file = """
        # people
        user:$2y$04$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS

        """

    private static func basic(_ login: String) -> [String: String] {
        ["Authorization": "Basic " + Base64.encode(Array(login.utf8))]
    }

    private func withLogins(
        figures: ServerFigures = ServerFigures(), _ body: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        let store = MemoryStore()
        try await SeededImages.push(to: store.target(try RepositoryName("app")), seed: 1, tags: [.latest])
        let security = ServerSecurity(passwords: try PasswordFile(parsing: Self.file, file: "htpasswd"))
        try await TestRegistry.run(over: store, writable: true, security: security, figures: figures, body)
    }

    @Test func `who has no login is told to have one, for reading and writing`() async throws {
        try await withLogins { address in
            for line in [
                "GET /v2/", "GET /v2/app/manifests/latest", "HEAD /v2/app/manifests/latest",
                "POST /v2/app/blobs/uploads/", "GET /v2/_catalog", "GET /nowhere",
            ] {
                let answer = try await RawHTTP.send(line, to: address)
                #expect(answer.status == 401, "\(line)")
                #expect(answer.headers["www-authenticate"] == #"Basic realm="lifeboat", charset="UTF-8""#)
                #expect(answer.headers["docker-distribution-api-version"] == "registry/2.0")
            }
        }
    }

    @Test func `a right login is let in, again and again`() async throws {
        try await withLogins { address in
            for _ in 0..<3 {
                let answer = try await RawHTTP.send(
                    "GET /v2/app/manifests/latest", to: address, Self.basic("user:hunter2"))
                #expect(answer.status == 200)
            }
            let post = try await RawHTTP.send(
                "POST /v2/app/blobs/uploads/", to: address, Self.basic("user:hunter2"))
            #expect(post.status == 202)
        }
    }

    @Test func `a wrong login is refused and counted`() async throws {
        let figures = ServerFigures()
        try await withLogins(figures: figures) { address in
            let wrong = [
                Self.basic("user:hunter3"), Self.basic("user:"), Self.basic("nobody:hunter2"), Self.basic("user"),
                Self.basic("user:hunter2\0"), Self.basic("user:" + String(repeating: "x", count: 100)),
                ["Authorization": "Basic !!!"], ["Authorization": "Bearer aHVudGVyMg=="], ["Authorization": "Basic"],
            ]
            for headers in wrong {
                let answer = try await RawHTTP.send("GET /v2/", to: address, headers)
                #expect(answer.status == 401, "\(headers)")
                #expect(answer.text.contains("UNAUTHORIZED"))
                #expect(!answer.text.contains("hunter"))
            }
            #expect(figures.refusals == wrong.count)
        }
    }

    @Test func `health is told without a login, what others asked for is not`() async throws {
        let figures = ServerFigures()
        try await withLogins(figures: figures) { address in
            let login = Self.basic("user:hunter2")
            #expect(try await RawHTTP.send("GET /v2/secret/manifests/1", to: address, login).status == 404)
            let anonymous = try await RawHTTP.send("GET /healthz", to: address)
            #expect(anonymous.status == 200)
            #expect(anonymous.text.contains(#""status":"ok""#))
            #expect(!anonymous.text.contains("secret"))
            let known = try await RawHTTP.send("GET /healthz", to: address, login)
            #expect(known.text.contains(#""missing":[{"name":"secret:1","times":1}]"#))
            #expect(try await RawHTTP.send("GET /healthz", to: address, Self.basic("user:x")).status == 401)
        }
    }

    @Test func `credentials that nobody asked for are no concern of the server`() async throws {
        try await TestRegistry.run { address in
            for headers in [Self.basic("user:hunter2"), ["Authorization": "Bearer abc"], ["Authorization": "x"]] {
                let answer = try await RawHTTP.send("GET /v2/", to: address, headers)
                #expect(answer.status == 200)
            }
        }
    }

    @Test(arguments: [
        ("user:$apr1$abcdefgh$012345678901234567890/", "f:1: the hash is not bcrypt"),
        ("\nuser:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "f:2: the hash is not bcrypt"),
        ("user:plain", "f:1: the hash is not bcrypt"), ("user", "f:1: want a name, a colon and a bcrypt hash"),
        (
            ":$2y$04$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS",
            "f:1: want a name, a colon and a bcrypt hash"
        ),
        (
            "user:$2y$17$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS",
            "f:1: the hash has cost 17, the limit is 16"
        ),
        ("", "f has no names in it: nobody could log in"), ("# user\n", "f has no names in it: nobody could log in"),
        (
            "u:$2y$04$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS\n"
                + "u:$2y$04$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS", "f:2: the name is there twice"
        ),
    ])
    func `a password file that would not do what it seems to is refused`(text: String, message: String) throws {
        let error = #expect(throws: ServerError.self) { try PasswordFile(parsing: text, file: "f") }
        #expect(error?.description == message)
        #expect(error?.kind == .policy)
    }
}
