import OCI

/// The verified copy of one blob to every repository that needs it: asked for, mounted, or written.
struct BlobCopy: Sendable {
    let blob: Descriptor
    /// The images that need it; any of their sources has it.
    let items: [PlanItem]
    let target: any TargetStore
    let retry: RetryPolicy
    let surroundings: Surroundings
    let observe: RunObserver
    /// Called before each new try.
    let retried: @Sendable () async -> Void

    struct Result: Sendable {
        /// Bytes read from a source.
        var moved: Int64 = 0
        /// Whether some repository was believed to hold the blob, without our reading it.
        var isTrusted = false
    }

    /// - Parameter first: the blob itself, where the source can give it only once.
    func run(first: Content?) async throws -> Result {
        var result = Result()
        var once = first
        var holder: RepositoryName?
        var seen: Set<RepositoryName> = []
        for item in items where seen.insert(item.targetRepository).inserted {
            let repository = try await target.target(item.targetRepository)
            if try await repository.contains(blob) {
                // An archive says so only of what it has hashed itself.
                result.isTrusted = !(target is any PlannedTarget)
            } else if let holder, let mounting = repository as? any BlobMounting,
                try await mounting.mount(blob, from: holder)
            {
                result.isTrusted = true
            } else if let content = once {
                once = nil
                try await repository.write(content.observed { [observe] in observe(.moved(bytes: $0)) })
                result.moved += blob.size
            } else {
                try await write(to: repository, from: item, firstIsSpent: first != nil ? holder : nil)
                result.moved += blob.size
            }
            holder = holder ?? item.targetRepository
        }
        // What this run has sent to one repository it need not trust another one for.
        if result.moved > 0 { result.isTrusted = false } else { observe(.saved(bytes: blob.size)) }
        return result
    }

    /// Reads the source and writes the target, as often as it is worth it.
    ///
    /// - Parameter firstIsSpent: the repository of the target that has the blob by now, if the source cannot give it
    ///   again.
    private func write(to repository: any ImageTarget, from item: PlanItem, firstIsSpent: RepositoryName?) async throws
    {
        let source: any ImageSource
        if let held = firstIsSpent, let store = target as? any SourceStore {
            source = try await store.source(held)
        } else {
            source = try await item.store.source(item.source.repository)
        }
        var attempt = 1
        while true {
            do {
                return try await source.read(blob) { [observe] content in
                    try await repository.write(content.observed { observe(.moved(bytes: $0)) })
                }
            } catch let error as any Failure where isWorthAnotherTry(error, attempt) {
                observe(.note("\(error.description); trying again"))
                await retried()
                try await surroundings.sleep(for: retry.delay(after: attempt, random: surroundings.random()))
                attempt += 1
            }
        }
    }

    /// Damaged bytes are read once more, in case they were damaged on the way; what passes may be tried often.
    private func isWorthAnotherTry(_ error: any Failure, _ attempt: Int) -> Bool {
        switch error.kind {
        case .damaged: attempt < 2
        case .unavailable: attempt < retry.attempts
        default: false
        }
    }
}
