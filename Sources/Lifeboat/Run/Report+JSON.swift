import OCI

extension Report {
    /// The report for machines. Members are only ever added.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "version": .number(1), "name": .string(name), "began": .string(Figures.instant(began)),
            "exitCode": .number(Int64(exitCode)),
            "seconds": seconds.json, "steps": .array(steps.map(\.json)),
        ]
        if let error { members["error"] = error.json }
        return .object(members)
    }
}

extension StepReport {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(name), "kind": .string(kind.rawValue), "from": .string(source), "to": .string(target),
            "images": .array(images.map(\.json)), "seconds": seconds.json, "bytesMoved": .number(bytesMoved),
            "bytesShared": .number(images.reduce(0) { $0 + $1.bytesShared }), "bytesTrusted": .number(bytesTrusted),
            "retries": .number(Int64(images.reduce(0) { $0 + $1.retries })),
            "totals": .object([
                "done": .number(Int64(count(.done))), "alreadyThere": .number(Int64(count(.alreadyThere))),
                "failed": .number(Int64(count(.failed))),
            ]),
            "requests": .object(requests.mapValues { .number(Int64($0)) }),
        ]
        if let archive { members["archive"] = .string(archive) }
        if let error { members["error"] = error.json }
        if !targets.isEmpty { members["targets"] = .array(targets.map(\.json)) }
        if let drill { members["drill"] = drill.json }
        if let comparison { members["comparison"] = comparison.json }
        if !notes.isEmpty { members["notes"] = .array(notes.map { .string($0) }) }
        return .object(members)
    }
}

extension TargetReport {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "target": .string(target), "bytesTrusted": .number(bytesTrusted),
            "totals": .object([
                "done": .number(Int64(done)), "alreadyThere": .number(Int64(alreadyThere)),
                "failed": .number(Int64(failed)),
            ]),
        ]
        if let archive { members["archive"] = .string(archive) }
        if let error { members["error"] = error.json }
        return .object(members)
    }
}

extension ImageReport {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "source": .string(source), "target": .string(target), "outcome": .string(outcome.rawValue),
            "bytes": .number(size), "bytesMoved": .number(bytesMoved), "bytesShared": .number(bytesShared),
            "bytesTrusted": .number(bytesTrusted), "seconds": seconds.json, "retries": .number(Int64(retries)),
        ]
        if let digest { members["digest"] = .string(digest.description) }
        if let replaced { members["replaced"] = .string(replaced.description) }
        if let closure { members["closure"] = closure.json }
        if !parts.isEmpty { members["parts"] = .array(parts.map(\.json)) }
        if let error { members["error"] = error.json }
        if !notes.isEmpty { members["notes"] = .array(notes.map { .string($0) }) }
        return .object(members)
    }
}

extension FailureReport {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "class": .string(kind.rawValue), "message": .string(message), "attempts": .number(Int64(attempts)),
            "retryable": .bool(isRetryable),
        ]
        if let endpoint { members["endpoint"] = .string(endpoint) }
        if let advice { members["hint"] = .string(advice) }
        return .object(members)
    }
}

extension Double {
    /// Seconds with three digits behind the point.
    var json: JSONValue {
        let thousandths = Int64((self * 1000).rounded())
        let fraction = String(thousandths % 1000)
        return .decimal("\(thousandths / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)")
    }
}
