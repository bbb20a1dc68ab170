import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

/// The verbs for an outage, as the built command.
@Suite struct OutageCommandTests {
    private func archive(in folder: String) async throws -> String {
        try await TestRegistry.run(over: try await seededStore()) { host in
            let export = try await Lifeboat.run("export", host + "/team/**", "--to", folder + "/backup.tar")
            #expect(export.status == 0, "\(export.errors)")
        }
        return folder + "/backup.tar"
    }

    @Test(.enabled(if: Program.exists("curl"), "needs curl"))
    func `serve init makes what serve and its clients need, with keys for their owner only`() async throws {
        try await withTemporaryFolder { folder in
            let tls = folder + "/tls"
            let made = try await Lifeboat.run("serve", "init", tls, "--host", "127.0.0.1", "--host", "backup.test")
            #expect(made.status == 0, "\(made.errors)")
            let files = FileManager.default
            #expect(
                try files.contentsOfDirectory(atPath: tls).sorted() == ["ca.crt", "ca.key", "server.crt", "server.key"])
            for key in ["ca.key", "server.key"] {
                let mode = try files.attributesOfItem(atPath: tls + "/" + key)[.posixPermissions] as? Int
                #expect(mode == 0o600)
            }
            try Program.write(
                "user:$2y$04$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS\n", to: folder + "/htpasswd")
            let served = try await ServedArchive.start(
                try await archive(in: folder), "--tls", tls, "--htpasswd", folder + "/htpasswd")
            func curl(_ arguments: String...) async throws -> String {
                try await Program.run(
                    "curl",
                    ["--silent", "--cacert", tls + "/ca.crt", "--output", "/dev/null", "--write-out", "%{http_code}"]
                        + arguments.dropLast() + ["https://\(served.host)\(arguments.last ?? "")"]
                ).output
            }
            #expect(try await curl("/v2/") == "401")
            #expect(try await curl("/healthz") == "200")
            #expect(try await curl("--user", "user:hunter2", "/v2/team/app0/manifests/latest") == "200")
            #expect(try await curl("--user", "user:hunter3", "/v2/team/app0/manifests/latest") == "401")
            #expect(try await curl("--cacert", "/etc/ssl/certs/ca-certificates.crt", "/v2/") == "000")
            _ = await served.stop()
            // A second run keeps the authority that nodes know.
            let authority = try bytes(of: tls + "/ca.crt")
            let again = try await Lifeboat.run("serve", "init", tls, "--host", "127.0.0.1")
            #expect(again.status == 0 && again.output.hasPrefix("kept the authority"))
            #expect(try bytes(of: tls + "/ca.crt") == authority)
        }
    }

    @Test func `what is pushed during the outage goes into the overlay, and home by import`() async throws {
        try await withTemporaryFolder { folder in
            let backup = try await archive(in: folder)
            let before = try bytes(of: backup)
            let served = try await ServedArchive.start(backup, "--overlay", folder + "/hotfix/")
            let push = try await Lifeboat.run(
                "copy", served.host + "/team/app0:latest", served.host + "/team/app0:hotfix")
            #expect(push.status == 0, "\(push.errors)")
            let moved = try await Lifeboat.run("copy", served.host + "/team/app1:latest", served.host + "/new/app:1")
            #expect(moved.status == 0, "\(moved.errors)")
            _ = await served.stop()
            #expect(try bytes(of: backup) == before)
            let verify = try await Lifeboat.run("verify", folder + "/hotfix/")
            #expect(verify.status == 0, "\(verify.output)\(verify.errors)")
            let home = MemoryStore(name: "home")
            try await TestRegistry.run(over: home) { host in
                let back = try await Lifeboat.run("import", folder + "/hotfix/", "--to", host)
                #expect(back.status == 0, "\(back.output)\(back.errors)")
            }
            #expect(await home.repositories().map(\.description) == ["new/app", "team/app0"])
        }
    }

    @Test func `pushes over a backup of two registries are kept apart, and come home one registry at a time`()
        async throws
    {
        try await withTemporaryFolder { folder in
            let set = folder + "/set"
            #expect(try await Lifeboat.run("backups", "init", set).status == 0)
            let app = try RepositoryName("app")
            let (one, two) = (MemoryStore(name: "one"), MemoryStore(name: "two"))
            let ofOne = try await SeededImages.push(to: one.target(app), seed: 1, tags: [Tag("1")])
            let ofTwo = try await SeededImages.push(to: two.target(app), seed: 2, tags: [Tag("1")])
            let (first, second) = try await TestRegistry.run(over: one) { first in
                try await TestRegistry.run(over: two) { second in
                    let export = try await Lifeboat.run("export", first, second, "--to", set)
                    #expect(export.status == 0, "\(export.output)\(export.errors)")
                    return (first, second)
                }
            }
            let served = try await ServedArchive.start(set, "--overlay", folder + "/home/")
            func path(_ registry: String) -> String { registry.replacingOccurrences(of: ":", with: "_") + "/app" }
            func push(_ from: String, _ to: String) async throws {
                let copied = try await Lifeboat.run(
                    "copy", "\(served.host)/\(from)", "\(served.host)/\(to)", "--overwrite", "always")
                #expect(copied.status == 0, "\(from) to \(to): \(copied.output)\(copied.errors)")
            }
            func found(_ path: String) async throws -> String? {
                let answer = try await RawHTTP.send("GET /v2/\(path)", to: served.host)
                return answer.status == 404 ? nil : answer.status == 200 ? Digest(of: answer.body).description : "?"
            }
            let (imageOne, imageTwo) = (ofOne.descriptor.digest.description, ofTwo.descriptor.digest.description)
            try await push(path(first) + ":1", path(first) + ":hot")
            #expect(try await found("app/manifests/hot?ns=\(first)") == imageOne)
            #expect(try await found("\(path(first))/manifests/hot") == imageOne)
            #expect(try await found("app/manifests/hot?ns=\(second)") == nil)
            #expect(try await found("app/manifests/hot") == imageOne)
            try await push(path(second) + ":1", path(second) + ":hot")
            #expect(try await found("app/manifests/hot?ns=\(first)") == imageOne)
            #expect(try await found("app/manifests/hot?ns=\(second)") == imageTwo)
            #expect(try await found("app/manifests/hot") == nil)
            // What says no registry takes no registry's place.
            try await push(path(first) + ":1", "app:1")
            try await push(path(first) + ":1", "app:plain")
            #expect(try await found("app/manifests/1?ns=\(second)") == imageTwo)
            #expect(try await found("app/manifests/1") == imageOne)
            #expect(try await found("app/manifests/plain?ns=\(first)") == nil)
            // containerd and its like say the registry beside the name.
            let put = try await RawHTTP.send(
                "PUT /v2/app/manifests/1?ns=\(first)", to: served.host,
                ["Content-Type": ofTwo.descriptor.mediaType.rawValue], body: ofTwo.bytes)
            #expect(put.status == 201, "\(put.text)")
            #expect(try await found("app/manifests/1?ns=\(first)") == imageTwo)
            #expect(try await found("app/manifests/1") == imageOne)
            _ = await served.stop()
            let home = MemoryStore(name: "home")
            try await TestRegistry.run(over: home) { host in
                func bring(_ arguments: String...) async throws -> Program.Result {
                    try await Lifeboat.run(["import", folder + "/home/", "--to", host] + arguments)
                }
                let all = try await bring()
                #expect(all.status == 78 && all.output.contains("--registry none"), "\(all.output)\(all.errors)")
                let ones = try await bring("--registry", first)
                #expect(ones.status == 0 && ones.output.contains("2 images moved"), "\(ones.output)\(ones.errors)")
                let none = try await bring("--registry", "none", "--image", "app:plain")
                #expect(none.status == 0 && none.output.contains("1 image moved"), "\(none.output)\(none.errors)")
            }
            #expect(try await home.source(app).tags().map(\.description) == ["1", "hot", "plain"])
        }
    }

    @Test func `a set that goes away under its server is a fault of the server, until it is back`() async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            let set = folder + "/set"
            try await TestRegistry.run(over: store) { host in
                #expect(try await Lifeboat.run("backups", "init", set).status == 0)
                let export = try await Lifeboat.run("export", host, "--to", set)
                #expect(export.status == 0, "\(export.errors)")
            }
            let source = try await store.source(RepositoryName("team/app0"))
            let image = try await source.manifest(source.resolve(.tag(.latest)))
            let layer = try #require(image.children.last).digest
            let served = try await ServedArchive.start(set)
            func statuses() async throws -> [Int] {
                var found: [Int] = []
                for path in [
                    "/v2/team/app0/manifests/latest", "/v2/team/app0/blobs/\(layer)", "/v2/team/none/manifests/latest",
                    "/healthz",
                ] { found.append(try await RawHTTP.send("GET \(path)", to: served.host).status) }
                return found
            }
            func rename(_ from: String, _ to: String) throws {
                try FileManager.default.moveItem(atPath: from, toPath: to)
            }
            #expect(try await statuses() == [200, 200, 404, 200])
            try rename(set, set + "-away")
            #expect(try await statuses() == [500, 500, 404, 503])
            let health = try await RawHTTP.send("GET /healthz", to: served.host)
            #expect(health.text.contains(#""status":"unhealthy""#), "\(health.text)")
            #expect(health.text.contains("is not there any more"), "\(health.text)")
            try rename(set + "-away", set)
            #expect(try await statuses() == [200, 200, 404, 200])
            let file = set + "/blobs/sha256/" + layer.hex
            try rename(file, folder + "/blob")
            #expect(try await statuses() == [200, 500, 404, 503])
            let lost = try await RawHTTP.send("GET /healthz", to: served.host)
            #expect(lost.text.contains("blob \(layer) is missing from"), "\(lost.text)")
            try rename(folder + "/blob", file)
            #expect(try await statuses() == [200, 200, 404, 200])
            _ = await served.stop()
        }
    }

    @Test func `an empty folder that is there is served writable without a slash behind its name`() async throws {
        try await withTemporaryFolder { folder in
            let served = try await ServedArchive.start(folder, "--writable")
            try await TestRegistry.run(over: try await seededStore(images: 1)) { host in
                let moved = try await Lifeboat.run("import", host, "--to", served.host)
                #expect(moved.status == 0, "\(moved.output)\(moved.errors)")
            }
            _ = await served.stop()
            #expect(exists(folder + "/oci-layout"))
        }
    }

    @Test func `a read-only server takes nothing, and says at its end what was not there`() async throws {
        try await withTemporaryFolder { folder in
            let backup = try await archive(in: folder)
            let served = try await ServedArchive.start(backup)
            let push = try await RawHTTP.send("POST /v2/team/app0/blobs/uploads/", to: served.host)
            #expect(push.status == 405)
            let missing = try await RawHTTP.send("HEAD /v2/team/app0/manifests/9", to: served.host)
            #expect(missing.status == 404)
            let health = try await RawHTTP.send("GET /healthz", to: served.host)
            let json = try JSONValue(parsing: health.body, in: "the answer")
            #expect(json["status"]?.stringValue == "ok")
            #expect(json["notInBackup"]?.integerValue == 1)
            #expect(json["serving"]?["images"]?.integerValue == 10)
            #expect(await served.stop() == 128 + 15)
            let words = served.said()
            #expect(words.contains("not in the backup: team/app0:9"))
            #expect(words.contains("asked for and not in the backup:\n  team/app0:9\n"))
        }
    }

    @Test func `wrong words for serve are refused before anything listens`() async throws {
        try await withTemporaryFolder { folder in
            let backup = try await archive(in: folder)
            for (arguments, code) in [
                (["--tls-cert", "x"], Int32(64)), (["--tls-cert", "x", "--tls-key", "y"], 74),
                (["--htpasswd", folder + "/none"], 74), (["--at", "2026-11-20T00:00:00Z"], 64),
                (["--writable"], 64), (["--writable", "--overlay", folder + "/o/"], 64), (["--listen", "x"], 64),
            ] {
                let result = try await Program.run(Lifeboat.binary, ["serve", backup] + arguments)
                #expect(result.status == code, "\(arguments): \(result.errors)")
            }
            #expect(try await Lifeboat.run("serve", "init", folder + "/tls", "--host", "a b").status == 64)
            // Pushes never go into backups.
            #expect(try await Lifeboat.run("backups", "init", folder + "/set").status == 0)
            let overlaid = try await Program.run(
                Lifeboat.binary, ["serve", backup, "--listen", "127.0.0.1:0", "--overlay", folder + "/set/"])
            #expect(overlaid.status == 64, "\(overlaid.errors)")
            #expect(!exists(folder + "/tls/ca.key"))
        }
    }

    @Test func `probe answers with a line, with JSON, with metrics and with a code`() async throws {
        try await TestRegistry.run(over: try await seededStore()) { host in
            try await withTemporaryFolder { folder in
                let well = try await Lifeboat.run("probe", host + "/team/app0:latest", host)
                #expect(well.status == 0, "\(well.errors)")
                #expect(well.output.contains("\(host)/team/app0:latest is well: answer "))
                let ill = try await Lifeboat.run(
                    "probe", host + "/team/app0:9", host, "--json", "--metrics-file", folder + "/probe.prom")
                #expect(ill.status == 66)
                let json = try JSONValue(parsing: ByteBuffer(string: ill.output), in: "the answer")
                let results = try json.array("the answer")
                #expect(results.map { $0["ok"] } == [.bool(false), .bool(true)])
                #expect(results[0]["failedAt"]?.stringValue == "resolve")
                let metrics = try Program.text(of: folder + "/probe.prom")
                #expect(metrics.contains("lifeboat_probe_success{place=\"\(host)/team/app0:9\"} 0\n"))
                #expect(metrics.contains("lifeboat_probe_success{place=\"\(host)\"} 1\n"))
            }
        }
    }

    @Test func `mirrors prints one file as it is, and writes several under a folder`() async throws {
        try await withTemporaryFolder { folder in
            let one = try await Lifeboat.run(
                "mirrors", "--for", "k3s", "--server", "https://backup.test:5000", "--registry", "registry.test")
            #expect(one.status == 0)
            #expect(one.output.contains("\nmirrors:\n  \"registry.test\":\n"))
            #expect(one.errors.contains("this is /etc/rancher/k3s/registries.yaml"))
            let two = try await Lifeboat.run(
                "mirrors", "--for", "containerd", "--server", "backup.test", "--registry", "a.test", "--registry",
                "b.test:5000", "--out", folder + "/node")
            #expect(two.status == 0)
            for name in ["a.test", "b.test:5000"] {
                #expect(exists(folder + "/node/etc/containerd/certs.d/\(name)/hosts.toml"))
            }
            #expect(try await Lifeboat.run("mirrors", "--for", "crio", "--server", "x").status == 64)
            #expect(try await Lifeboat.run("mirrors", "--for", "podman", "--server", "x").status == 64)
        }
    }

    @Test func `drill says what it has shown, keeps it, and misses an objective with a code`() async throws {
        try await withTemporaryFolder { folder in
            let backup = try await archive(in: folder)
            let passed = try await Lifeboat.run(
                "drill", backup, "--rto", "1h", "--json", "--report", folder + "/drill.json", "--work", folder + "/work"
            )
            #expect(passed.status == 0, "\(passed.output)\(passed.errors)")
            let json = try JSONValue(parsing: ByteBuffer(string: passed.output), in: "the answer")
            #expect(json["passed"] == .bool(true))
            #expect(json["images"]?.integerValue == json["imagesInAll"]?.integerValue)
            #expect(json["rto"]?["reached"] == .bool(true))
            #expect(try Program.text(of: folder + "/drill.json") == passed.output)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/work").isEmpty)
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -7200)], ofItemAtPath: backup)
            let old = try await Lifeboat.run(
                "drill", backup, "--sample", "1", "--rpo", "1h", "--work", folder + "/work")
            #expect(old.status == 78)
            #expect(old.output.contains("MISSES the objective of 1 h 0 min"))
        }
    }
}
