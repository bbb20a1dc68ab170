import OCI

/// What a probe found at one place.
public struct ProbeResult: Sendable {
    /// What was asked for, in this order.
    public enum Stage: String, Sendable, Hashable {
        case answer, tags, resolve, manifest, config, blob
    }

    public struct Latency: Sendable, Hashable {
        public var stage: Stage
        public var seconds: Double
    }

    public var place: ProbedPlace
    /// Milliseconds since 1970.
    public var began: Int64
    /// How long each stage that went well has taken.
    public var latencies: [Latency] = []
    /// Which stage did not go well; nil if all did.
    public var failedAt: Stage?
    public var digest: Digest?
    /// Whether parts of blobs can be asked for; nil if none was.
    public var sendsParts: Bool?
    public var error: FailureReport?

    public init(place: ProbedPlace, began: Int64) {
        self.place = place
        self.began = began
    }

    /// All stages together.
    public var seconds: Double { latencies.reduce(0) { $0 + $1.seconds } }

    var secondsByStage: [Stage: Double] {
        latencies.reduce(into: [:]) { $0[$1.stage, default: 0] += $1.seconds }
    }
}

extension ProbeResult {
    /// One line for people.
    public var line: String {
        let stages = latencies.map { "\($0.stage.rawValue) \(Figures.time($0.seconds))" }.joined(separator: ", ")
        guard let error else {
            return "\(shown(place.description)) is well: \(stages)"
                + (sendsParts == false ? " (sends whole blobs only)" : "")
        }
        return "\(shown(place.description)) is not well (\(error.kind.rawValue)"
            + (failedAt.map { ", at \($0.rawValue)" } ?? "") + "): \(error.message)"
    }

    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "place": .string(place.description), "host": .string(place.host), "ok": .bool(error == nil),
            "at": .string(Figures.instant(began)), "seconds": seconds.json,
            "latencies": .object(
                Dictionary(uniqueKeysWithValues: secondsByStage.map { ($0.key.rawValue, $0.value.json) })),
        ]
        if let digest { members["digest"] = .string(digest.description) }
        if let sendsParts { members["sendsParts"] = .bool(sendsParts) }
        if let failedAt { members["failedAt"] = .string(failedAt.rawValue) }
        if let error { members["error"] = error.json }
        return .object(members)
    }
}

extension [ProbeResult] {
    /// 0 if all is well, else the class that is present and comes first.
    public var exitCode: Int32 {
        let kinds = Set(compactMap(\.error?.kind))
        return FailureKind.bySeverity.first(where: kinds.contains)?.exitCode ?? 0
    }

    public var json: JSONValue { .array(map(\.json)) }

    /// In the text format of Prometheus, for the textfile collector of its node exporter.
    public var metrics: String {
        var text = MetricsText()
        func each(_ value: (ProbeResult) -> Double?) -> [(labels: [(String, String)], value: Double?)] {
            map { ([("place", $0.place.description)], value($0)) }
        }
        text.add(
            "lifeboat_probe_success", .gauge, "Whether a registry answered all that was asked of it.",
            each { $0.error == nil ? 1 : 0 })
        text.add(
            "lifeboat_probe_duration_seconds", .gauge, "How long a registry took to answer.",
            flatMap { result in
                result.secondsByStage.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                    ([("place", result.place.description), ("stage", $0.key.rawValue)], $0.value)
                }
            })
        text.add(
            "lifeboat_probe_timestamp_seconds", .gauge, "When a registry was asked.", each { Double($0.began) / 1000 })
        return text.text
    }
}
