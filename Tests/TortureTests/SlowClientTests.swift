import Foundation
import Glibc
import NIOCore
import OCI
import TestSupport
import Testing

@testable import Lifeboat

/// Two hundred clients that ask `serve` and then read nothing (FAULTS.md, C8): memory stays bounded, others are served.
@Suite(.enabled(if: BuiltCommand.isBuilt, "the built command is needed"))
struct SlowClientTests {
    private static let clients = 200
    /// Bytes of the layer that each of them asks for: all of them together would be 4 GB.
    private static let layerSize = 20_000_000
    /// For the debug build: 40 MB by itself, and about a megabyte a client.
    private static let mostKilobytes = 256 << 10

    @Test func `two hundred clients that read nothing cost little, and others are still served`() async throws {
        let store = MemoryStore(name: "source")
        let image = try await SeededImages.push(
            to: try await store.target(RepositoryName("app")), seed: 1, layerSizes: [Self.layerSize, 4000],
            tags: [.latest])
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store, writable: false) { host in
                let made = try await BuiltCommand.run(["export", host, "--to", folder + "/a.tar"], state: folder)
                #expect(made.status == 0, "\(made.errors)")
            }
            let program = try RunningProgram(
                BuiltCommand.path, ["serve", folder + "/a.tar", "--listen", "127.0.0.1:0"],
                environment: BuiltCommand.surroundings.merging(["XDG_STATE_HOME": folder]) { $1 },
                errors: folder + "/errors")
            defer {
                program.signal(SIGKILL)
                program.endBlocking()
            }
            let address = try #require(await BuiltCommand.address(of: program, errors: folder + "/errors"))
            let large = "GET /v2/app/blobs/\(image.children[1].digest) HTTP/1.1\r\nHost: \(address)\r\n\r\n"
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<Self.clients {
                    group.addTask {
                        _ = try await SilentClient.bytes(
                            for: ByteBuffer(string: large), from: address, silent: .time(.seconds(600)))
                    }
                }
                for number in 0..<20 {
                    try await Task.sleep(for: .milliseconds(200))
                    let child = image.children[number.isMultiple(of: 2) ? 0 : 2]
                    let answer = try await RawHTTP.send("GET /v2/app/blobs/\(child.digest)", to: address)
                    #expect(Digest(of: answer.body) == child.digest)
                }
                let most = try Self.mostMemory(of: program)
                #expect(most < Self.mostKilobytes, "it took \(most) KB")
                group.cancelAll()
                program.signal(SIGKILL)
                while let ended = await group.nextResult() { _ = ended }
            }
        }
    }

    /// Kilobytes that a process has ever had in memory.
    private static func mostMemory(of program: RunningProgram) throws -> Int {
        let line = try Program.text(of: "/proc/\(program.identifier)/status").split(separator: "\n")
            .first { $0.hasPrefix("VmHWM:") }
        return try #require(line?.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }
}
