import OCI

/// When something is done again and again: the five fields of cron(8), by the clocks of one time zone.
public struct CronSchedule: Sendable, Hashable, CustomStringConvertible {
    /// As it was written.
    public let text: String
    /// A bit for each minute, hour, day, month and weekday (0 is Sunday) on which it may be.
    let minutes: UInt64
    let hours: UInt64
    let days: UInt64
    let months: UInt64
    let weekdays: UInt64
    /// Whether it is enough that one of day and weekday is met: so where neither begins with `*`.
    let eitherDay: Bool
    /// Whether the field of hours begins with `*`: then it goes by the time that passes, not by the times of a day.
    let isFrequent: Bool

    public var description: String { text }

    private static let nicknames = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
    private static let lengthLimit = 256

    /// - Throws: `LifeboatError` `.policy` that names the field and what is wanted.
    public init(parsing text: String) throws(LifeboatError) {
        func fail(_ reason: String) -> LifeboatError { LifeboatError(.policy, reason) }
        guard text.utf8.count <= CronSchedule.lengthLimit else {
            throw fail("it is longer than \(CronSchedule.lengthLimit) characters")
        }
        var line = text
        if text.hasPrefix("@") {
            guard let fields = CronSchedule.nicknames[text.lowercased()] else {
                throw fail(
                    "'\(shown(text, limit: 40))' is not known, want one of "
                        + CronSchedule.nicknames.keys.sorted().joined(separator: ", "))
            }
            line = fields
        }
        let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard fields.count == 5 else {
            throw fail("it has \(Figures.count(fields.count, "field")), want five: minute hour day month weekday")
        }
        minutes = try CronField.minute.bits(fields[0])
        hours = try CronField.hour.bits(fields[1])
        days = try CronField.day.bits(fields[2])
        months = try CronField.month.bits(fields[3])
        let week = try CronField.weekday.bits(fields[4])
        weekdays = (week | week >> 7) & 0x7f
        eitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
        isFrequent = fields[1].hasPrefix("*")
        self.text = text
        guard eitherDay || hasPossibleDay else {
            throw fail("there is no day \(fields[2]) in month \(fields[3])")
        }
    }

    private var hasPossibleDay: Bool {
        (1...12).contains { month in
            months >> UInt64(month) & 1 == 1
                && days & ((1 << UInt64(CivilDate.days(inMonth: month, isLeap: true) + 1)) - 2) != 0
        }
    }

    /// Whether it may be on this day.
    func includes(_ date: CivilDate, weekday: Int) -> Bool {
        guard months >> UInt64(date.month) & 1 == 1 else { return false }
        let day = days >> UInt64(date.day) & 1 == 1
        let week = weekdays >> UInt64(weekday) & 1 == 1
        return eitherDay ? day || week : day && week
    }
}
