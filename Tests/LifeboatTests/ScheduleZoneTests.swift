import Foundation
import OCI
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct ScheduleZoneTests {
    @Test(arguments: [
        "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
        "Australia/Sydney", "Asia/Kathmandu", "Asia/Kolkata", "Etc/GMT+5", "UTC",
    ])
    func `a zone shows what another reader of the same rules says, from 1975 to 2100`(_ name: String) throws {
        let zone = try ZoneClock(named: name)
        let other = try #require(TimeZone(identifier: name))
        for instant in stride(from: Int64(157_766_400), to: 4_102_444_800, by: 3_600_007) {
            let expected = other.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant)))
            #expect(zone.offset(at: instant) == expected, "\(name) at \(Figures.instant(instant * 1000))")
        }
    }

    @Test func `every zone of this machine can be read, and its stretches join`() throws {
        let lines = try String(contentsOfFile: ZoneClock.folder + "/tzdata.zi", encoding: .utf8).split(separator: "\n")
        let names = lines.filter { $0.hasPrefix("Z ") }.map { String($0.split(separator: " ")[1]) }
        #expect(names.count > 300)
        for name in names {
            let zone = try ZoneClock(named: name)
            var at: Int64 = 1_700_000_000
            for _ in 0..<6 {
                let stretch = zone.stretch(at: at)
                #expect(zone.offset(at: at) == stretch.offset, "\(name)")
                guard stretch.end < .max else { break }
                #expect(stretch.end > at, "\(name)")
                #expect(zone.offset(at: stretch.end - 1) == stretch.offset, "\(name)")
                at = stretch.end
            }
        }
    }

    @Test(arguments: ["Europe/Berlim", "../../etc/passwd", "/etc/localtime", "", "Europe", "Europe/", "a\u{0}b", "Ä"])
    func `what is no zone is refused as a fault of the definition`(_ name: String) {
        let error = #expect(throws: LifeboatError.self) { try ZoneClock(named: name) }
        #expect(error?.kind == .policy)
        #expect(error?.description.hasSuffix("want a name such as Europe/Berlin or UTC") ?? false)
    }

    @Test func `where there is no database the advice says what to install, and UTC is there all the same`() throws {
        let error = #expect(throws: LifeboatError.self) {
            try ZoneClock(named: "Europe/Berlin", in: "/nonexistent/zones")
        }
        #expect(error?.advice?.contains("tzdata") ?? false)
        #expect(try ZoneClock(named: "UTC", in: "/nonexistent/zones").offset(at: 0) == 0)
    }

    private static let rules: [(text: String, instant: Int64, offset: Int)] = [
        ("CET-1CEST,M3.5.0,M10.5.0/3", 1_782_777_600, 7200), ("CET-1CEST,M3.5.0,M10.5.0/3", 1_767_225_600, 3600),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1_782_777_600, -3600), ("<+0545>-5:45", 0, 20_700),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_767_225_600, 0), ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_767_225_600, 39_600),
        ("AAA4BBB,J60/0,J300/0", 1_772_352_000, -10_800),  // 1 March 2026: 29 February is not counted
        ("AAA4BBB,60/0,300/0", 1_772_352_000, -14_400),
    ]

    @Test(arguments: rules)
    func `a rule for the future is read as POSIX writes it`(_ text: String, _ instant: Int64, _ offset: Int) throws {
        #expect(try ZoneRule(parsing: text).offset(at: instant) == offset)
    }

    @Test(arguments: [
        "", "CE-1", "CET", "CET-25", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M1.1.1",
        "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J300", "CET-1CEST,366,10", "CET-1CEST,M3.5.0/168,M10.5.0", "<+>-1",
        "CET-1 ",
        "CET-1CEST,M3.5.0,M10.5.0x",
    ])
    func `what is no such rule is refused`(_ text: String) {
        #expect(throws: LifeboatError.self) { try ZoneRule(parsing: text) }
    }

    @Test func `a file that is damaged at any byte is refused or still a clock, and never more`() async throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: ZoneClock.folder + "/Europe/Berlin"))
        try await withTemporaryFolder { folder in
            let url = URL(fileURLWithPath: folder + "/Zone")
            var refused = 0
            for length in stride(from: 0, to: whole.count, by: 37) {
                try whole.prefix(length).write(to: url)
                #expect(throws: LifeboatError.self) { try ZoneClock(named: "Zone", in: folder) }
            }
            for place in stride(from: 0, to: whole.count, by: 11) {
                var damaged = whole
                damaged[place] ^= 0xff
                try damaged.write(to: url)
                do {
                    _ = try ZoneClock(named: "Zone", in: folder).stretch(at: 1_800_000_000)
                } catch let error as LifeboatError {
                    refused += 1
                    #expect(error.kind == .local)
                }
            }
            #expect(refused > 20)
        }
    }
}
