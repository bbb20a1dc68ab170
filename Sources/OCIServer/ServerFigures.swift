import OCI
import Synchronization

/// What a server was asked for, and what of it was not there.
public final class ServerFigures: Sendable {
    /// The most names of missing things that are kept; of the others only the number is.
    public static let namesLimit = 10_000

    /// Something that was asked for and is not there.
    public struct Missing: Sendable, Hashable {
        /// `[registry/]repository:tag`, or with `@` and a digest.
        public var name: String
        public var times: Int

        public init(name: String, times: Int) {
            self.name = name
            self.times = times
        }
    }

    private struct Names {
        var times: [String: Int] = [:]
        var total = 0
    }

    private let requestCount = Atomic<Int>(0)
    private let manifestCount = Atomic<Int>(0)
    private let blobCount = Atomic<Int>(0)
    private let byteCount = Atomic<Int>(0)
    private let refusalCount = Atomic<Int>(0)
    private let names = Mutex(Names())
    private let tellMissing: @Sendable (String) -> Void

    /// - Parameter onMissing: is given the name of each missing thing when it is asked for the first time.
    public init(onMissing: @escaping @Sendable (String) -> Void = { _ in }) {
        tellMissing = onMissing
    }

    public var requests: Int { requestCount.load(ordering: .relaxed) }
    /// Manifests that were sent.
    public var manifests: Int { manifestCount.load(ordering: .relaxed) }
    /// Blobs that were sent whole.
    public var blobs: Int { blobCount.load(ordering: .relaxed) }
    /// Bytes of manifests and blobs, parts included.
    public var bytes: Int { byteCount.load(ordering: .relaxed) }
    /// Requests that were turned away for want of a login.
    public var refusals: Int { refusalCount.load(ordering: .relaxed) }
    /// How often something was asked for that is not there.
    public var missingCount: Int { names.withLock { $0.total } }
    /// What was not there, the most wanted first.
    public var missing: [Missing] {
        names.withLock { $0.times }.map { Missing(name: $0.key, times: $0.value) }
            .sorted { ($1.times, $0.name) < ($0.times, $1.name) }
    }

    func noteRequest() { requestCount.add(1, ordering: .relaxed) }
    func noteBlob() { blobCount.add(1, ordering: .relaxed) }
    func noteSent(_ bytes: Int) { byteCount.add(bytes, ordering: .relaxed) }
    func noteRefusal() { refusalCount.add(1, ordering: .relaxed) }

    func noteManifest(bytes: Int) {
        manifestCount.add(1, ordering: .relaxed)
        noteSent(bytes)
    }

    func noteMissing(_ name: String) {
        let isNew = names.withLock { names in
            names.total += 1
            if let times = names.times[name] {
                names.times[name] = times + 1
                return false
            }
            guard names.times.count < ServerFigures.namesLimit else { return false }
            names.times[name] = 1
            return true
        }
        if isNew { tellMissing(name) }
    }
}

extension ServerFigures {
    /// How many names the answer to a question lists.
    private static let shownNames = 100

    /// - Parameter namesMissing: whether who asks may know what others asked for.
    func json(namesMissing: Bool) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "requests": .number(Int64(requests)), "manifests": .number(Int64(manifests)),
            "blobs": .number(Int64(blobs)), "bytes": .number(Int64(bytes)), "refused": .number(Int64(refusals)),
            "notInBackup": .number(Int64(missingCount)),
        ]
        if namesMissing {
            members["missing"] = .array(
                missing.prefix(Self.shownNames).map {
                    .object(["name": .string($0.name), "times": .number(Int64($0.times))])
                })
        }
        return members
    }
}
