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
        let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (column, text) in row.enumerated() {
                let pad = String(repeating: " ", count: widths[column] - text.count)
                line += (columns[column].isNumber ? pad + text : text + pad) + "  "
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }
    }
}
