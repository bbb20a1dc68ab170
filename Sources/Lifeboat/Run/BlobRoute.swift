import OCI

/// The way of one blob through the repositories of one target.
struct BlobRoute: Sendable {
    let target: any TargetStore
    /// An image of each repository that has not been seen to, the current one first.
    private(set) var rest: ArraySlice<PlanItem>
    /// The current one, if it lacks the blob and it cannot be mounted.
    private(set) var repository: (any ImageTarget)?
    /// The first repository of the target that has the blob.
    private(set) var holder: RepositoryName?
    private(set) var result = BlobCopy.Result()
    /// Whether the bytes went to some repository of the target in this run.
    private var isSent = false
    /// Ends the way.
    var error: (any Error)? {
        didSet { if error != nil { repository = nil } }
    }

    /// Whether the target is believed that says it holds the blob.
    private let isTrusted: Bool

    init(_ delivery: BlobCopy.Delivery, of blob: Descriptor, isTrusted: Bool = true) {
        self.isTrusted = isTrusted
        target = delivery.target
        holder = delivery.items.lazy.compactMap { $0.holders[blob.digest] }.first
        var seen: Set<RepositoryName> = []
        rest = delivery.items.filter { seen.insert($0.targetRepository).inserted }[...]
    }

    /// Goes on to the next repository that needs the bytes.
    mutating func advance(_ blob: Descriptor) async {
        guard error == nil, repository == nil else { return }
        do {
            while let item = rest.first {
                let repository = try await target.target(item.targetRepository)
                let mounting = repository as? any BlobMounting
                let isUnasked = holder != nil && mounting?.mountsUnasked ?? false
                if isUnasked, let holder, let mounting, try await mounting.mount(blob, from: holder) {
                    result.isTrusted = !isSent
                } else if isTrusted, try await repository.contains(blob) {
                    // An archive says so only of what it has hashed itself; a set looks at the size alone.
                    result.isTrusted = (!(target is any PlannedTarget) || target is any PartialTarget) && !isSent
                } else if !isUnasked, let holder, let mounting, try await mounting.mount(blob, from: holder) {
                    result.isTrusted = !isSent
                } else {
                    self.repository = repository
                    return
                }
                pass(item)
            }
        } catch {
            self.error = error
        }
    }

    /// The current repository has got the bytes.
    ///
    /// - Parameter read: bytes read from a source for it.
    mutating func arrived(read: Int64) {
        guard let item = rest.first else { return }
        repository = nil
        result.moved += read
        // What this run has sent to one repository it need not trust another one for.
        isSent = true
        result.isTrusted = false
        pass(item)
    }

    private mutating func pass(_ item: PlanItem) {
        holder = holder ?? item.targetRepository
        rest.removeFirst()
    }
}
