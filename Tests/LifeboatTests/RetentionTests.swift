import OCI
import Testing

@testable import Lifeboat

@Suite struct RetentionTests {
    // MARK: Making backups and policies

    /// `2026-11-21 02:15:00`, UTC.
    private static func moment(_ text: String) throws -> Int64 {
        let numbers = text.split { !$0.isNumber }.compactMap { Int64($0) }
        try #require(numbers.count == 6)
        var time = CivilTime(numbers[3] * 3600 + numbers[4] * 60 + numbers[5])
        (time.year, time.month, time.day) = (numbers[0], numbers[1], numbers[2])
        return time.seconds
    }

    private static func id(_ time: Int64, _ salt: String = "") -> Digest { Digest(of: Array("\(time)\(salt)".utf8)) }

    private static func backup(
        _ text: String, complete: Bool = true, suspect: Bool = false, verified: Bool = false
    ) throws -> Retention.Candidate {
        let time = try moment(text)
        return Retention.Candidate(
            id: id(time), time: time, isComplete: complete, isSuspect: suspect, isVerified: verified)
    }

    /// `last=7 within=30d`
    private static func policy(_ text: String) throws -> Retention {
        var policy = Retention()
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "=").map(String.init)
            if parts[0] == "within" {
                policy.within = try RetentionSpan(parsing: parts[1])
            } else {
                policy.counts[try #require(Retention.Rule(rawValue: parts[0]))] = Int(parts[1])
            }
        }
        return policy
    }

    /// One letter a backup, oldest first: kept, or not.
    private static func kept(
        _ policy: String, of backups: [Retention.Candidate], now: Int64? = nil, offset: (Int64) -> Int64 = { _ in 0 }
    ) throws -> String {
        let verdicts = try Self.policy(policy).apply(
            to: backups, now: now ?? backups.map(\.time).max() ?? 0, offset: offset)
        #expect(verdicts.map(\.backup.time) == verdicts.map(\.backup.time).sorted(by: >))
        return String(verdicts.reversed().map { $0.isKept ? "k" as Character : "." })
    }

    private static func reasons(
        _ policy: String, of backups: [Retention.Candidate], offset: (Int64) -> Int64 = { _ in 0 }
    ) throws -> [String] {
        try Self.policy(policy).apply(to: backups, now: .max, offset: offset).reversed().map { verdict in
            verdict.reasons.map(\.description).joined(separator: ", ")
        }
    }

    // MARK: Slots

    @Test(arguments: ResticTable.kept.indices)
    func `what restic keeps is kept`(_ number: Int) throws {
        let backups = ResticTable.times.map { Retention.Candidate(id: Self.id($0), time: $0) }
        let (policy, wanted) = ResticTable.kept[number]
        let verdicts = try Self.policy(policy).apply(to: backups.shuffled(), now: ResticTable.times[87])
        // restic 0.14 does not keep the oldest for rules with slots left; later ones do.
        let kept = verdicts.reversed().map { verdict in
            verdict.reasons.contains { if case .oldest = $0 { false } else { true } } ? "k" as Character : "."
        }
        #expect(String(kept) == wanted, "\(policy)")
    }

    @Test func `each slot keeps its newest backup and says so`() throws {
        let backups = try [
            "2026-11-19 01:00:00", "2026-11-19 23:59:59", "2026-11-20 00:00:00", "2026-11-20 12:00:00",
            "2026-11-20 12:59:59",
        ].map { try Self.backup($0) }
        #expect(try Self.reasons("daily=2", of: backups) == ["", "daily", "", "", "daily"])
        #expect(try Self.reasons("hourly=2", of: backups) == ["", "", "hourly", "", "hourly"])
        #expect(try Self.reasons("last=2", of: backups) == ["", "", "", "last", "last"])
        #expect(try Self.reasons("last=1 daily=1 monthly=1", of: backups)[4] == "last, daily, monthly")
        #expect(try Self.reasons("within=13h", of: backups) == ["", "", "within 13h", "within 13h", "within 13h"])
    }

    @Test func `a rule with slots left keeps the oldest backup too`() throws {
        let backups = try ["2026-11-20 01:00:00", "2026-11-20 02:00:00", "2026-11-20 03:00:00"].map {
            try Self.backup($0)
        }
        #expect(try Self.reasons("daily=2", of: backups) == ["oldest daily", "", "daily"])
        #expect(try Self.reasons("daily=1", of: backups) == ["", "", "daily"])
        #expect(try Self.reasons("last=1 yearly=9", of: backups) == ["oldest yearly", "", "last, yearly"])
    }

    @Test(arguments: [
        // 2020 has a week 53, which reaches into 2021; 2024-12-30 is in week 1 of 2025.
        ("weekly=9", ["2020-12-27 10:00:00", "2020-12-28 10:00:00", "2021-01-03 10:00:00"], "k.k"),
        ("weekly=9", ["2021-01-03 10:00:00", "2021-01-04 10:00:00", "2021-01-05 10:00:00"], "k.k"),
        ("weekly=1", ["2024-12-29 10:00:00", "2024-12-30 10:00:00", "2025-01-01 10:00:00"], "..k"),
        ("weekly=2", ["2024-12-29 10:00:00", "2024-12-30 10:00:00", "2025-01-01 10:00:00"], "k.k"),
        // The end of a year, of a leap February, and of one that is none.
        ("yearly=2", ["2025-12-30 10:00:00", "2025-12-31 23:59:59", "2026-01-01 00:00:00"], ".kk"),
        ("monthly=2", ["2024-02-28 10:00:00", "2024-02-29 23:59:59", "2024-03-01 00:00:00"], ".kk"),
        ("daily=2", ["2024-02-28 10:00:00", "2024-02-29 23:59:59", "2024-03-01 00:00:00"], ".kk"),
        ("daily=3", ["2100-02-28 10:00:00", "2100-03-01 00:00:00"], "kk"),
        // Before 1970 there is no other calendar.
        ("daily=1", ["1969-12-31 22:00:00", "1969-12-31 23:59:59", "1970-01-01 00:00:00"], "..k"),
        ("daily=2", ["1969-12-31 22:00:00", "1969-12-31 23:59:59", "1970-01-01 00:00:00"], ".kk"),
    ])
    func `slots are of the Gregorian calendar and ISO weeks`(
        _ policy: String, _ times: [String], _ wanted: String
    ) throws {
        #expect(try Self.kept(policy, of: try times.map { try Self.backup($0) }) == wanted)
    }

    @Test func `slots are by the clocks that are asked for`() throws {
        // 23:30 in UTC is the next day in Berlin, two hours ahead in summer.
        let backups = try ["2026-07-01 12:00:00", "2026-07-01 23:30:00", "2026-07-02 01:00:00"].map {
            try Self.backup($0)
        }
        #expect(try Self.kept("daily=2", of: backups) == ".kk")
        #expect(try Self.kept("daily=2", of: backups, offset: { _ in 7200 }) == "k.k")
    }

    @Test func `an hour that a clock shows twice is two slots`() throws {
        // Berlin, 2026-10-25: at 01:00 UTC clocks go from 03:00 back to 02:00.
        let change = try Self.moment("2026-10-25 01:00:00")
        let backups = try ["2026-10-25 00:30:00", "2026-10-25 01:10:00", "2026-10-25 01:30:00"].map {
            try Self.backup($0)
        }
        let berlin = { (moment: Int64) -> Int64 in moment < change ? 7200 : 3600 }
        #expect(try Self.kept("hourly=2", of: backups, offset: berlin) == "k.k")
        #expect(try Self.kept("daily=2", of: backups, offset: berlin) == "k.k")
        #expect(try Self.reasons("daily=2", of: backups, offset: berlin) == ["oldest daily", "", "daily"])
    }

    // MARK: Within

    @Test(arguments: [
        ("1d", "2026-11-19 02:15:00", false), ("1d", "2026-11-19 02:15:01", true),
        ("1m", "2026-10-20 02:15:00", false), ("1m", "2026-10-20 02:15:01", true),
        ("1y", "2025-11-20 02:15:01", true), ("2y5m7d3h", "2024-06-12 23:15:00", false),
        ("2y5m7d3h", "2024-06-12 23:15:01", true),
    ])
    func `within goes back from the newest backup, and its end is outside`(
        _ span: String, _ time: String, _ isKept: Bool
    ) throws {
        let backups = try [Self.backup(time), Self.backup("2026-11-20 02:15:00")]
        #expect(try Self.kept("within=\(span)", of: backups, now: .max) == (isKept ? "kk" : ".k"))
    }

    @Test func `a month before 31 March is where 31 February would be`() throws {
        let span = RetentionSpan(months: 1)
        let before = { span.before(try Self.moment($0), offset: { _ in 0 }) }
        #expect(try before("2026-03-31 10:00:00") == Self.moment("2026-03-03 10:00:00"))
        #expect(try before("2024-03-31 10:00:00") == Self.moment("2024-03-02 10:00:00"))
        #expect(try before("2026-01-15 10:00:00") == Self.moment("2025-12-15 10:00:00"))
    }

    @Test func `days before a change of clocks end at the same time of the clock`() throws {
        let change = try Self.moment("2026-10-25 01:00:00")
        let berlin = { (moment: Int64) -> Int64 in moment < change ? 7200 : 3600 }
        // 10:00 in Berlin is 09:00 UTC after the change and 08:00 before it.
        let before = RetentionSpan(days: 1).before(try Self.moment("2026-10-25 09:00:00"), offset: berlin)
        #expect(try before == Self.moment("2026-10-24 08:00:00"))
        let hours = RetentionSpan(hours: 24).before(try Self.moment("2026-10-25 09:00:00"), offset: berlin)
        #expect(try hours == Self.moment("2026-10-24 09:00:00"))
    }

    @Test(arguments: ["30d", "2y5m7d3h", "1h", "100000y", "1y1h"])
    func `a span is written as it is read`(_ text: String) throws {
        #expect(try RetentionSpan(parsing: text).description == text)
    }

    @Test(arguments: [
        "", "0d", "d", "30", "3h2d", "1d1d", "-1d", "1w", "100001y", "1 d", "99999999999999999999d", "1.5d",
    ])
    func `what is no span is refused`(_ text: String) {
        let error = #expect(throws: LifeboatError.self) { try RetentionSpan(parsing: text) }
        #expect(error?.kind == .policy)
        #expect(error?.description.contains("want years, months, days, hours such as 30d") ?? false)
    }

    // MARK: What is never removed, and what fills no slot

    @Test func `incomplete and suspect backups fill no slot`() throws {
        let backups = try [
            Self.backup("2026-11-17 02:00:00"), Self.backup("2026-11-18 02:00:00"),
            Self.backup("2026-11-19 02:00:00", complete: false), Self.backup("2026-11-19 03:00:00", suspect: true),
            Self.backup("2026-11-20 02:00:00"),
        ]
        #expect(try Self.kept("last=2", of: backups) == ".k..k")
        #expect(try Self.kept("daily=3", of: backups) == "kk..k")
        #expect(try Self.kept("within=1y", of: backups) == "kk..k")
    }

    @Test func `an incomplete or suspect backup newer than every good one is kept`() throws {
        let backups = try [
            Self.backup("2026-11-17 02:00:00", complete: false), Self.backup("2026-11-18 02:00:00"),
            Self.backup("2026-11-19 02:00:00", complete: false), Self.backup("2026-11-20 02:00:00", suspect: true),
        ]
        #expect(
            try Self.reasons("last=1", of: backups)
                == ["", "last", "newer than every good one", "newer than every good one"])
        // With none that is good, nothing goes.
        let bad = backups.filter { !$0.isGood }
        #expect(try Self.kept("last=1", of: bad) == "kkk")
    }

    @Test func `the newest verified backup is kept whatever the rules say`() throws {
        let backups = try [
            Self.backup("2026-11-16 02:00:00", verified: true), Self.backup("2026-11-17 02:00:00", verified: true),
            Self.backup("2026-11-18 02:00:00", complete: false, verified: true), Self.backup("2026-11-19 02:00:00"),
            Self.backup("2026-11-20 02:00:00"),
        ]
        #expect(try Self.reasons("last=1", of: backups) == ["", "newest verified", "", "", "last"])
    }

    @Test func `within counts from the newest good backup`() throws {
        // A month of nights that came to nothing must not age the last good ones away.
        let backups = try [
            Self.backup("2026-10-18 02:00:00"), Self.backup("2026-10-20 02:00:00"),
            Self.backup("2026-11-20 02:00:00", complete: false),
        ]
        #expect(try Self.kept("within=7d", of: backups) == "kkk")
    }

    @Test func `no backup is kept by chance`() throws {
        // Two at one time: the ids decide, whatever the order in which they come.
        let time = try Self.moment("2026-11-20 02:00:00")
        let pair = ["a", "b"].map { Retention.Candidate(id: Self.id(time, $0), time: time) }
        let first = try Retention([.last: 1]).apply(to: pair, now: time)
        let second = try Retention([.last: 1]).apply(to: pair.reversed(), now: time)
        #expect(first == second)
        #expect(first.map(\.isKept) == [true, false])
        #expect(try Retention([.last: 1]).apply(to: [], now: 0).isEmpty)
    }

    // MARK: Guards

    @Test func `a clock behind the newest backup stops everything`() throws {
        let backups = try [Self.backup("2026-11-20 02:00:00", complete: false), Self.backup("2026-11-19 02:00:00")]
        let now = try Self.moment("2026-11-20 01:59:59")
        let error = #expect(throws: LifeboatError.self) { try Retention([.last: 1]).apply(to: backups, now: now) }
        #expect(error?.kind == .policy)
        #expect(
            error?.description
                == "the clock says 2026-11-20T01:59:59Z, and the newest backup is of 2026-11-20T02:00:00Z")
        #expect(try Retention([.last: 1]).apply(to: backups, now: now + 1).count == 2)
    }

    @Test(arguments: [Retention(), Retention([.daily: 0])])
    func `a policy that keeps nothing is refused`(_ policy: Retention) throws {
        let error = #expect(throws: LifeboatError.self) { try policy.apply(to: [], now: 0) }
        #expect(error?.kind == .policy)
    }

    @Test func `a set is not emptied without force`() throws {
        let good = try Self.backup("2026-11-19 02:00:00")
        let suspect = try Self.backup("2026-11-20 02:00:00", suspect: true)
        for removed in [[good.id], [good.id, suspect.id]] {
            let error = #expect(throws: LifeboatError.self) {
                try Retention.checkLoss(Set(removed), of: [good, suspect], in: "/srv/nightly", force: false)
            }
            #expect(error?.description == "/srv/nightly would be left without a complete backup")
            #expect(error?.advice == "--force does it all the same")
            try Retention.checkLoss(Set(removed), of: [good, suspect], in: "/srv/nightly", force: true)
        }
        try Retention.checkLoss([suspect.id], of: [good, suspect], in: "/srv/nightly", force: false)
        #expect(throws: LifeboatError.self) {
            try Retention.checkLoss([suspect.id], of: [suspect], in: "/srv/nightly", force: false)
        }
        try Retention.checkLoss([], of: [], in: "/srv/nightly", force: false)
    }

    @Test func `the newest verified backup is not forgotten by hand without force`() throws {
        let backups = try [
            Self.backup("2026-11-18 02:00:00", verified: true), Self.backup("2026-11-19 02:00:00", verified: true),
            Self.backup("2026-11-20 02:00:00"),
        ]
        try Retention.checkLoss([backups[0].id], of: backups, in: "set", force: false)
        let error = #expect(throws: LifeboatError.self) {
            try Retention.checkLoss([backups[1].id], of: backups, in: "set", force: false)
        }
        #expect(error?.description.contains("of 2026-11-19T02:00:00Z is the newest verified one of set") ?? false)
        try Retention.checkLoss([backups[1].id], of: backups, in: "set", force: true)
    }
}
