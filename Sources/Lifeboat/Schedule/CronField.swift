import OCI

/// One field of a cron line: its name, its bounds, and the words that stand for numbers.
struct CronField: Sendable {
    let name: String
    let bounds: ClosedRange<Int>
    /// Lower case; the first stands for the lower bound.
    let words: [String]

    static let minute = CronField(name: "minute", bounds: 0...59, words: [])
    static let hour = CronField(name: "hour", bounds: 0...23, words: [])
    static let day = CronField(name: "day of the month", bounds: 1...31, words: [])
    static let month = CronField(
        name: "month", bounds: 1...12,
        words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
    /// 7 is Sunday too.
    static let weekday = CronField(
        name: "weekday", bounds: 0...7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])

    /// Reads `*`, `5`, `1-5`, `*/15`, `0-30/10`, names, and lists of them.
    ///
    /// - Returns: a bit for each number.
    /// - Throws: `LifeboatError` `.policy`.
    func bits(_ text: Substring) throws(LifeboatError) -> UInt64 {
        var bits: UInt64 = 0
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let range = try range(parts[0], of: text)
            var step = 1
            if parts.count == 2 {
                guard let number = number(parts[1]), number > 0, number <= bounds.upperBound else {
                    throw fault(text, "a step is a number from 1 to \(bounds.upperBound)")
                }
                guard parts[0] == "*" || parts[0].contains("-") else {
                    throw fault(text, "a step follows * or a range, such as \(parts[0])-\(last)/\(number)")
                }
                step = number
            }
            for number in stride(from: range.lowerBound, through: range.upperBound, by: step) {
                bits |= 1 << UInt64(number)
            }
        }
        return bits
    }

    private func range(_ text: Substring, of field: Substring) throws(LifeboatError) -> ClosedRange<Int> {
        // A star means each weekday once.
        if text == "*" { return bounds.lowerBound...last }
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let low = try value(ends[0], of: field)
        guard ends.count == 2 else { return low...low }
        var high = try value(ends[1], of: field)
        if high == 0, bounds.upperBound == 7, low > 0 { high = 7 }
        guard low <= high else {
            throw fault(
                field, "a range begins with the smaller one; write \(ends[0])-\(last),\(bounds.lowerBound)-\(ends[1])")
        }
        return low...high
    }

    /// The last value that is not another name of the first.
    private var last: Int { bounds.upperBound == 7 ? 6 : bounds.upperBound }

    private func value(_ text: Substring, of field: Substring) throws(LifeboatError) -> Int {
        if let word = words.firstIndex(of: text.lowercased()) { return word + bounds.lowerBound }
        guard let number = number(text), bounds.contains(number) else {
            let words = words.isEmpty ? "" : " or \(words.first!.uppercased()) to \(words.last!.uppercased())"
            throw fault(
                field,
                "'\(shown(text, limit: 20))' is not known, want \(bounds.lowerBound) to \(bounds.upperBound)\(words)")
        }
        return number
    }

    private func number(_ text: Substring) -> Int? {
        guard (1...2).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    private func fault(_ text: Substring, _ reason: String) -> LifeboatError {
        LifeboatError(.policy, "\(name) '\(shown(text, limit: 60))': \(reason)")
    }
}
