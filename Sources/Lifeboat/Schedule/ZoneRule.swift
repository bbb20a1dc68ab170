import OCI

/// What a zone's clocks do after the last change that its file lists: the POSIX form, `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// With the extensions of RFC 9636, section 3.3.1: names in angle brackets, times from -167 to 167 hours.
struct ZoneRule: Sendable, Hashable {
    /// A day of every year, and a wall time on it.
    struct Change: Sendable, Hashable {
        enum Day: Sendable, Hashable {
            /// The `week`th `weekday` (0 is Sunday) of a month; the fifth is the last.
            case weekday(month: Int, week: Int, weekday: Int)
            /// 1 to 365; 29 February is never counted.
            case ordinal(Int)
            /// 0 to 365; 29 February is counted.
            case ordinalWithLeapDay(Int)
        }

        var day: Day
        /// Seconds since midnight; may be negative or beyond the day.
        var time: Int
    }

    /// Summer time: its offset, and when it begins and ends.
    struct Summer: Sendable, Hashable {
        var offset: Int
        var begin: Change
        var end: Change
    }

    /// Seconds to add to UTC.
    let standard: Int
    let summer: Summer?

    /// - Throws: `LifeboatError` `.local` for what is no such rule.
    init(parsing text: String) throws(LifeboatError) {
        var scanner = Scanner(rest: Array(text.utf8)[...])
        guard let rule = scanner.rule(), scanner.rest.isEmpty else {
            throw LifeboatError(.local, "its rule for the future, '\(shown(text, limit: 80))', cannot be read")
        }
        (standard, summer) = rule
    }

    /// Seconds to add to UTC at an instant.
    func offset(at instant: Int64) -> Int {
        changes(around: instant).last { $0.instant <= instant }?.offset ?? standard
    }

    /// The first change of the offset after an instant.
    func change(after instant: Int64) -> Int64? {
        let changes = changes(around: instant)
        for (earlier, later) in zip(changes, changes.dropFirst()) where later.instant > instant {
            if earlier.offset != later.offset { return later.instant }
        }
        return nil
    }

    /// The changes of the year that the instant is in and of those beside it, in order.
    private func changes(around instant: Int64) -> [(instant: Int64, offset: Int)] {
        guard let summer else { return [] }
        let year = CivilDate(dayNumber: Int(instant.floored(by: 86_400))).year
        return (year - 1...year + 2).flatMap { year in
            [
                (summer.begin.instant(year, offset: standard), summer.offset),
                (summer.end.instant(year, offset: summer.offset), standard),
            ]
        }.sorted { $0.0 < $1.0 }.map { (instant: $0.0, offset: $0.1) }
    }
}

extension ZoneRule.Change {
    /// - Parameter offset: of the clocks before the change.
    fileprivate func instant(_ year: Int, offset: Int) -> Int64 {
        Int64(dayNumber(year) * 86_400 + time - offset)
    }

    private func dayNumber(_ year: Int) -> Int {
        let newYear = CivilDate(year: year, month: 1, day: 1).dayNumber
        switch day {
        case .ordinalWithLeapDay(let day): return newYear + day
        case .ordinal(let day): return newYear + day - 1 + (CivilDate.isLeap(year) && day > 59 ? 1 : 0)
        case .weekday(let month, let week, let weekday):
            let first = CivilDate(year: year, month: month, day: 1).dayNumber
            let distance = (weekday - CivilDate.weekday(ofDayNumber: first) + 7) % 7
            let length = CivilDate.days(inMonth: month, isLeap: CivilDate.isLeap(year))
            let day = distance + (week - 1) * 7
            return first + (day < length ? day : day - 7)
        }
    }
}

/// Takes a rule from the front of a text; nil where it is none.
private struct Scanner {
    var rest: ArraySlice<UInt8>

    mutating func rule() -> (Int, ZoneRule.Summer?)? {
        guard name(), let standard = time(hours: 24) else { return nil }
        if rest.isEmpty { return (-standard, nil) }
        guard name() else { return nil }
        var summer = -standard + 3600
        if rest.first != UInt8(ascii: ",") {
            guard let offset = time(hours: 24) else { return nil }
            summer = -offset
        }
        guard take(","), let begin = change(), take(","), let end = change() else { return nil }
        return (-standard, ZoneRule.Summer(offset: summer, begin: begin, end: end))
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// Three letters or more, or anything between angle brackets.
    private mutating func name() -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & 0xdf) }
        if take("<") {
            guard let end = rest.firstIndex(of: UInt8(ascii: ">")), end - rest.startIndex >= 3 else { return false }
            rest = rest[(end + 1)...]
            return true
        }
        let name = rest.prefix(while: isLetter)
        rest = rest[name.endIndex...]
        return name.count >= 3
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...3).contains(digits.count) else { return nil }
        rest = rest[digits.endIndex...]
        let number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        return range.contains(number) ? number : nil
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    private mutating func time(hours: Int) -> Int? {
        let sign = take("-") ? -1 : 1
        if sign == 1 { _ = take("+") }
        guard let hour = number(0...hours) else { return nil }
        var seconds = hour * 3600
        for unit in [60, 1] where take(":") {
            guard let part = number(0...59) else { return nil }
            seconds += part * unit
        }
        return sign * seconds
    }

    private mutating func change() -> ZoneRule.Change? {
        let day: ZoneRule.Change.Day
        if take("M") {
            guard let month = number(1...12), take("."), let week = number(1...5), take("."),
                let weekday = number(0...6)
            else { return nil }
            day = .weekday(month: month, week: week, weekday: weekday)
        } else if take("J") {
            guard let ordinal = number(1...365) else { return nil }
            day = .ordinal(ordinal)
        } else {
            guard let ordinal = number(0...365) else { return nil }
            day = .ordinalWithLeapDay(ordinal)
        }
        guard take("/") else { return ZoneRule.Change(day: day, time: 7200) }
        guard let time = time(hours: 167) else { return nil }
        return ZoneRule.Change(day: day, time: time)
    }
}
