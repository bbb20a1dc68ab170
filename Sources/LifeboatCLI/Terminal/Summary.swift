import Lifeboat
import OCI

/// What a run or a plan comes to, in a few lines.
enum Summary {
    static func text(of report: Report) -> String {
        report.steps.map { text(of: $0) }.joined(separator: "\n")
    }

    private static func text(of step: StepReport) -> String {
        var lines: [String] = []
        if let comparison = step.comparison {
            lines.append(
                "\(step.name): \(count(comparison.same, "image")) equal, \(comparison.differences.count) different: "
                    + "\(comparison.compared) against \(comparison.listed) in \(time(step.seconds))")
            for difference in comparison.differences { lines.append("  " + line(difference, comparison)) }
        } else {
            var parts: [String] = []
            let done = step.count(.done)
            if done > 0 {
                parts.append(
                    step.kind == .verify ? "\(count(done, "image")) verified" : "\(count(done, "image")) moved")
            }
            if step.count(.alreadyThere) > 0 { parts.append("\(step.count(.alreadyThere)) already there") }
            if step.count(.failed) > 0 { parts.append("\(step.count(.failed)) failed") }
            if parts.isEmpty { parts.append(step.error == nil ? "nothing to do" : "nothing was done") }
            let moved = step.bytesMoved > 0 ? ", \(size(step.bytesMoved)) read" : ""
            let place = step.target.isEmpty ? step.source : step.target
            lines.append("\(step.name): \(parts.joined(separator: ", "))\(moved) in \(time(step.seconds)): \(place)")
            if step.bytesTrusted > 0 {
                lines.append("  \(size(step.bytesTrusted)) not sent: the target says that it holds them")
            }
            for target in step.targets { lines.append("  " + line(target)) }
            if let archive = step.archive { lines.append("  id \(archive)") }
        }
        for image in step.images where image.outcome == .failed {
            lines.append("  " + Progress.line(image))
        }
        lines += step.notes.map { "  note: " + $0 }
        return lines.joined(separator: "\n")
    }

    /// One of several targets.
    private static func line(_ target: TargetReport) -> String {
        var parts: [String] = []
        if target.done > 0 { parts.append("\(count(target.done, "image")) moved") }
        if target.alreadyThere > 0 { parts.append("\(target.alreadyThere) already there") }
        if target.failed > 0 { parts.append("\(target.failed) failed") }
        if parts.isEmpty { parts.append(target.error == nil ? "nothing to do" : "nothing was done") }
        return "\(target.target): \(parts.joined(separator: ", "))" + (target.archive.map { ", id \($0)" } ?? "")
            + (target.error.map { ": \($0.message)" } ?? "")
    }

    private static func line(_ difference: Comparison.Difference, _ comparison: Comparison) -> String {
        switch difference {
        case .missing(let name, let want): "missing: \(name), want \(want)"
        case .different(let name, let got, let want): "different: \(name) is \(got), want \(want)"
        case .unreadable(let name, let failure): "unreadable: \(name): \(failure.message)"
        }
    }

    static func text(of plan: Plan, target: String) -> String {
        var lines = plan.items.map { item -> String in
            let action: String =
                switch item.action {
                case .copy: "copy"
                case .alreadyThere: "already there"
                case .replace(let old): "move the tag from \(old.short)"
                }
            let bytes = item.graph.map { "  " + size($0.size) } ?? ""
            return "\(action): \(item.sourceName) → \(item.targetName)\(bytes)"
        }
        lines += plan.failures.map { failure in
            let report = FailureReport(failure.error)
            return "cannot: \(failure.name): \(report.message)" + (report.advice.map { "\n  try: " + $0 } ?? "")
        }
        let copies = plan.items.count { $0.action != .alreadyThere }
        lines.append(
            "\(count(copies, "image")) to move, at most \(size(plan.bytes)); \(plan.items.count - copies) already there; "
                + "\(plan.failures.count) cannot be moved; nothing was written")
        return lines.joined(separator: "\n")
    }
}

extension Plan {
    func json(target: String) -> JSONValue {
        .object([
            "bytes": .number(bytes),
            "images": .array(
                items.map { item in
                    var members: [String: JSONValue] = [
                        "source": .string(item.sourceName), "target": .string(item.targetName),
                        "digest": .string(item.root.digest.description),
                        "bytes": .number(item.graph?.size ?? 0),
                    ]
                    switch item.action {
                    case .copy: members["action"] = .string("copy")
                    case .alreadyThere: members["action"] = .string("alreadyThere")
                    case .replace(let old):
                        members["action"] = .string("replace")
                        members["replaces"] = .string(old.description)
                    }
                    return .object(members)
                }),
            "failures": .array(
                failures.map { failure in
                    let report = FailureReport(failure.error)
                    return .object([
                        "name": .string(failure.name), "class": .string(report.kind.rawValue),
                        "message": .string(report.message),
                    ])
                }),
        ])
    }
}
