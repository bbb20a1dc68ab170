import Foundation
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

struct LoginTests {
    private static let basic: ScriptedRegistry.Script = { request in
        request.header("Authorization") == "Basic dXNlcjpodW50ZXIy"
            ? .json("{}") : ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""])
    }

    private func check(_ script: @escaping ScriptedRegistry.Script, password: String = "hunter2") async throws -> Bool {
        try await ScriptedRegistry.serve(script) { server in
            let options = RegistryOptions.quick {
                $0.credentials = .fixed(.password(username: "user", password: password))
            }
            return try await withRegistry(server.host, options) { try await $0.checkLogin() }
        }
    }

    @Test func `a registry is asked whether it takes the login`() async throws {
        #expect(try await check(Self.basic))
        #expect(try await check(tokenRegistry { _ in .json("{}") }))
        #expect(try await check { _ in .json("{}") } == false)
        let refused = try await failure { try await check(Self.basic, password: "wrong-one") }
        #expect(refused.kind == .auth)
        #expect(!refused.description.contains("wrong-one"))
        #expect(try await failure { try await check { _ in nil } }.kind == .protocolViolation)
        #expect(
            try await failure { try await check { _ in ScriptedAnswer(200, text: "<html>log in here</html>") } }.kind
                == .protocolViolation)
    }

    @Test func `a login is added to the file, and the rest of the file stays as it is`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/config.json"
            let before = """
                {
                \t"zebra": [1, 2.50, {"x":   null}],
                \t"auths": {
                \t\t"old.example.org": {
                \t\t\t"auth": "b2xkOm9sZA=="
                \t\t}
                \t},
                \t"HttpHeaders": {"User-Agent": "a \\"b\\" } ,"}
                }
                """
            try before.write(toFile: path, atomically: true, encoding: .utf8)
            chmod(path, 0o644)
            let logins = try Logins(path: nil, environment: ["DOCKER_CONFIG": folder])
            let place = try await logins.save(username: "user", password: "hunter2", for: "new.example.org:5000")
            #expect(place == .file(path))
            let after = try String(contentsOfFile: path, encoding: .utf8)
            let added = ",\n\t\t\"new.example.org:5000\": {\n\t\t\t\"auth\": \"dXNlcjpodW50ZXIy\"\n\t\t}"
            let expected = before.replacingOccurrences(
                of: "\"b2xkOm9sZA==\"\n\t\t}", with: "\"b2xkOm9sZA==\"\n\t\t}" + added)
            #expect(after == expected)
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["config.json"])
            // And taken away again.
            #expect(try await logins.erase("new.example.org:5000") == [.file(path)])
            #expect(try String(contentsOfFile: path, encoding: .utf8) == before)
            #expect(try await logins.erase("new.example.org:5000") == [])
        }
    }

    @Test func `Docker Hub is kept where docker looks for it, under one name only`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/.docker/config.json"
            let logins = try Logins(path: nil, environment: ["HOME": folder])
            _ = try await logins.save(username: "a", password: "b", for: "index.docker.io")
            let json = try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))), in: path)
            #expect(try json.object("")["auths"]?.object("").keys.sorted() == ["https://index.docker.io/v1/"])
            let podman = try Logins(path: folder + "/auth.json", environment: [:])
            _ = try await podman.save(username: "a", password: "b", for: "docker.io")
            let text = try String(contentsOfFile: folder + "/auth.json", encoding: .utf8)
            #expect(text.contains("\"docker.io\""))
            #expect(try await podman.erase("registry-1.docker.io").count == 1)
        }
    }

    @Test func `a link to the file stays a link`() async throws {
        try await withTemporaryFolder { folder in
            try "{}".write(toFile: folder + "/real.json", atomically: true, encoding: .utf8)
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/config.json", withDestinationPath: "real.json")
            let logins = try Logins(path: nil, environment: ["DOCKER_CONFIG": folder])
            _ = try await logins.save(username: "a", password: "b", for: "r.example.org")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/config.json") == "real.json")
            #expect(try String(contentsOfFile: folder + "/real.json", encoding: .utf8).contains("r.example.org"))
        }
    }

    @Test func `a file that is no JSON is left alone`() async throws {
        try await withTemporaryFolder { folder in
            try "{\"auths\": {".write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
            let logins = try Logins(path: nil, environment: ["DOCKER_CONFIG": folder])
            let error = try await failure {
                try await logins.save(username: "a", password: "hunter2", for: "r.example.org")
            }
            #expect(error.kind == .auth)
            #expect(try String(contentsOfFile: folder + "/config.json", encoding: .utf8) == "{\"auths\": {")
        }
    }

    @Test(arguments: [
        #"{"a":1}"#, "{}", " { } ", #"{"auths":null}"#, #"{"auths":{}}"#, "{\n  \"auths\": {}\n}",
        #"{"auths":{"a":{"auth":"eDp5"}}}"#, #"{ "auths" : { "z" : {} , "b":{ } } , "c":[{},{}] }"#,
    ])
    func `whatever the file's layout is, it stays JSON with one login more`(before: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/auth.json"
            try before.write(toFile: path, atomically: true, encoding: .utf8)
            let logins = try Logins(path: path, environment: [:])
            _ = try await logins.save(username: "user", password: "hunter2", for: "r.example.org")
            func members() throws -> [String: JSONValue] {
                try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))), in: path).object(path)
            }
            var old = try JSONValue(parsing: Array(before.utf8), in: "before").object("before")
            var auths = try old["auths"].map { $0 == .null ? [:] : try $0.object("auths") } ?? [:]
            auths["r.example.org"] = .object(["auth": .string("dXNlcjpodW50ZXIy")])
            old["auths"] = .object(auths)
            #expect(try members() == old)
            _ = try await logins.erase("r.example.org")
            auths["r.example.org"] = nil
            old["auths"] = .object(auths)
            #expect(try members() == old)
        }
    }
}
