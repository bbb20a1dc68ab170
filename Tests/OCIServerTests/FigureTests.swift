import Foundation
import NIOCore
import OCI
import OCIArchive
import OCIServer
import Synchronization
import TestSupport
import Testing

/// What a server counts of what it is asked for.
struct FigureTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    @Test func `what is asked for and not there is told once and counted each time`() async throws {
        let store = MemoryStore()
        let image = try await SeededImages.push(
            to: store.target(RepositoryName("team/app")), seed: 1, layerSizes: [200_000], tags: [Tag("1")])
        let lines = Lines()
        let figures = ServerFigures(onMissing: lines.add)
        let absent = Digest(of: [1, 2, 3])
        try await TestRegistry.run(over: store, writable: false, figures: figures) { address in
            for line in [
                "HEAD /v2/team/app/manifests/2?ns=a.example.com", "GET /v2/team/app/manifests/2?ns=a.example.com",
                "GET /v2/team/tool/manifests/1", "GET /v2/team/app/blobs/\(absent)",
                // A client that pushes looks before it sends, and a listing is no image.
                "HEAD /v2/team/app/blobs/\(absent)", "GET /v2/nobody/tags/list", "GET /v2/x",
            ] {
                let answer = try await RawHTTP.send(line, to: address)
                #expect(answer.status == 404, "\(line)")
            }
            let layer = image.children[1]
            let manifest = try await RawHTTP.send("GET /v2/team/app/manifests/1", to: address)
            #expect(manifest.status == 200)
            let whole = try await RawHTTP.send("GET /v2/team/app/blobs/\(layer.digest)", to: address)
            #expect(whole.body.readableBytes == 200_000)
            let part = try await RawHTTP.send(
                "GET /v2/team/app/blobs/\(layer.digest)", to: address, ["Range": "bytes=0-99"])
            #expect(part.body.readableBytes == 100)
            let health = try await RawHTTP.send("GET /healthz", to: address)
            let json = try JSONValue(parsing: health.body, in: "the answer")
            #expect(json["notInBackup"]?.integerValue == 4)
            #expect(json["manifests"]?.integerValue == 1)
            #expect(json["blobs"]?.integerValue == 1)
            #expect(json["bytes"]?.integerValue == Int64(image.bytes.readableBytes + 200_100))
            #expect(json["requests"]?.integerValue == 11)
            #expect(health.headers["cache-control"] == "no-store")
            let refused = try await RawHTTP.send("POST /healthz", to: address)
            #expect(refused.status == 405)
        }
        #expect(
            lines.all == [
                "a.example.com/team/app:2", "team/tool:1", "team/app@\(absent)",
            ])
        #expect(figures.missing.first == ServerFigures.Missing(name: "a.example.com/team/app:2", times: 2))
        #expect(figures.missing.count == 3)
    }

    @Test func `names of what is missing are as safe to show as any`() async throws {
        let lines = Lines()
        let figures = ServerFigures(onMissing: lines.add)
        try await TestRegistry.run(figures: figures) { address in
            let answer = try await RawHTTP.send("GET /v2/app/manifests/1?ns=a%0Ab%1b%5B31m", to: address)
            #expect(answer.status == 404)
        }
        #expect(lines.all == [#"a\u{a}b\u{1b}[31m/app:1"#])
    }

    @Test func `a blob that was promised and is lost is a fault of the store`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let image = try await SeededImages.push(
                to: layout.target(RepositoryName("app")), seed: 1, layerSizes: [1000, 900_000], tags: [.latest])
            let lost = image.children[2].digest
            try FileManager.default.removeItem(atPath: folder + "/blobs/sha256/" + lost.hex)
            let faults = Lines()
            try await TestRegistry.run(over: layout, writable: false, onFault: faults.add) { address in
                let before = try await RawHTTP.send("GET /v2/app/blobs/\(lost)", to: address)
                #expect(before.status == 404)
                #expect(faults.all.isEmpty)
                for _ in 0..<2 {
                    let manifest = try await RawHTTP.send("GET /v2/app/manifests/latest", to: address)
                    #expect(manifest.status == 200)
                    let blob = try await RawHTTP.send("GET /v2/app/blobs/\(lost)", to: address)
                    #expect(blob.status == 500)
                }
            }
            #expect(
                faults.all == [
                    "blob \(lost) is missing from \(folder) (app), whose image \(image.descriptor.digest) needs it"
                ])
        }
    }

    @Test func `a blob that was promised and is lost can be pushed again`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let repository = try await layout.target(RepositoryName("app"))
            let image = try await SeededImages.push(to: repository, seed: 1, layerSizes: [1000], tags: [.latest])
            let lost = image.children[1].digest
            let file = folder + "/blobs/sha256/" + lost.hex
            let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            try FileManager.default.removeItem(atPath: file)
            try await TestRegistry.run(over: layout, writable: true) { address in
                _ = try await RawHTTP.send("GET /v2/app/manifests/latest", to: address)
                #expect(try await RawHTTP.send("HEAD /v2/app/blobs/\(lost)", to: address).status == 404)
                let begun = try await RawHTTP.send("POST /v2/app/blobs/uploads/", to: address)
                let place = try #require(begun.headers["location"])
                let put = try await RawHTTP.send(
                    "PUT \(place)?digest=\(lost)", to: address, body: ByteBuffer(bytes: bytes))
                #expect(put.status == 201)
                #expect(try await RawHTTP.send("GET /v2/app/blobs/\(lost)", to: address).status == 200)
            }
        }
    }
}
