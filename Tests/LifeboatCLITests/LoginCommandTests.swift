import Foundation
import NIOHTTP1
import OCI
import TestSupport
import Testing

/// Logging in and out with the built command.
@Suite struct LoginCommandTests {
    /// A registry that takes one login.
    private static let script: ScriptedRegistry.Script = { request in
        guard request.header("Authorization") == "Basic dXNlcjpodW50ZXIy" else {
            return ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""])
        }
        return request.path.hasSuffix("/tags/list")
            ? ScriptedAnswer(200, text: #"{"tags":[]}"#) : ScriptedAnswer(200, text: "{}")
    }

    private func logIn(_ host: String, password: String, in folder: String, path: String? = nil) async throws
        -> Program.Result
    {
        try (password + "\n").write(toFile: folder + "/password", atomically: true, encoding: .utf8)
        var environment = ["DOCKER_CONFIG": folder, "REGISTRY_AUTH_FILE": ""]
        if let path { environment["PATH"] = path }
        return try await Lifeboat.run(
            ["login", host, "--username", "user", "--password-stdin"], environment: environment,
            input: folder + "/password")
    }

    @Test func `a login is checked, kept, used, and forgotten`() async throws {
        try await withTemporaryFolder { folder in
            try await ScriptedRegistry.serve(Self.script) { server in
                let wrong = try await logIn(server.host, password: "wrong-secret", in: folder)
                #expect(wrong.status == 77)
                #expect(!(wrong.output + wrong.errors).contains("wrong-secret"))
                #expect(!exists(folder + "/config.json"))

                let right = try await logIn(server.host, password: "hunter2", in: folder)
                #expect(right.status == 0, "\(right.errors)")
                #expect(right.output.hasPrefix("logged in to \(server.host) as user"))
                #expect(!(right.output + right.errors).contains("hunter2"))
                let text = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
                #expect(text.contains("\"auth\": \"dXNlcjpodW50ZXIy\""))

                let environment = ["DOCKER_CONFIG": folder, "REGISTRY_AUTH_FILE": ""]
                let used = try await Lifeboat.run("list", server.host + "/team/app:*", environment: environment)
                #expect(used.status != 77, "\(used.errors)")
                let out = try await Lifeboat.run("logout", server.host, environment: environment)
                #expect(out.status == 0)
                #expect(out.output.contains("logged out of \(server.host)"))
                let after = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
                #expect(!after.contains("dXNlcjpodW50ZXIy"))
                let again = try await Lifeboat.run("logout", server.host, environment: environment)
                #expect(again.output.contains("not logged in"))
            }
        }
    }

    @Test func `a helper that the configuration names keeps the password`() async throws {
        try await withTemporaryFolder { folder in
            let helper = folder + "/docker-credential-notebook"
            try """
            #!/bin/sh
            case "$1" in
            store) cat > "\(folder)/kept" ;;
            erase) cat > /dev/null; rm "\(folder)/kept" ;;
            esac
            """.write(toFile: helper, atomically: true, encoding: .utf8)
            chmod(helper, 0o755)
            try #"{"credsStore":"notebook"}"#.write(
                toFile: folder + "/config.json", atomically: true, encoding: .utf8)
            let path = folder + ":/usr/bin:/bin"
            try await ScriptedRegistry.serve(Self.script) { server in
                let result = try await logIn(server.host, password: "hunter2", in: folder, path: path)
                #expect(result.status == 0, "\(result.errors)")
                let kept = try String(contentsOfFile: folder + "/kept", encoding: .utf8)
                #expect(kept == #"{"Secret":"hunter2","ServerURL":"\#(server.host)","Username":"user"}"#)
                let text = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
                #expect(text == #"{"credsStore":"notebook","auths":{"\#(server.host)":{}}}"#)
                let out = try await Lifeboat.run(
                    ["logout", server.host],
                    environment: ["DOCKER_CONFIG": folder, "REGISTRY_AUTH_FILE": "", "PATH": path])
                #expect(out.output.contains("docker-credential-notebook"), "\(out.errors)")
                #expect(!exists(folder + "/kept"))
            }
        }
    }

    @Test func `without a terminal it says how to give the password`() async throws {
        let result = try await Lifeboat.run("login", "registry.invalid")
        #expect(result.status == 64)
        #expect(result.errors.contains("--password-stdin"))
    }
}
