import Foundation
import OCI
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct ScheduleCronTests {
    /// The first times after a moment, as the clocks of the zone and UTC show them.
    private func times(_ cron: String, _ zone: String, after moment: String, count: Int) throws -> [String] {
        let schedule = try CronSchedule(parsing: cron)
        let clock = try ZoneClock(named: zone)
        var instant = try #require(ISO8601DateFormatter().date(from: moment)).timeIntervalSince1970.rounded()
        var times: [String] = []
        for _ in 0..<count {
            guard let next = schedule.next(after: Int64(instant), in: clock) else { break }
            times.append(String(Figures.instant(next * 1000).dropLast(4)))
            instant = Double(next)
        }
        return times
    }

    private static let lines: [(String, String, [String])] = [
        ("0 2 * * *", "2026-11-21T01:59:59Z", ["2026-11-21T02:00", "2026-11-22T02:00"]),
        ("0 2 * * *", "2026-11-21T02:00:00Z", ["2026-11-22T02:00"]),
        ("*/20 * * * *", "2026-12-31T23:39:00Z", ["2026-12-31T23:40", "2027-01-01T00:00", "2027-01-01T00:20"]),
        (
            "5,35-37 1-3/2 * * *", "2026-11-21T01:05:00Z",
            [
                "2026-11-21T01:35", "2026-11-21T01:36", "2026-11-21T01:37", "2026-11-21T03:05",
            ]
        ),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 29 feb *", "2096-03-01T00:00:00Z", ["2104-02-29T00:00"]),
        ("0 0 31 * *", "2026-01-31T00:00:00Z", ["2026-03-31T00:00", "2026-05-31T00:00"]),
        ("0 0 * * MON-Wed", "2026-11-21T00:00:00Z", ["2026-11-23T00:00", "2026-11-24T00:00", "2026-11-25T00:00"]),
        ("0 0 * * 7", "2026-11-21T00:00:00Z", ["2026-11-22T00:00"]),
        ("0 0 * * 0", "2026-11-21T00:00:00Z", ["2026-11-22T00:00"]),
        ("0 0 * * fri-sun", "2026-11-21T00:00:00Z", ["2026-11-22T00:00", "2026-11-27T00:00", "2026-11-28T00:00"]),
        // Both days restricted: one of them is enough.
        ("0 0 13 * FRI", "2026-11-08T00:00:00Z", ["2026-11-13T00:00", "2026-11-20T00:00"]),
        ("0 0 1,15 * MON", "2026-11-21T00:00:00Z", ["2026-11-23T00:00", "2026-11-30T00:00", "2026-12-01T00:00"]),
        // One of them begins with a star: both have to be met, as in vixie cron.
        ("0 0 */2 * MON", "2026-11-21T00:00:00Z", ["2026-11-23T00:00", "2026-12-07T00:00"]),
        ("0 0 13 * */5", "2026-11-08T00:00:00Z", ["2026-11-13T00:00", "2026-12-13T00:00"]),
        ("@daily", "2026-11-21T00:00:00Z", ["2026-11-22T00:00"]),
        ("@midnight", "2026-11-21T00:00:00Z", ["2026-11-22T00:00"]),
        ("@Hourly", "2026-11-21T00:00:00Z", ["2026-11-21T01:00"]),
        ("@weekly", "2026-11-21T00:00:00Z", ["2026-11-22T00:00", "2026-11-29T00:00"]),
        ("@monthly", "2026-11-21T00:00:00Z", ["2026-12-01T00:00"]),
        ("@yearly", "2026-11-21T00:00:00Z", ["2027-01-01T00:00"]),
        ("59 23 31 12 *", "1970-06-01T00:00:00Z", ["1970-12-31T23:59", "1971-12-31T23:59"]),
    ]

    @Test(arguments: lines)
    func `a line says exactly these times`(_ cron: String, _ after: String, _ expected: [String]) throws {
        #expect(try times(cron, "UTC", after: after, count: expected.count) == expected)
    }

    private static let changes: [(String, String, [String])] = [
        // Berlin, 29 March 2026: 02:00 CET becomes 03:00 CEST, at 01:00 UTC.
        ("30 2 * * *", "2026-03-28T00:00:00Z", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
        ("0,30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        ("*/15 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        ("30 2,3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:30"]),
        ("0 2,3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        ("0 3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T01:00"]),
        ("*/30 * * * *", "2026-03-29T00:00:00Z", ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]),
        ("0 */2 * * *", "2026-03-28T22:00:00Z", ["2026-03-28T23:00", "2026-03-29T02:00", "2026-03-29T04:00"]),
        // 25 October 2026: 03:00 CEST becomes 02:00 CET, at 01:00 UTC.
        ("30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("0,30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-26T01:00"]),
        ("0 3 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T02:00", "2026-10-26T02:00"]),
        ("*/30 * * * *", "2026-10-25T00:00:00Z", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
    ]

    @Test(arguments: changes)
    func `clocks that are put forward or back skip nothing and repeat nothing`(
        _ cron: String, _ after: String, _ expected: [String]
    ) throws {
        #expect(try times(cron, "Europe/Berlin", after: after, count: expected.count) == expected)
    }

    @Test func `a time that came twice is not repeated when asked from within the second hour`() throws {
        // 02:10 CET, 40 minutes after 02:30 CEST.
        #expect(
            try times("30 2 * * *", "Europe/Berlin", after: "2026-10-25T01:10:00Z", count: 1) == ["2026-10-26T01:30"])
        // Lord Howe puts its clocks by half an hour: 02:00 becomes 01:30 on 5 April 2026, at 15:00 UTC on the 4th.
        #expect(
            try times("45 1 * * *", "Australia/Lord_Howe", after: "2026-04-04T00:00:00Z", count: 2)
                == ["2026-04-04T14:45", "2026-04-05T15:15"])
        #expect(
            try times("15 2 * * *", "Australia/Lord_Howe", after: "2026-10-03T00:00:00Z", count: 2)
                == ["2026-10-03T15:30", "2026-10-04T15:15"])
    }

    @Test func `a day that a zone left out still has its run`() throws {
        // Samoa went over the date line: 30 December 2011 did not happen there.
        #expect(
            try times("0 12 * * *", "Pacific/Apia", after: "2011-12-29T00:00:00Z", count: 3)
                == ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"])
    }

    private static let wrong: [(String, String)] = [
        ("", "it has 0 fields, want five: minute hour day month weekday"),
        ("0 2 * *", "it has 4 fields"), ("0 0 2 * * *", "it has 6 fields"),
        ("60 * * * *", "minute '60': '60' is not known, want 0 to 59"),
        ("* 24 * * *", "hour '24': '24' is not known, want 0 to 23"),
        ("* * 0 * *", "day of the month '0': '0' is not known, want 1 to 31"),
        ("* * * 13 *", "month '13': '13' is not known, want 1 to 12 or JAN to DEC"),
        ("* * * FRI *", "month 'FRI': 'FRI' is not known"),
        ("* * * * 8", "weekday '8': '8' is not known, want 0 to 7 or SUN to SAT"),
        ("5/10 * * * *", "minute '5/10': a step follows * or a range, such as 5-59/10"),
        ("*/0 * * * *", "a step is a number from 1 to 59"), ("*/60 * * * *", "a step is a number from 1 to 59"),
        ("30-10 * * * *", "a range begins with the smaller one; write 30-59,0-10"),
        ("* * * * 5-1", "a range begins with the smaller one; write 5-6,0-1"),
        ("1,,2 * * * *", "'' is not known"), ("-5 * * * *", "'' is not known"), ("+5 * * * *", "'+5' is not known"),
        ("1-2-3 * * * *", "'2-3' is not known"), ("* * L * *", "'L' is not known"), ("? * * * *", "'?' is not known"),
        ("0 0 31 2 *", "there is no day 31 in month 2"), ("0 0 31 4,6 *", "there is no day 31 in month 4,6"),
        ("0 0 30-31 FEB *", "there is no day 30-31 in month FEB"),
        ("@reboot", "'@reboot' is not known, want one of @annually"),
        (String(repeating: "1,", count: 200), "it is longer than 256 characters"),
    ]

    @Test(arguments: wrong)
    func `a wrong line says which field, and what is wanted`(_ cron: String, _ words: String) {
        let error = #expect(throws: LifeboatError.self) { try CronSchedule(parsing: cron) }
        #expect(error?.description.contains(words) ?? false, "\(error?.description ?? "")")
        #expect(error?.kind == .policy)
    }

    @Test(arguments: ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
    func `every minute of the weeks in which clocks change agrees with what the rules say`(_ name: String) throws {
        let zone = try ZoneClock(named: name)
        let real = try #require(TimeZone(identifier: name))
        var random = SeededNumbers(seed: 7)
        for week in ["2026-03-27T00:00:00Z", "2026-04-03T00:00:00Z", "2026-10-01T22:00:00Z", "2026-10-23T22:00:00Z"] {
            let begin = Int64(try #require(ISO8601DateFormatter().date(from: week)).timeIntervalSince1970)
            for _ in 0..<12 {
                let hours = ["*", "*/2", "2", "1,2,3", "0-4"][Int(random.next() % 5)]
                let minutes = ["*/30", "0", "15,45", "\(random.next() % 60)"][Int(random.next() % 4)]
                let cron = try CronSchedule(parsing: "\(minutes) \(hours) * * *")
                let expected = Self.byHand(cron, real, from: begin, minutes: 3 * 1440)
                var found: [Int64] = []
                var at = begin
                while let next = cron.next(after: at, in: zone), next <= begin + 3 * 86_400 {
                    found.append(next)
                    at = next
                }
                #expect(found == expected, "\(cron) in \(name) from \(week)")
            }
        }
    }

    /// The rules again, minute by minute, out of what Foundation's clocks show.
    private static func byHand(_ cron: CronSchedule, _ zone: TimeZone, from begin: Int64, minutes: Int)
        -> [Int64]
    {
        func wall(_ instant: Int64) -> Int64 {
            instant + Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant))))
        }
        func matches(_ wall: Int64) -> Bool {
            let minute = wall / 60 % 1440
            return cron.minutes >> UInt64(minute % 60) & 1 == 1 && cron.hours >> UInt64(minute / 60) & 1 == 1
        }
        var seen = Set((-1440...0).map { wall(begin + $0 * 60) })
        var last = wall(begin)
        var found: [Int64] = []
        for number in 1...Int64(minutes) {
            let instant = begin + number * 60
            let now = wall(instant)
            let skipped = stride(from: last + 60, to: now, by: 60).contains(where: matches)
            if cron.isFrequent ? matches(now) : matches(now) && !seen.contains(now) || skipped { found.append(instant) }
            seen.insert(now)
            last = now
        }
        return found
    }
}

/// Numbers that are the same in every run (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
