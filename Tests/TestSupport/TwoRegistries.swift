import OCI

/// A registry to leave, an empty one to go to, and a folder for what is between them.
public struct TwoRegistries: Sendable {
    public let old: MemoryStore
    public let new: MemoryStore
    /// Where they answer.
    public let from: String
    public let to: String
    public let folder: String

    /// Lends them, and leaves nothing of them.
    public static func run(
        over old: MemoryStore, _ body: @escaping @Sendable (TwoRegistries) async throws -> Void
    ) async throws {
        let new = MemoryStore(name: "new")
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    try await body(TwoRegistries(old: old, new: new, from: from, to: to, folder: folder))
                }
            }
        }
    }
}
