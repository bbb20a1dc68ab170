/// Rows of text under titles, as wide as their longest entries.
struct Table {
    struct Column {
        var title: String
        var isNumber = false
    }

    var columns: [Column]
    var rows: [[String]] = []

    init(_ columns: Column...) {
        self.columns = columns
    }

    /// The title line, then the rows, without spaces at their ends.
    var lines: [String] {
        let all = [columns.map(\.title)] + rows
        var widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        if Terminal.isNarrow {
            // One long name shall not push the other lines over the edge.
            let rest = widths.dropFirst().reduce(0) { $0 + $1 + 2 }
            widths[0] = min(widths[0], max(columns[0].title.count, Terminal.answerWidth - rest))
        }
        return all.map { row in
            var line = ""
            for (column, text) in row.enumerated() {
                let pad = String(repeating: " ", count: max(0, widths[column] - text.count))
                line += (columns[column].isNumber ? pad + text : text + pad) + "  "
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }
    }
}
