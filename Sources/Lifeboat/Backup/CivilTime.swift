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
        let day = CivilTime.floorDivide(seconds, 86_400)
        secondOfDay = seconds - day * 86_400
        (year, month, self.day) = CivilTime.date(ofDay: day)
    }

    var hour: Int64 { secondOfDay / 3600 }

    /// Since 1970-01-01T00:00:00, by the same clock; 31 February is 3 March, or 2 March in a leap year.
    var seconds: Int64 {
        let carried = CivilTime.floorDivide(month - 1, 12)
        let firstOfMonth = CivilTime.day(year: year + carried, month: month - carried * 12, day: 1)
        return (firstOfMonth + day - 1) * 86_400 + secondOfDay
    }

    /// The week that has the day in it, and the year that it counts to (ISO 8601: weeks begin on Monday, and belong to
    /// the year that has their Thursday).
    var week: (year: Int64, number: Int64) {
        let day = CivilTime.day(year: year, month: month, day: day)
        // 1970-01-01 was a Thursday.
        let weekday = CivilTime.remainder(day + 3, 7)
        let thursday = day - weekday + 3
        let yearOfThursday = CivilTime.date(ofDay: thursday).year
        return (yearOfThursday, (thursday - CivilTime.day(year: yearOfThursday, month: 1, day: 1)) / 7 + 1)
    }

    // Days and dates, counted in eras of 400 years from 1 March of year 0: leap days come last in their years.

    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = floorDivide(year, 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(ofDay number: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = number + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        return (yearOfEra + era * 400 + (month < 10 ? 0 : 1), month < 10 ? month + 3 : month - 9, day)
    }

    private static func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
        (number - remainder(number, divisor)) / divisor
    }

    private static func remainder(_ number: Int64, _ divisor: Int64) -> Int64 {
        (number % divisor + divisor) % divisor
    }
}
