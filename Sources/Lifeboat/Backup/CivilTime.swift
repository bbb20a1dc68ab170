import OCI

/// A moment as a wall clock shows it, in the Gregorian calendar.
struct CivilTime: Sendable, Hashable {
    var year: Int64
    /// 1 to 12; beyond that it is carried into the year by `seconds`.
    var month: Int64
    /// 1 to 31; beyond the month it is carried into the next by `seconds`.
    var day: Int64
    var secondOfDay: Int64

    /// - Parameter seconds: since 1970-01-01T00:00:00, by the same clock.
    init(_ seconds: Int64) {
        let day = seconds.floored(by: 86_400)
        secondOfDay = seconds - day * 86_400
        (year, month, self.day) = CivilTime.date(ofDay: day)
    }

    var hour: Int64 { secondOfDay / 3600 }

    /// Since 1970-01-01T00:00:00, by the same clock; 31 February is 3 March, or 2 March in a leap year.
    var seconds: Int64 {
        let carried = (month - 1).floored(by: 12)
        let firstOfMonth = CivilTime.day(year: year + carried, month: month - carried * 12, day: 1)
        return (firstOfMonth + day - 1) * 86_400 + secondOfDay
    }

    /// The week that has the day in it, and the year that it counts to (ISO 8601: weeks begin on Monday, and belong to
    /// the year that has their Thursday).
    var week: (year: Int64, number: Int64) {
        let day = CivilTime.day(year: year, month: month, day: day)
        // 1970-01-01 was a Thursday.
        let thursday = (day + 3).floored(by: 7) * 7
        let yearOfThursday = CivilTime.date(ofDay: thursday).year
        return (yearOfThursday, (thursday - CivilTime.day(year: yearOfThursday, month: 1, day: 1)) / 7 + 1)
    }

    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        Int64(CivilDate(year: Int(year), month: Int(month), day: Int(day)).dayNumber)
    }

    private static func date(ofDay number: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let date = CivilDate(dayNumber: Int(number))
        return (Int64(date.year), Int64(date.month), Int64(date.day))
    }
}
