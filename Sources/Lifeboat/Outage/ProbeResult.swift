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
        var lines = [
            "# HELP lifeboat_probe_success Whether a registry answered all that was asked of it.",
            "# TYPE lifeboat_probe_success gauge",
        ]
        func labels(_ result: ProbeResult, _ more: String = "") -> String {
            "{place=\"\(ProbeResult.escaped(result.place.description))\"\(more)}"
        }
        for result in self { lines.append("lifeboat_probe_success\(labels(result)) \(result.error == nil ? 1 : 0)") }
        lines += [
            "# HELP lifeboat_probe_duration_seconds How long a registry took to answer.",
            "# TYPE lifeboat_probe_duration_seconds gauge",
        ]
        for result in self {
            for (stage, seconds) in result.secondsByStage.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                lines.append(
                    "lifeboat_probe_duration_seconds\(labels(result, ",stage=\"\(stage.rawValue)\"")) \(seconds.json.text)"
                )
            }
        }
        lines += [
            "# HELP lifeboat_probe_timestamp_seconds When a registry was asked.",
            "# TYPE lifeboat_probe_timestamp_seconds gauge",
        ]
        for result in self { lines.append("lifeboat_probe_timestamp_seconds\(labels(result)) \(result.began / 1000)") }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension ProbeResult {
    /// A label's value (Prometheus, "Exposition formats").
    fileprivate static func escaped(_ text: String) -> String {
        text.map { character in
            switch character {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: String(character)
            }
        }.joined()
    }
}
