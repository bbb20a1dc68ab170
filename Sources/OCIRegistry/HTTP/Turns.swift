/// Lets those who change the same thing do it one after the other.
actor Turns {
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    nonisolated func take<R: Sendable>(_ key: String, _ body: () async throws -> R) async throws -> R {
        await enter(key)
        do {
            let result = try await body()
            await leave(key)
            return result
        } catch {
            await leave(key)
            throw error
        }
    }

    private func enter(_ key: String) async {
        guard waiting[key] != nil else {
            waiting[key] = []
            return
        }
        await withCheckedContinuation { waiting[key]?.append($0) }
    }

    private func leave(_ key: String) {
        guard var line = waiting[key], !line.isEmpty else {
            waiting[key] = nil
            return
        }
        let next = line.removeFirst()
        waiting[key] = line
        next.resume()
    }
}
