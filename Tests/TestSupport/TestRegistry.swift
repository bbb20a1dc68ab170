import OCI
import OCIServer

/// A registry that lives as long as a test's closure runs: the server that is shipped, over memory or another store.
public enum TestRegistry {
    /// - Parameters:
    ///   - onFault: is told what is wrong with the store.
    ///   - body: is given the address, such as `127.0.0.1:40123`.
    public static func run<R: Sendable>(
        over store: any SourceStore = MemoryStore(), writable: Bool = true,
        security: ServerSecurity = ServerSecurity(), patience: Duration = .seconds(300),
        figures: ServerFigures = ServerFigures(), onFault: @escaping @Sendable (String) -> Void = { _ in },
        _ body: @escaping @Sendable (String) async throws -> R
    ) async throws -> R {
        try await withRegistryServer(
            store: store, writable: writable, security: security, patience: patience, surroundings: .ofThisMachine,
            figures: figures, onFault: onFault, body)
    }
}
