import ArgumentParser
import Lifeboat
import OCI

/// A policy of retention, in restic's words.
struct KeepFlags: ParsableArguments {
    @Option(name: .customLong("keep-last"), help: ArgumentHelp("Keep the newest backups.", valueName: "n"))
    var last: Int?

    @Option(name: .customLong("keep-hourly"), help: ArgumentHelp("Keep the newest of so many hours.", valueName: "n"))
    var hourly: Int?

    @Option(name: .customLong("keep-daily"), help: ArgumentHelp("Keep the newest of so many days.", valueName: "n"))
    var daily: Int?

    @Option(
        name: .customLong("keep-weekly"),
        help: ArgumentHelp("Keep the newest of so many weeks (ISO 8601, from Monday).", valueName: "n"))
    var weekly: Int?

    @Option(name: .customLong("keep-monthly"), help: ArgumentHelp("Keep the newest of so many months.", valueName: "n"))
    var monthly: Int?

    @Option(name: .customLong("keep-yearly"), help: ArgumentHelp("Keep the newest of so many years.", valueName: "n"))
    var yearly: Int?

    @Option(
        name: .customLong("keep-within"),
        help: ArgumentHelp(
            "Keep all since this long before the newest: years, months, days, hours.", valueName: "2y5m7d3h"))
    var within: String?

    @Option(
        name: .customLong("time-zone"),
        help: ArgumentHelp("By whose clocks days and the others begin, such as Europe/Berlin.", valueName: "zone"))
    var timeZone = "UTC"

    private var counts: [(Retention.Rule, Int?)] {
        [
            (.last, last), (.hourly, hourly), (.daily, daily), (.weekly, weekly), (.monthly, monthly),
            (.yearly, yearly),
        ]
    }

    func validate() throws {
        for (rule, count) in counts {
            guard let count, !(1...Retention.countLimit).contains(count) else { continue }
            throw ValidationError("--keep-\(rule.rawValue) is \(count), want 1 to \(Retention.countLimit)")
        }
    }

    /// Nil if no rule is given.
    var retention: SetRetention? {
        get throws {
            var policy = Retention()
            for (rule, count) in counts { policy.counts[rule] = count }
            policy.within = try within.map { try RetentionSpan(parsing: $0) }
            return policy.isEmpty ? nil : SetRetention(policy, zone: try ZoneClock(named: timeZone))
        }
    }
}
