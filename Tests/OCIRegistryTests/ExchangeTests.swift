import NIOCore
import NIOHTTP1
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIRegistry

struct ExchangeTests {
    /// Does not keep what it knows.
    private final class Known: Sendable {
        private struct State {
            weak var exchange: Exchange?
        }

        private let state = Mutex(State())

        func know(_ exchange: Exchange) { state.withLock { $0.exchange = exchange } }

        var isThere: Bool { state.withLock { $0.exchange != nil } }
    }

    @Test(arguments: [true, false]) func `nothing is left of an upload that has ended`(isSent: Bool) async throws {
        try await TestRegistry.run(over: MemoryStore()) { host in
            try await withRegistry(host) { registry in
                let known = Known()
                let address = registry.repository(try RepositoryName("team/app")).address("blobs/uploads/")
                let call = Transport.Call(
                    kind: .write, method: .POST, address: address, headers: [:], body: .stream(3))
                try await registry.transport.exchange(call) { exchange in
                    known.know(exchange)
                    guard isSent else { return }
                    _ = try await exchange.send(ByteBuffer(string: "abc"))
                    exchange.finish()
                    let head = try await exchange.head()
                    #expect(head.status.code < 500)
                    while try await exchange.chunk() != nil {}
                }
                // What the HTTP library still does after the answer is done in a moment.
                let patience = ContinuousClock.now + .seconds(30)
                while known.isThere, ContinuousClock.now < patience { try await Task.sleep(for: .milliseconds(5)) }
                #expect(!known.isThere)
            }
        }
    }
}
