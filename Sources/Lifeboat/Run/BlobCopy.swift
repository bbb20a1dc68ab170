import OCI

/// The verified copy of one blob to every repository that needs it: asked for, mounted, or written.
///
/// It is read once for all targets that lack it, as far as they take it.
struct BlobCopy: Sendable {
    /// One target, and the images there that need the blob; any of their sources has it.
    struct Delivery: Sendable {
        let target: any TargetStore
        let items: [PlanItem]
    }

    struct Result: Sendable {
        /// Bytes read from a source.
        var moved: Int64 = 0
        /// Whether some repository was believed to hold the blob, without our reading it.
        var isTrusted = false
    }

    let blob: Descriptor
    let deliveries: [Delivery]
    let retry: RetryPolicy
    let surroundings: Surroundings
    let observe: RunObserver
    /// Whether the plan counts the bytes, so that they are saved if they need not be moved.
    var isPlanned = true
    /// Called before each new try.
    let retried: @Sendable () async -> Void
    /// Whether a target is believed that says it holds the blob; else it is sent in any case.
    var isTargetTrusted = true

    /// - Parameter first: the blob itself, where the source can give it only once.
    /// - Returns: what became of each delivery.
    func run(first: Content?) async -> [Swift.Result<Result, any Error>] {
        var routes = deliveries.map { BlobRoute($0, of: blob, isTrusted: isTargetTrusted) }
        var once = first
        // Each round finds the next repository of every target that lacks the blob, and reads it once for all of them.
        while true {
            await advance(&routes)
            let waiting = routes.indices.filter { routes[$0].repository != nil }
            if waiting.isEmpty { break }
            if waiting.count == 1 {
                await deliver(to: &routes[waiting[0]], once: once, isSpent: first != nil)
            } else {
                await deliver(to: &routes, waiting, once: once, isSpent: first != nil)
            }
            once = nil
        }
        if isPlanned, routes.allSatisfy({ $0.result.moved == 0 }) { observe(.saved(bytes: blob.size)) }
        return routes.map { route in route.error.map { .failure($0) } ?? .success(route.result) }
    }

    private func advance(_ routes: inout [BlobRoute]) async {
        guard routes.count > 1 else { return await routes[0].advance(blob) }
        routes = await withTaskGroup(of: (Int, BlobRoute).self) { group in
            for (number, route) in routes.enumerated() {
                group.addTask {
                    var route = route
                    await route.advance(blob)
                    return (number, route)
                }
            }
            var result = routes
            for await (number, route) in group { result[number] = route }
            return result
        }
    }

    // MARK: One target

    private func deliver(to route: inout BlobRoute, once: Content?, isSpent: Bool, attempt: Int = 1) async {
        guard let repository = route.repository else { return }
        do {
            var read = blob.size
            if let once {
                try await repository.write(observed(once))
            } else {
                read = try await write(to: repository, of: route, isSpent: isSpent, attempt: attempt)
            }
            route.arrived(read: read)
        } catch {
            route.error = error
        }
    }

    /// Reads the source and writes the target, as often as it is worth it.
    ///
    /// - Returns: bytes that were read; what the target had of the blob is not read again.
    private func write(
        to repository: any ImageTarget, of route: BlobRoute, isSpent: Bool, attempt: Int
    ) async throws -> Int64 {
        let source = try await source(for: route, isSpent: isSpent)
        var attempt = attempt
        while true {
            do {
                let begun = try await (repository as? any ResumableTarget)?.begun(blob)
                try await source.read(blob, after: begun) { content in
                    try await repository.write(observed(content))
                }
                return blob.size - (begun?.count ?? 0)
            } catch let error as any Failure where isWorthAnotherTry(error, attempt) {
                try await wait(after: error, attempt)
                attempt += 1
            }
        }
    }

    /// - Parameter isSpent: whether the source cannot give the blob again, so that the target has to.
    private func source(for route: BlobRoute, isSpent: Bool) async throws -> any ImageSource {
        if isSpent, let held = route.holder, let store = route.target as? any SourceStore {
            return try await store.source(held)
        }
        let item = route.rest[route.rest.startIndex]
        return try await item.store.source(item.source.repository)
    }

    // MARK: Several targets

    /// Reads once for all; whoever fails is tried again alone.
    private func deliver(to routes: inout [BlobRoute], _ waiting: [Int], once: Content?, isSpent: Bool) async {
        let writers = waiting.compactMap { routes[$0].repository }.map { repository in
            { @Sendable (content: Content) in try await repository.write(content) }
        }
        let results: [Swift.Result<Void, any Error>]
        do {
            results =
                if let once {
                    try await observed(once).split(among: writers)
                } else {
                    try await read(for: routes[waiting[0]], isSpent: isSpent, writers)
                }
        } catch {
            for number in waiting { routes[number].error = error }
            return
        }
        var read = blob.size
        for (number, result) in zip(waiting, results) {
            switch result {
            case .success:
                routes[number].arrived(read: read)
                read = 0
            case .failure(let error):
                guard once == nil, let failure = error as? any Failure, isWorthAnotherTry(failure, 1) else {
                    routes[number].error = error
                    continue
                }
                do {
                    try await wait(after: failure, 1)
                    await deliver(to: &routes[number], once: nil, isSpent: isSpent, attempt: 2)
                } catch {
                    routes[number].error = error
                }
            }
        }
    }

    /// Tries again together as long as it is the source that fails.
    private func read(
        for route: BlobRoute, isSpent: Bool, _ writers: [@Sendable (Content) async throws -> Void]
    ) async throws -> [Swift.Result<Void, any Error>] {
        let source = try await source(for: route, isSpent: isSpent)
        var attempt = 1
        while true {
            do {
                return try await source.read(blob) { content in try await observed(content).split(among: writers) }
            } catch let error as any Failure where isWorthAnotherTry(error, attempt) {
                try await wait(after: error, attempt)
                attempt += 1
            }
        }
    }

    // MARK: Tries

    private func observed(_ content: Content) -> Content {
        content.observed { [observe] in observe(.moved(bytes: $0)) }
    }

    private func wait(after error: any Failure, _ attempt: Int) async throws {
        observe(.note("\(error.description); trying again"))
        await retried()
        try await surroundings.sleep(for: retry.delay(after: attempt, random: surroundings.random()))
    }

    /// Damaged bytes are read once more, in case they were damaged on the way; what passes may be tried often.
    private func isWorthAnotherTry(_ error: any Failure, _ attempt: Int) -> Bool {
        switch error.kind {
        case .damaged: attempt < 2
        case .unavailable: attempt < retry.attempts && !error.isLasting
        default: false
        }
    }
}
