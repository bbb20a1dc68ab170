import OCI
import OCIRegistry

extension StepPlan {
    /// Writes down what a plan comes to: its images, bytes and requests.
    ///
    /// What the target holds already is not asked for here, so that bytes and writes are at most what is said.
    mutating func fill(from plan: Plan, targets: [any TargetStore]) {
        var tally = Tally(targets)
        images.reserveCapacity(plan.items.count + plan.failures.count)
        for item in plan.items {
            var image = ImagePlan(
                source: item.sourceName, target: item.targetName, digest: item.root.digest,
                action: .copy, rule: item.rule)
            switch item.action {
            case .copy: image.action = item.graph?.omitted.isEmpty ?? true ? .copy : .sparse
            case .alreadyThere: image.action = .alreadyThere
            case .replace(let old):
                image.action = .replace
                image.replaces = old
            }
            if let graph = item.graph {
                image.size = graph.size
                if plan.isThere(item) { image.action = .alreadyThere }
                image.bytes = tally.add(graph, of: item, lacking: plan.lacking)
            }
            images.append(image)
        }
        for failure in plan.failures {
            let report = FailureReport(failure.error)
            images.append(
                ImagePlan(
                    source: failure.name, target: failure.target ?? "",
                    action: report.kind == .conflict ? .conflict : .failed,
                    rule: "", failure: report))
        }
        bytes = tally.bytes
        requests = tally.requests
        traffic = tally.traffic
    }

    /// Says how long the requests and bytes take under the limits of the registries.
    mutating func estimate(_ registries: [(host: String, options: RegistryOptions, requests: [String: Int])]) {
        for (host, options, done) in registries.sorted(by: { $0.host < $1.host }) {
            if !done.isEmpty { planning[host, default: [:]].merge(done) { $0 + $1 } }
            let toCome = requests[host, default: [:]].values.reduce(0, +)
            if let rate = options.requestsPerSecond, toCome > 0 {
                limits.append(LimitEstimate(store: host, kind: .requests, rate: rate, amount: Double(toCome)))
            }
            if let rate = options.bytesPerSecond, let bytes = traffic[host], bytes > 0 {
                limits.append(
                    LimitEstimate(store: host, kind: .bandwidth, rate: Double(rate), amount: Double(bytes)))
            }
        }
    }
}

/// Counts what a transfer will ask for, in the order in which it will.
private struct Tally {
    var bytes: Int64 = 0
    var requests: [String: [String: Int]] = [:]
    /// Bytes of bodies by host, both directions.
    var traffic: [String: Int64] = [:]
    /// Numbers that stand for digests and repositories: there may be 100,000 of the former.
    private var digests: [Stem: UInt32] = [:]
    private var repositories: [RepositoryName: UInt32] = [:]
    private var seen: Set<UInt32> = []
    private var placed: Set<Place> = []
    /// Blobs by the target that has them then, in whatever repository.
    private var arrived: Set<Place> = []
    /// One a target; nil for those that are files.
    private let targetHosts: [String?]

    /// The first half of a hash: two that share it would at worst be counted as one.
    private struct Stem: Hashable {
        var high: UInt64
        var low: UInt64

        init(_ digest: Digest) {
            (high, low) = digest.stem
        }
    }

    private struct Place: Hashable {
        var target: UInt16
        var repository: UInt32
        var digest: UInt32
    }

    private mutating func number(_ digest: Digest) -> UInt32 {
        let next = UInt32(digests.count)
        let stem = Stem(digest)
        if let known = digests[stem] { return known }
        digests[stem] = next
        return next
    }

    private mutating func number(_ repository: RepositoryName) -> UInt32 {
        // 0 stands for all of them.
        let next = UInt32(repositories.count + 1)
        if let known = repositories[repository] { return known }
        repositories[repository] = next
        return next
    }

    init(_ targets: [any TargetStore]) {
        targetHosts = targets.map { Tally.host($0) }
    }

    private static func host(_ store: Any) -> String? {
        switch store {
        case let registry as Registry: registry.name
        case let planned as PlannedRegistry: planned.host
        case let part as PrefixedRegistry: host(part.base)
        default: nil
        }
    }

    /// - Returns: the bytes that nothing before has brought.
    ///
    /// - Parameter lacking: all that the target has to be given, where that is known.
    mutating func add(_ graph: ImageGraph, of item: PlanItem, lacking: Set<Digest>?) -> Int64 {
        let sourceHost = Tally.host(item.store)
        let targetHost = targetHosts[item.target]
        var new: Int64 = 0
        let target = UInt16(item.target)
        let repository = number(item.targetRepository)
        func isWanted(_ digest: Digest) -> Bool { lacking?.contains(digest) ?? true }
        for manifest in graph.manifests where isWanted(manifest.digest) {
            if seen.insert(number(manifest.digest)).inserted { new += manifest.size }
            count(.write, at: targetHost, manifest.size)
        }
        for blob in graph.blobs where isWanted(blob.digest) {
            let digest = number(blob.digest)
            let isNew = seen.insert(digest).inserted
            if isNew {
                new += blob.size
                count(.blob, at: sourceHost, blob.size)
            }
            guard placed.insert(Place(target: target, repository: repository, digest: digest)).inserted else {
                continue
            }
            if arrived.insert(Place(target: target, repository: 0, digest: digest)).inserted {
                // Asked for, begun by a POST, which has no body, and sent by a PUT.
                count(.head, at: targetHost)
                count(.write, at: targetHost)
                count(.write, at: targetHost, blob.size)
            } else {
                // Unasked, as long as the registry mounts what it is asked to.
                count(.mount, at: targetHost)
            }
        }
        // When the image has arrived, the source's tag is read again, to note that it has moved.
        if item.source.tag != nil, lacking == nil || new > 0 { count(.head, at: sourceHost) }
        bytes += new
        return new
    }

    private mutating func count(_ kind: RequestKind, at host: String?, _ size: Int64 = 0) {
        guard let host else { return }
        requests[host, default: [:]][kind.rawValue, default: 0] += 1
        if size > 0 { traffic[host, default: 0] += size }
    }
}
