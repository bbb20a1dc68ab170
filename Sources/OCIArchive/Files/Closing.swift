import NIOCore

/// Runs `body` and closes the file, whatever happens.
///
/// - Throws: what `body` threw, else what closing did.
public func closing<R>(
    _ file: any File, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
) async throws -> R {
    let result: R
    do {
        result = try await body()
    } catch {
        await afterFailure { try await file.close() }
        throw error
    }
    try await file.close()
    return result
}

/// Tidies up while an error is on its way: also when the task is cancelled, and without hiding that error.
func afterFailure(_ body: @escaping @Sendable () async throws -> Void) async {
    await Task {
        do {
            try await body()
        } catch {
            // The first error is the one to report; the next run sweeps up.
        }
    }.value
}

extension FileSystem {
    /// A small file, or the first `limit` bytes of a larger one.
    public func read(_ path: String, upTo limit: Int) async throws -> ByteBuffer {
        let file = try await open(path, .read)
        return try await closing(file) { try await file.read(at: 0, count: limit) }
    }
}
