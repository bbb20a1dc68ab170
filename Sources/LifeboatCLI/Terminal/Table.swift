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

    /// Rows without titles; where there is little room, a long name is not what all others are as wide as.
    ///
    /// - Parameters:
    ///   - first: how wide the first column is; nil for as wide as its longest entry.
    ///   - isRight: whether a column is aligned at its right side.
    static func aligned(_ rows: [[String]], first: Int? = nil, isRight: (Int) -> Bool = { _ in false }) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        var widths = (0..<count).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        if let first, count > 0 { widths[0] = first }
        if Terminal.isNarrow, count > 0 {
            let rest = widths.dropFirst().reduce(0) { $0 + $1 + 2 }
            widths[0] = min(widths[0], max(1, Terminal.answerWidth - rest))
        }
        return rows.map { line($0, widths, isRight: isRight) }
    }

    private static func line(_ row: [String], _ widths: [Int], isRight: (Int) -> Bool) -> String {
        var line = ""
        for (column, text) in row.enumerated() {
            let pad = String(repeating: " ", count: max(0, widths[column] - text.count))
            line += (isRight(column) ? pad + text : text + pad) + "  "
        }
        while line.hasSuffix(" ") { line.removeLast() }
        return line
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
        return all.map { Table.line($0, widths) { columns[$0].isNumber } }
    }
}
