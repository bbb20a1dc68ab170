import Foundation
import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// docker-registry behind nginx, as it stands in many places.
@Suite(
    .serialized,
    .enabled(if: DockerRegistry.isInstalled && Nginx.isInstalled, "docker-registry or nginx is not installed"))
struct RealProxyTests {
    private static let passedOn = """
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_http_version 1.1;
        proxy_request_buffering off;
        """

    /// A server that asks another one of each request, as `/check`, whether its token is good.
    private static func asking(
        _ checker: ScriptedRegistry, before docker: DockerRegistry, _ more: String = ""
    ) -> String {
        """
        server {
            listen $PORT0;
            location = /token { proxy_pass http://\(checker.host); proxy_set_header Host $http_host; }
            location = /check {
                internal;
                proxy_pass http://\(checker.host);
                proxy_pass_request_body off;
                proxy_set_header Content-Length "";
                proxy_set_header Host $http_host;
                proxy_set_header X-Method $request_method;
            }
            location / {
                auth_request /check;
                \(more)
                proxy_set_header Authorization "";
                proxy_pass http://\(docker.host);
                \(passedOn)
            }
        }
        """
    }

    private func roundTrip(_ registry: Registry, size: Int = 300_000) async throws {
        let repository = registry.repository(try RepositoryName("team/app"))
        let manifest = try await SeededImages.push(to: repository, seed: 1, layerSizes: [size], tags: [.latest])
        let found = try await repository.resolve(.tag(.latest))
        #expect(found == manifest.descriptor)
        for blob in manifest.children { try await repository.read(blob) { try await $0.verify() } }
    }

    @Test(.enabled(if: TestCertificates.canBeMade, "openssl is not installed"))
    func `TLS, a certificate of ours and a login, and nothing without any of them`() async throws {
        try await withTemporaryFolder { folder in
            let certificates = try await TestCertificates.make(in: folder)
            try await DockerRegistry.run(asksForLogin: true) { docker in
                try await Nginx.run(
                    """
                    server {
                        listen $PORT0 ssl;
                        ssl_certificate \(certificates.server.certificate);
                        ssl_certificate_key \(certificates.server.key);
                        ssl_client_certificate \(certificates.authority);
                        ssl_verify_client on;
                        location / { proxy_pass http://\(docker.host); \(Self.passedOn) }
                    }
                    """
                ) { nginx in
                    // Without a word of TLS, this machine is spoken to in plain HTTP.
                    let plain = try await failure {
                        try await withRegistry(nginx.hosts[0]) { try await $0.checkLogin() }
                    }
                    #expect(plain.advice?.contains("--ca FILE") == true, "\(plain.description)")
                    var options = RegistryOptions.quick {
                        $0.plainHTTP = false
                        $0.credentials = .fixed(
                            .password(
                                username: DockerRegistry.login.username, password: DockerRegistry.login.password))
                    }
                    let untrusted = try await failure {
                        try await withRegistry(nginx.hosts[0], options) { try await $0.checkLogin() }
                    }
                    #expect(untrusted.kind == .unavailable)
                    options.plainHTTP = nil
                    options.tls.caFile = certificates.authority
                    let unknown = try await failure {
                        try await withRegistry(nginx.hosts[0], options) { try await $0.checkLogin() }
                    }
                    #expect(unknown.description.contains("400"))
                    options.tls.certificateFile = certificates.client.certificate
                    let half = try await failure {
                        try await withRegistry(nginx.hosts[0], options) { try await $0.checkLogin() }
                    }
                    #expect(half.kind == .policy)
                    options.tls.keyFile = certificates.client.key
                    try await withRegistry(nginx.hosts[0], options) { registry in
                        let asks = try await registry.checkLogin()
                        #expect(asks)
                        try await roundTrip(registry)
                    }
                    // The same from a folder as docker has it.
                    let place = folder + "/certs.d/" + nginx.hosts[0]
                    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                    for (from, name) in [
                        (certificates.authority, "ca.crt"), (certificates.client.certificate, "client.cert"),
                        (certificates.client.key, "client.key"),
                    ] {
                        try FileManager.default.copyItem(atPath: from, toPath: place + "/" + name)
                    }
                    options.tls = RegistryOptions.TLS()
                    options.tls.folders = [folder + "/none", folder + "/certs.d"]
                    try await withRegistry(nginx.hosts[0], options) { _ = try await $0.checkLogin() }
                    options.credentials = .fixed(.password(username: "user", password: "wrong"))
                    let refused = try await failure {
                        try await withRegistry(nginx.hosts[0], options) { try await $0.checkLogin() }
                    }
                    #expect(refused.kind == .auth)
                    #expect(refused.description.contains("user name or password is wrong"), "\(refused.description)")
                }
            }
        }
    }

    @Test func `tokens that end within a throttled blob are renewed, and the blob arrives`() async throws {
        // The fourth request that gets through, which is for the blob, is the last one of the first token.
        let state = Mutex((passed: 0, newest: 0))
        let script = tokenRegistry(isValid: { token, _ in
            state.withLock { state in
                let number = Int(token.dropFirst()) ?? 0
                state.newest = max(state.newest, number)
                guard number > 1 || state.passed < 4 else { return false }
                state.passed += 1
                return true
            }
        }) { _ in ScriptedAnswer(200) }
        try await ScriptedRegistry.serve(script) { checker in
            try await DockerRegistry.run { docker in
                try await Nginx.run(Self.asking(checker, before: docker, "limit_rate 4m;")) { nginx in
                    try await withRegistry(docker.host) { try await roundTrip($0, size: 24 << 20) }
                    try await withRegistry(nginx.hosts[0]) { registry in
                        let repository = registry.repository(try RepositoryName("team/app"))
                        let found = try await repository.resolve(.tag(.latest))
                        for blob in try await repository.manifest(found).children {
                            try await repository.read(blob) { try await $0.verify() }
                        }
                    }
                    // It took two tokens, and the blob was asked for more than once.
                    #expect(checker.requests.contains { $0.path == "/check" && $0.header("Range") != nil })
                    #expect(state.withLock { $0.newest } == 2)
                }
            }
        }
    }

    @Test func `R18: an upload whose token ends on the way is not sent twice, since the token is looked at first`()
        async throws
    {
        let ends = Mutex<ContinuousClock.Instant?>(nil)
        let script = tokenRegistry(isValid: { token, request in
            ends.withLock { ends in
                // The first token ends 200 ms after an upload was let in with it.
                if request.header("X-Method") == "PUT", ends == nil { ends = .now.advanced(by: .milliseconds(200)) }
                return token != "t1" || ends.map { $0 > .now } ?? true
            }
        }) { _ in ScriptedAnswer(200) }
        try await ScriptedRegistry.serve(script) { checker in
            try await DockerRegistry.run { docker in
                try await Nginx.run(Self.asking(checker, before: docker)) { nginx in
                    let options = RegistryOptions.quick { $0.bytesPerSecond = 16 << 20 }
                    try await withRegistry(nginx.hosts[0], options) { registry in
                        let repository = registry.repository(try RepositoryName("team/app"))
                        let bytes = sample(12 << 20)
                        try await repository.write(Content(bytes, as: .layer(bytes), from: "test"))
                        let ended = try #require(ends.withLock { $0 })
                        #expect(ended < .now, "the token was still good when the upload ended")
                        let isThere = try await repository.contains(.layer(bytes))
                        #expect(isThere)
                    }
                    #expect(checker.requests.count { $0.header("X-Method") == "PUT" } == 1)
                    #expect(checker.requests.count { $0.path == "/token" } == 2)
                }
            }
        }
    }

    @Test func `a limit on the rate of requests slows down and fails nothing`() async throws {
        try await DockerRegistry.run { docker in
            try await Nginx.run(
                """
                limit_req_zone $binary_remote_addr zone=all:1m rate=10r/s;
                server {
                    listen $PORT0;
                    limit_req zone=all burst=1 nodelay;
                    limit_req_status 429;
                    location / { proxy_pass http://\(docker.host); \(Self.passedOn) }
                }
                """
            ) { nginx in
                let options = RegistryOptions.quick {
                    $0.retry = RetryPolicy(
                        attempts: 30, firstDelay: .milliseconds(20), maximumDelay: .milliseconds(500),
                        longestRetryAfter: .seconds(5))
                }
                try await withRegistry(docker.host) { try await roundTrip($0) }
                try await withRegistry(nginx.hosts[0], options) { registry in
                    let repository = registry.repository(try RepositoryName("team/app"))
                    try await forEach(0..<40, limit: 8) { _ in _ = try await repository.resolve(.tag(.latest)) }
                    // Some were refused, or there would have been no limit.
                    #expect(registry.requestCounts()[.head] ?? 0 > 40)
                }
            }
        }
    }

    @Test func `blobs come from a storage host that refuses whoever shows a login`() async throws {
        try await DockerRegistry.run(asksForLogin: true) { docker in
            try await Nginx.run(
                """
                server {
                    listen $PORT0;
                    location ~ ^/v2/.*/blobs/sha256: {
                        if ($http_authorization = "") { return 401; }
                        if ($request_method = GET) { return 307 http://$PORT1$request_uri; }
                        proxy_pass http://\(docker.host);
                        \(Self.passedOn)
                    }
                    location / { proxy_pass http://\(docker.host); \(Self.passedOn) }
                }
                server {
                    listen $PORT1;
                    if ($http_authorization != "") { return 403; }
                    location / {
                        proxy_pass http://\(docker.host);
                        proxy_set_header Authorization "Basic dXNlcjpodW50ZXIy";
                        proxy_set_header Host $http_host;
                    }
                }
                """, ports: 2
            ) { nginx in
                let options = RegistryOptions.quick {
                    $0.credentials = .fixed(
                        .password(username: DockerRegistry.login.username, password: DockerRegistry.login.password))
                }
                try await withRegistry(nginx.hosts[0], options) { try await roundTrip($0) }
            }
        }
    }
}
