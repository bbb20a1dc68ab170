import Lifeboat
import OCI

/// How pipelines stand, in a table that fits the terminal.
enum StatusTable {
    private struct Column {
        var title: String
        var cell: (PipelineStatus) -> String
    }

    /// From this width on there is room for verification and drill.
    private static let wide = 100
    private static let gap = 2

    /// - Parameter width: columns of the terminal.
    static func text(of states: [PipelineStatus], at now: Int64, width: Int) -> String {
        guard !states.isEmpty else { return "no pipeline has run here yet" }
        var columns = [
            Column(title: "PIPELINE") { shown($0.state.record.name, limit: 100) },
            Column(title: "RESULT", cell: result),
            Column(title: "LAST RUN") { ago($0.state.record.last?.ended, now) },
            Column(title: "GOOD BACKUP", cell: backup),
            Column(title: "NEXT RUN") { $0.state.next.map { "in " + Figures.span(max(0, $0 - now)) } ?? "-" },
        ]
        if width >= wide {
            columns += [
                Column(title: "TOOK") { $0.state.record.last.map { Figures.time($0.seconds) } ?? "-" },
                Column(title: "VERIFIED") { ago($0.state.record.lastVerify, now) },
                Column(title: "DRILLED") { ago($0.state.record.lastDrill, now) },
            ]
        }
        var rows = [columns.map(\.title)] + states.map { state in columns.map { $0.cell(state) } }
        let others = columns.indices.dropFirst().reduce(0) { sum, column in
            sum + gap + (rows.map { $0[column].count }.max() ?? 0)
        }
        let room = max(12, width - others)
        for row in rows.indices where rows[row][0].count > room { rows[row][0] = rows[row][0].prefix(room - 1) + "…" }
        let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column + 1 < row.count { line += String(repeating: " ", count: widths[column] - cell.count + gap) }
            }
            return line
        }
        let rest = width >= wide ? [] : states.compactMap { times(of: $0, at: now) }
        return (lines + rest + states.flatMap(remarks)).joined(separator: "\n")
    }

    /// What there is no column for.
    private static func times(of status: PipelineStatus, at now: Int64) -> String? {
        let record = status.state.record
        let parts: [String] = [
            record.last.map { "took \(Figures.time($0.seconds))" },
            record.lastVerify.map { "verified \(ago($0, now))" }, record.lastDrill.map { "drilled \(ago($0, now))" },
        ].compactMap { $0 }
        return parts.isEmpty ? nil : "\(shown(record.name, limit: 100)): \(parts.joined(separator: ", "))"
    }

    private static func result(_ status: PipelineStatus) -> String {
        if status.state.isRunning { return "running" }
        guard let last = status.state.record.last else { return "never ran" }
        if last.wasStopped { return "stopped" }
        return last.exitCode == 0 ? "ok" : "failed \(last.exitCode)"
    }

    private static func backup(_ status: PipelineStatus) -> String {
        let age = status.backupAge.map { Figures.span($0) + " old" } ?? "none"
        guard status.state.record.objectives.rpo != nil else { return age }
        return age + (status.missed.isEmpty ? "" : " !")
    }

    private static func ago(_ moment: Int64?, _ now: Int64) -> String {
        moment.map { Figures.span(max(0, now - $0)) + " ago" } ?? "-"
    }

    /// What is wrong, on a line of its own.
    private static func remarks(_ status: PipelineStatus) -> [String] {
        let record = status.state.record
        let name = shown(record.name, limit: 100)
        var lines = status.alarms.map { "\(name): alarm: \($0)" }
        if !lines.isEmpty { lines.append("  try: lifeboat backups list SET, which says what to do") }
        lines += status.missed.map { "\(name): objective missed: \($0)" }
        if let since = record.failingSince, let last = record.last {
            lines.append(
                "\(name): failing since \(Figures.instant(since)): \(last.message ?? "exit code \(last.exitCode)")")
            if let advice = last.advice { lines.append("  try: \(advice)") }
        }
        return lines
    }
}
