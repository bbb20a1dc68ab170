/// Runs `body` for every element, at most `limit` at a time, started in order.
///
/// The first error cancels the others and is thrown once they have ended.
public func forEach<S: Sequence & Sendable>(
    _ elements: S, limit: Int, _ body: @escaping @Sendable (S.Element) async throws -> Void
) async throws where S.Element: Sendable {
    try await withThrowingTaskGroup(of: Void.self) { group in
        var running = 0
        for element in elements {
            if running >= max(1, limit) {
                try await group.next()
                running -= 1
            }
            group.addTask { try await body(element) }
            running += 1
        }
        try await group.waitForAll()
    }
}

/// The results of `transform` for every element, in the order of the elements, at most `limit` at a time.
public func map<S: Sequence & Sendable, R: Sendable>(
    _ elements: S, limit: Int, _ transform: @escaping @Sendable (S.Element) async throws -> R
) async throws -> [R] where S.Element: Sendable {
    try await withThrowingTaskGroup(of: (Int, R).self) { group in
        var results: [R?] = []
        var running = 0
        for (number, element) in elements.enumerated() {
            if running >= max(1, limit), let (done, result) = try await group.next() {
                results[done] = result
                running -= 1
            }
            results.append(nil)
            group.addTask { (number, try await transform(element)) }
            running += 1
        }
        for try await (done, result) in group { results[done] = result }
        return results.compactMap { $0 }
    }
}
