import NIOHTTP1
import OCI

/// How many manifests may still be read within a span of hours, as Docker Hub says with every one:
/// `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76;w=21600`.
public struct PullBudget: Sendable, Hashable {
    /// Shorter windows are a matter of pace: they pass while it is waited.
    static let shortestWindow = 60

    public let limit: Int
    public let remaining: Int
    /// Seconds.
    public let window: Int
    /// When it was said, in milliseconds since 1970.
    let seen: Int64

    /// - Returns: nil where the fields are absent, or say something else.
    init?(_ headers: HTTPHeaders, now: Int64) {
        guard let limit = PullBudget.field(headers.first(name: "RateLimit-Limit")),
            let remaining = PullBudget.field(headers.first(name: "RateLimit-Remaining")),
            limit.window == remaining.window, limit.window >= PullBudget.shortestWindow
        else { return nil }
        self.limit = limit.count
        self.remaining = remaining.count
        window = limit.window
        seen = now
    }

    func isSpent(at now: Int64) -> Bool { remaining == 0 && now < seen + Int64(window) * 1000 }

    /// Such as `76 of 100 pulls within 6 h are left`.
    public var summary: String {
        let span = window >= 3600 ? "\(window / 3600) h" : "\(window / 60) min"
        return "\(remaining) of \(limit) pulls within \(span) are left"
    }

    private static func field(_ text: String?) -> (count: Int, window: Int)? {
        guard let parts = text?.split(separator: ";"), parts.count == 2, let count = Int(parts[0].trimmed),
            parts[1].trimmed.hasPrefix("w="), let window = Int(parts[1].trimmed.dropFirst(2)), count >= 0
        else { return nil }
        return (count, window)
    }
}
