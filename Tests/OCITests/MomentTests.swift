import OCI
import Testing

struct MomentTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z", "19700101T000000Z"), (951_782_400, "2000-02-29T00:00:00Z", "20000229T000000Z"),
        (1_763_690_400, "2025-11-21T02:00:00Z", "20251121T020000Z"),
        (4_102_444_799, "2099-12-31T23:59:59Z", "20991231T235959Z"),
        (-1, "1969-12-31T23:59:59Z", "19691231T235959Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z", "99991231T235959Z"),
    ])
    func `a moment is written in UTC and read back`(_ seconds: Int64, _ text: String, _ compact: String) throws {
        let moment = Moment(seconds)
        #expect(moment.description == text)
        #expect(moment.compact == compact)
        #expect(try Moment(parsing: text) == moment)
    }

    @Test(arguments: [
        ("2025-11-21T03:00:00+01:00", 1_763_690_400), ("2025-11-20T18:30:00-07:30", 1_763_690_400),
        ("2025-11-21t02:00:00.999z", 1_763_690_400), ("2025-11-21 02:00:00Z", 1_763_690_400),
    ])
    func `zones and fractions are read`(_ text: String, _ seconds: Int64) throws {
        #expect(try Moment(parsing: text).seconds == seconds)
    }

    @Test(arguments: [
        ("2025-11-21T02:00:00Z", 0), ("2025-11-21T02:00:00.5+01:00", 500_000_000),
        ("2025-11-21T02:00:00.000000001Z", 1), ("2025-11-21T02:00:00.9999999999Z", 999_999_999),
    ])
    func `fractions are kept to the billionth, and written without`(_ text: String, _ nanoseconds: Int64) throws {
        let moment = try Moment(parsing: text)
        #expect(moment.nanoseconds == nanoseconds)
        #expect(!moment.description.contains("."))
        #expect((Moment(moment.seconds) < moment) == (nanoseconds > 0))
    }

    @Test(arguments: [
        "", "2025-11-21", "2025-11-21T02:00:00", "2025-11-21T02:00Z", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z",
        "2025-11-31T00:00:00Z", "2025-02-31T00:00:00Z", "2025-04-31T00:00:00Z", "2025-06-31T00:00:00Z",
        "2025-09-31T00:00:00Z", "2025-12-32T00:00:00Z", "2025-12-00T00:00:00Z", "2025-11-21T24:00:00Z",
        "2025-11-21T02:60:00Z", "2025-11-21T02:00:00.Z",
        "2025-11-21T02:00:00+25:00", "2025-11-21T02:00:00Zx", "1900-02-29T00:00:00Z", "latest", "٢٠٢٥-11-21T02:00:00Z",
    ])
    func `what is no moment is refused`(_ text: String) {
        let error = #expect(throws: OCIError.self) { _ = try Moment(parsing: text) }
        #expect(error?.kind == .usage)
    }

    @Test func `milliseconds are cut downwards, also before 1970`() {
        #expect(Moment(milliseconds: 1999).seconds == 1)
        #expect(Moment(milliseconds: -1).seconds == -1)
    }
}
