import Foundation
import Testing

@testable import Lifeboat

@Suite struct CivilTimeTests {
    @Test func `days and weeks are those of Foundation's calendars`() throws {
        var gregorian = Calendar(identifier: .gregorian)
        gregorian.timeZone = try #require(TimeZone(identifier: "UTC"))
        var iso = Calendar(identifier: .iso8601)
        iso.timeZone = gregorian.timeZone
        // Every 10 days and 7 hours over 130 years, and every day around ends of years.
        let step: Int64 = 10 * 86_400 + 25_201
        let first: Int64 = -20 * 365 * 86_400
        var moments: [Int64] = []
        for number in Int64(0)..<4600 { moments.append(first + number * step) }
        for year in Int64(1995)...2045 {
            var start = CivilTime(43_200)
            (start.year, start.month, start.day) = (year, 12, 22)
            for day in Int64(0)..<20 { moments.append(start.seconds + day * 86_400) }
        }
        for moment in moments {
            let time = CivilTime(moment)
            let date = Date(timeIntervalSince1970: Double(moment))
            let wanted = gregorian.dateComponents([.year, .month, .day, .hour], from: date)
            let week = iso.dateComponents([.yearForWeekOfYear, .weekOfYear], from: date)
            let ours: [Int64?] = [time.year, time.month, time.day, time.hour, time.week.year, time.week.number]
            let theirs = [
                wanted.year, wanted.month, wanted.day, wanted.hour, week.yearForWeekOfYear, week.weekOfYear,
            ]
            #expect(ours == theirs.map { $0.map { Int64($0) } }, "\(moment)")
            #expect(time.seconds == moment)
        }
    }
}
