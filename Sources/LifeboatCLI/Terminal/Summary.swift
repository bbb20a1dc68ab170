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
            if let archive = step.archive { lines.append("  id \(archive)") }
        }
        for image in step.images where image.outcome == .failed {
            lines.append("  " + Progress.line(image))
        }
        lines += step.notes.map { "  note: " + $0 }
        return lines.joined(separator: "\n")
    }

    private static func line(_ difference: Comparison.Difference, _ comparison: Comparison) -> String {
        switch difference {
        case .missing(let name, let want): "missing: \(name), want \(want)"
        case .different(let name, let got, let want): "different: \(name) is \(got), want \(want)"
        case .unreadable(let name, let failure): "unreadable: \(name): \(failure.message)"
        }
    }
}
