import Lifeboat
import OCI

/// A plan as people read it: a table of images for every step, and what it comes to.
enum PlanTable {
    static func text(of plan: PipelinePlan) -> String {
        var lines = plan.steps.flatMap(lines)
        if plan.steps.count > 1 {
            let images = plan.steps.flatMap(\.images)
            lines.append(
                "in all: \(count(images.count { isChange($0) }, "image")) to move, at most "
                    + size(plan.steps.reduce(0) { $0 + $1.bytes })
                    + (plan.seconds.map { ", \(time($0)) or more" } ?? ""))
        }
        lines.append("nothing was written")
        return lines.joined(separator: "\n")
    }

    private static func isChange(_ image: ImagePlan) -> Bool { [.copy, .sparse, .replace].contains(image.action) }

    private static func lines(_ step: StepPlan) -> [String] {
        var lines = [
            "\(step.name): \(step.kind.rawValue) \(step.source)" + (step.target.isEmpty ? "" : " → \(step.target)")
        ]
        let rows = step.images.map { image in
            [
                words(image), image.action == .alreadyThere ? "" : size(image.bytes),
                image.target.isEmpty ? image.source : "\(image.source) → \(image.target)",
                image.rule.isEmpty ? "" : "[\(image.rule)]",
            ]
        }
        let widths = (0..<3).map { column in rows.map { $0[column].count }.max() ?? 0 }
        for (row, image) in zip(rows, step.images) {
            var line = "  "
            for (column, text) in row.enumerated() {
                let pad = column < 3 ? String(repeating: " ", count: max(0, widths[column] - text.count)) : ""
                line += (column == 1 ? pad + text : text + pad) + "  "
            }
            while line.hasSuffix(" ") { line.removeLast() }
            lines.append(line)
            if let failure = image.failure {
                lines.append("    \(failure.message)" + (failure.advice.map { "\n    try: " + $0 } ?? ""))
            }
        }
        let changes = step.images.count(where: isChange)
        if step.kind != .verify, step.error == nil {
            lines.append(
                "  \(count(changes, "image")) to move, at most \(size(step.bytes)); "
                    + "\(step.count(.alreadyThere)) already there; "
                    + "\(step.count(.conflict) + step.count(.failed)) cannot be moved")
        }
        lines += requests("planning took", step.planning)
        lines += requests("the run takes at most", step.requests)
        for limit in step.limits {
            let rate = limit.kind == .requests ? "\(number(limit.rate)) requests/s" : "\(size(Int64(limit.rate)))/s"
            let binds = limit == step.binding && step.limits.count > 1 ? ": this limit binds" : ""
            lines.append("  \(limit.store) with \(rate): \(time(limit.seconds)) or more\(binds)")
        }
        if let error = step.error { lines.append("  cannot be planned: \(error.message)") }
        return lines + step.notes.map { "  note: " + $0 }
    }

    private static func words(_ image: ImagePlan) -> String {
        switch image.action {
        case .copy: "copy"
        case .sparse: "copy, sparse"
        case .replace: "move the tag" + (image.replaces.map { " from \($0.short)" } ?? "")
        case .alreadyThere: "already there"
        case .conflict: "conflict"
        case .failed: "cannot"
        }
    }

    private static func requests(_ title: String, _ requests: [String: [String: Int]]) -> [String] {
        requests.sorted { $0.key < $1.key }.map { host, kinds in
            let all = kinds.values.reduce(0, +)
            let parts = kinds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            return "  \(title) \(count(all, "request")) to \(host): " + parts.joined(separator: ", ")
        }
    }

    private static func number(_ rate: Double) -> String {
        rate == rate.rounded() ? String(Int64(rate)) : String((rate * 100).rounded() / 100)
    }
}
