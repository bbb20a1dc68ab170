import OCI
import Testing

@testable import OCIRegistry

struct DockerConfigTests {
    private func config(_ text: String) throws -> DockerConfig {
        try DockerConfig(parsing: Array(text.utf8), path: "config.json")
    }

    @Test func `the longest path wins`() throws {
        let config = try config(
            """
            {"auths": {"r.example.org": {"auth": "aG9zdDpw"}, "r.example.org/team": {"auth": "dGVhbTpw"},
                       "r.example.org/team/app": {"auth": "YXBwOnA="}}}
            """)
        func user(_ name: String) throws -> String? {
            guard
                case .credential(.password(let user, _))? = config.login(to: "r.example.org", try RepositoryName(name))
            else { return nil }
            return user
        }
        #expect(try user("team/app") == "app")
        #expect(try user("team/app/sub") == "app")
        #expect(try user("team/application") == "team")
        #expect(try user("other") == "host")
        #expect(config.login(to: "r.example.org:5000", nil) == nil)
    }

    @Test(arguments: [
        "https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io",
        "https://registry-1.docker.io/v2/",
    ])
    func `R47: Docker Hub is found under all its names`(key: String) throws {
        let config = try config(#"{"auths": {"\#(key)": {"username": "u", "password": "p"}}}"#)
        #expect(config.login(to: "docker.io", nil) == .credential(.password(username: "u", password: "p")))
    }

    @Test func `helpers and tokens are known`() throws {
        let config = try config(
            """
            {"credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud"},
             "auths": {"azurecr.io": {"auth": "MDA6", "identitytoken": "refresh"}}}
            """)
        #expect(config.login(to: "gcr.io", nil) == .helper(name: "gcloud", server: "gcr.io"))
        #expect(config.login(to: "azurecr.io", nil) == .credential(.identityToken("refresh")))
        #expect(
            config.login(to: "docker.io", nil) == .helper(name: "desktop", server: "https://index.docker.io/v1/"))
    }

    @Test func `a password with a colon is kept whole`() throws {
        let auth = Base64.encode("user:pa:ss".utf8)
        let config = try config(#"{"auths": {"r.example.org": {"auth": "\#(auth)"}}}"#)
        #expect(
            config.login(to: "r.example.org", nil)
                == .credential(.password(username: "user", password: "pa:ss")))
    }

    @Test func `credentials are never shown`() {
        let source = CredentialSource.fixed(.password(username: "u", password: "secret"))
        var options = RegistryOptions()
        options.credentials = source
        var dumped = ""
        dump(options, to: &dumped)
        #expect(!dumped.contains("secret"))
        #expect(!"\(options)".contains("secret"))
        #expect(!String(reflecting: source).contains("secret"))
    }

    @Test(
        .enabled(if: Fixtures.areThere),
        arguments: [
            "containers_image/pkg/docker/config/testdata",
            "oras-project_oras-go/registry/remote/internal/configuration/testdata",
            "regclient_regclient/config/testdata",
        ])
    func `files of every dialect are read, and no secret is in an error`(folder: String) throws {
        let files = try FileList.json(under: folder)
        #expect(!files.isEmpty)
        for file in files {
            let bytes = try Fixtures.bytes(file)
            do throws(RegistryError) {
                _ = try DockerConfig(parsing: bytes, path: file)
            } catch {
                #expect(error.kind == .auth)
                #expect(!error.description.contains("cGFzc3dvcmQ"))
            }
        }
    }

    @Test func `a helper that is not there is named`() async throws {
        let error = try await failure { try await CredentialHelper(name: "none-such-here").credential(for: "h") }
        #expect(error.kind == .auth)
        #expect(error.description.contains("docker-credential-none-such-here"))
        #expect(throws: RegistryError.self) { try CredentialHelper(name: "../bin/sh") }
    }
}
