import Lifeboat
import OCI

/// What a run or a plan comes to, in a few lines.
enum Summary {
    /// Names that are shown of each cause; the JSON report has all of them.
    private static let namesPerCause = 20

    static func text(of report: Report) -> String {
        (report.steps.map { text(of: $0) } + failures(of: report)).joined(separator: "\n")
    }

    /// What of an image is missing or damaged, a line each.
    ///
    /// - Parameter kind: a check reads the source; whoever repairs has read the target.
    private static func partLines(of image: ImageReport, in kind: StepReport.Kind) -> [String] {
        let isAtTarget = image.source.isEmpty || kind != .verify && kind != .drill && !image.target.isEmpty
        let name = isAtTarget ? image.target : image.source
        let lines = image.parts.prefix(namesPerCause).map { part in
            let state =
                switch part.kind {
                case .notFound: "missing"
                case .damaged: "damaged"
                default: "not read (\(part.kind.rawValue))"
                }
            return "  \(state): \(part.what) \(part.digest) of \(shown(name, limit: 300))"
        }
        let rest = image.parts.count - lines.count
        return rest > 0 ? lines + ["  and \(rest) more parts of \(shown(name, limit: 300))"] : lines
    }

    private static func text(of step: StepReport) -> String {
        var lines: [String] = []
        let place = step.target.isEmpty ? step.source : step.target
        if let comparison = step.comparison {
            lines.append(
                "\(step.name): \(count(comparison.same, "image")) equal, \(comparison.differences.count) different: "
                    + "\(comparison.compared) against \(comparison.listed) in \(time(step.seconds))")
            lines += certificate(comparison)
        } else if let drill = step.drill {
            lines.append("\(step.name): \(drill.hasPassed ? "passed" : "FAILED") in \(time(step.seconds)): \(place)")
        } else {
            var parts: [String] = []
            let done = step.imagesDone
            if done > 0 || (step.kind == .verify && step.count(.done) > 0) {
                parts.append("\(count(done, "image")) \(past(step.kind))")
            }
            if step.count(.alreadyThere) > 0 { parts.append("\(step.count(.alreadyThere)) already there") }
            // What is wrong with a file is listed place by place; only images can be counted with images.
            let faults = step.images.count { $0.outcome == .failed && $0.isFile }
            if faults > 0 { parts.append(count(faults, "fault")) }
            let failed = step.count(.failed) - faults
            if failed > 0 { parts.append("\(failed) failed") }
            if parts.isEmpty { parts.append(step.error == nil ? "nothing to do" : "nothing was done") }
            let moved = step.bytesMoved > 0 ? ", \(size(step.bytesMoved)) read" : ""
            lines.append("\(step.name): \(parts.joined(separator: ", "))\(moved) in \(time(step.seconds)): \(place)")
            let shared = step.images.reduce(0) { $0 + $1.bytesShared }
            if shared > 0 { lines.append("  \(size(shared)) came with other images that share it") }
            if step.bytesTrusted > 0 {
                let reason =
                    step.kind == .export
                    ? "not written: the target has them, by name and size"
                    : "not sent: the target says that it holds them"
                lines.append("  \(size(step.bytesTrusted)) \(reason)")
            }
            for image in step.images { lines += partLines(of: image, in: step.kind) }
            for target in step.targets { lines.append("  " + line(target)) }
            if let archive = step.archive { lines.append("  id \(archive)") }
        }
        lines += step.notes.map { "  note: " + $0 }
        return lines.joined(separator: "\n")
    }

    private static func past(_ kind: StepReport.Kind) -> String {
        switch kind {
        case .verify: "verified"
        case .drill: "drilled"
        case .repair: "whole again"
        case .copy, .export, .import: "moved"
        }
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

    /// What the two sides come to, as two people can read it to each other.
    private static func certificate(_ comparison: Comparison) -> [String] {
        var lines: [String] = []
        if let listed = comparison.listedDigest, let compared = comparison.comparedDigest {
            if listed == compared {
                lines.append("  both sides: \(count(comparison.listedCount, "name")), \(listed)")
            } else {
                lines.append("  should be: \(count(comparison.listedCount, "name")), \(listed)")
                lines.append("  is:        \(count(comparison.comparedCount, "name")), \(compared)")
            }
        }
        if let reread = comparison.reread {
            lines.append("  every byte of \(count(reread.images, "image")) read again: \(size(reread.bytes))")
        }
        if !comparison.extra.isEmpty {
            let names = comparison.extra.prefix(5).joined(separator: ", ")
            let more = comparison.extra.count > 5 ? ", …" : ""
            lines.append("  \(comparison.extra.count) more at \(comparison.compared), no difference: \(names)\(more)")
        }
        return lines
    }

    /// The failures, last, by cause.
    private static func failures(of report: Report) -> [String] {
        let groups = report.failureGroups
        if groups.isEmpty { return [] }
        var lines = ["failed:"]
        for group in groups {
            let number = group.items.count > 1 ? " (\(group.items.count) times, one of them shown)" : ""
            lines.append("  \(group.kind.rawValue)\(number): \(group.message)")
            if let advice = group.advice { lines.append("    try: \(advice)") }
            for item in group.items.prefix(namesPerCause) {
                lines.append("    \(item.step)\(item.name.isEmpty ? "" : ": " + item.name)")
            }
            if group.items.count > namesPerCause {
                lines.append("    and \(group.items.count - namesPerCause) more; --report FILE has all of them")
            }
        }
        return lines
    }
}
