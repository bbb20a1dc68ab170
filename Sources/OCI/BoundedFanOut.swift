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
    var results: [R] = []
    results.reserveCapacity(elements.underestimatedCount)
    try await forEachResult(of: elements, limit: limit, transform) { results.append($0) }
    return results
}

/// Gives the results of `transform` to `take`, in the order of the elements, at most `limit` at a time.
///
/// Only what is done before its turn is kept meanwhile.
public func forEachResult<S: Sequence & Sendable, R: Sendable>(
    of elements: S, limit: Int, _ transform: @escaping @Sendable (S.Element) async throws -> R,
    take: (R) throws -> Void
) async throws where S.Element: Sendable {
    try await withThrowingTaskGroup(of: (Int, R).self) { group in
        var early: [Int: R] = [:]
        var next = 0
        func put(_ number: Int, _ result: R) throws {
            guard number == next else {
                early[number] = result
                return
            }
            try take(result)
            next += 1
            while let result = early.removeValue(forKey: next) {
                try take(result)
                next += 1
            }
        }
        var running = 0
        for (number, element) in elements.enumerated() {
            if running >= max(1, limit), let (done, result) = try await group.next() {
                try put(done, result)
                running -= 1
            }
            group.addTask { (number, try await transform(element)) }
            running += 1
        }
        for try await (done, result) in group { try put(done, result) }
    }
}
