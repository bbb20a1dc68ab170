import Lifeboat
import OCI

/// A plan as people read it: a table of images for every step, and what it comes to.
enum PlanTable {
    /// Line by line: a plan may have as many as there are images in a registry.
    ///
    /// - Parameter file: where the plan was kept, if it was.
    static func write(_ plan: PipelinePlan, keptIn file: String? = nil, to put: (String) -> Void) {
        for step in plan.steps { write(step, to: put) }
        if plan.steps.count > 1 {
            let changes = plan.steps.reduce(0) { $0 + $1.images.count(where: isChange) }
            put(
                "in all: \(count(changes, "image")) to move, at most "
                    + size(plan.steps.reduce(0) { $0 + $1.bytes })
                    + (plan.seconds.map { ", \(time($0)) or more" } ?? ""))
        }
        put(
            file.map { "nothing was written but the plan: lifeboat run \(shown($0, limit: 1000)) does it" }
                ?? "nothing was written")
    }

    private static func isChange(_ image: ImagePlan) -> Bool { [.copy, .sparse, .replace].contains(image.action) }

    private static func write(_ step: StepPlan, to put: (String) -> Void) {
        put("\(step.name): \(step.kind.rawValue) \(step.source)" + (step.target.isEmpty ? "" : " → \(step.target)"))
        var widths = [0, 0, 0]
        var ruleWidth = 0
        for image in step.images {
            for (column, text) in row(image, of: step).enumerated() {
                if column < widths.count {
                    widths[column] = max(widths[column], text.count)
                } else {
                    ruleWidth = max(ruleWidth, text.count)
                }
            }
        }
        if Terminal.isNarrow {
            // Rules go on lines of their own where they do not fit, and long names push nothing aside.
            widths[2] = min(widths[2], max(1, Terminal.answerWidth - widths[0] - widths[1] - ruleWidth - 8))
        }
        for image in step.images {
            var line = "  "
            for (column, text) in row(image, of: step).enumerated() {
                if column == widths.count, Terminal.isNarrow, line.count + text.count > Terminal.answerWidth {
                    while line.hasSuffix(" ") { line.removeLast() }
                    line += "\n    "
                }
                let pad = column < widths.count ? max(0, widths[column] - text.count) : 0
                let blanks = String(repeating: " ", count: pad)
                line += (column == 1 ? blanks + text : text + blanks) + "  "
            }
            while line.hasSuffix(" ") { line.removeLast() }
            put(line)
            if let failure = image.failure {
                put("    \(failure.message)" + (failure.advice.map { "\n    try: " + $0 } ?? ""))
            }
        }
        let changes = step.images.count(where: isChange)
        if step.kind != .verify, step.kind != .drill, step.error == nil {
            put(
                "  \(count(changes, "image")) to move, at most \(size(step.bytes)); "
                    + "\(step.count(.alreadyThere)) already there; "
                    + "\(step.count(.conflict) + step.count(.failed)) cannot be moved")
        }
        for line in requests("planning took", step.planning) { put(line) }
        for line in requests("the run takes at most", step.requests) { put(line) }
        for limit in step.limits {
            let rate = limit.kind == .requests ? "\(number(limit.rate)) requests/s" : "\(size(Int64(limit.rate)))/s"
            let binds = limit == step.binding && step.limits.count > 1 ? ": this limit binds" : ""
            put("  \(limit.store) with \(rate): \(time(limit.seconds)) or more\(binds)")
        }
        if let error = step.error { put("  cannot be planned: \(error.message)") }
        for note in step.notes { put("  note: " + note) }
    }

    /// Action, bytes, names, rule.
    private static func row(_ image: ImagePlan, of step: StepPlan) -> [String] {
        [
            words(image), image.action == .alreadyThere ? "" : size(image.bytes), names(image, of: step),
            image.rule.isEmpty ? "" : "[\(image.rule)]",
        ]
    }

    /// What the image is called, and what it will be called if that is something else; the line above has the stores.
    private static func names(_ image: ImagePlan, of step: StepPlan) -> String {
        func name(_ name: String, in store: String) -> String {
            name.hasPrefix(store + "/") ? String(name.dropFirst(store.count + 1)) : name
        }
        let (source, target) = (name(image.source, in: step.source), name(image.target, in: step.target))
        return target.isEmpty || source == target ? source : "\(source) → \(target)"
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
