import OCI

/// The times that a schedule comes to.
///
/// Where the clocks are put forward, a time that is skipped counts as the moment after the jump, and all that were
/// skipped count as one. Where they are put back, a time that comes twice counts the first time. A schedule whose field of hours begins
/// with `*` is of the other kind, `*/15 * * * *`: it goes on through the change as the hours do, skipping none and
/// taking each.
extension CronSchedule {
    /// How far ahead is looked: 29 February can be eight years away.
    private static let horizon: Int64 = 9 * 366 * 86_400

    /// The first time after an instant.
    ///
    /// - Parameter instant: seconds since 1970.
    /// - Returns: nil if there is none in the next nine years.
    public func next(after instant: Int64, in zone: ZoneClock) -> Int64? {
        var stretch = zone.stretch(at: instant)
        // What the clocks have shown before the stretch; the past hour and a bit is looked up, since they may have been put back.
        var earliest = repeatedUntil(instant, in: zone)
        var from = instant + 1
        let end = instant + CronSchedule.horizon
        while from < end {
            var wall = from + Int64(stretch.offset)
            if !isFrequent { wall = max(wall, earliest) }
            let limit = min(stretch.end, end) + Int64(stretch.offset)
            if let found = nextWall(from: wall, before: limit) { return found - Int64(stretch.offset) }
            guard stretch.end < end else { return nil }
            let following = zone.stretch(at: stretch.end)
            let (old, new) = (stretch.end + Int64(stretch.offset), stretch.end + Int64(following.offset))
            if new > old, !isFrequent, nextWall(from: max(old, earliest), before: new) != nil { return stretch.end }
            earliest = max(earliest, old)
            from = stretch.end
            stretch = following
        }
        return nil
    }

    /// The first wall time that the clocks have not shown before an instant.
    ///
    /// Only the last day is looked at: nowhere were clocks put back by more.
    private func repeatedUntil(_ instant: Int64, in zone: ZoneClock) -> Int64 {
        var at = instant - 86_400
        var earliest = Int64.min
        while true {
            let stretch = zone.stretch(at: at)
            guard stretch.end <= instant else { return earliest }
            earliest = max(earliest, stretch.end + Int64(stretch.offset))
            at = stretch.end
        }
    }

    /// The first wall time at or after `wall` and before `limit` that the fields allow.
    private func nextWall(from wall: Int64, before limit: Int64) -> Int64? {
        let start = (wall + 59).floored(by: 60)  // minutes
        var day = Int(start.floored(by: 1440))
        var minute = Int(start - Int64(day) * 1440)
        while Int64(day) * 86_400 < limit {
            let date = CivilDate(dayNumber: day)
            if months >> UInt64(date.month) & 1 == 0 {
                day += CivilDate.days(inMonth: date.month, isLeap: CivilDate.isLeap(date.year)) - date.day + 1
                minute = 0
                continue
            }
            if includes(date, weekday: CivilDate.weekday(ofDayNumber: day)), let found = minuteOfDay(from: minute) {
                let found = Int64(day) * 86_400 + Int64(found) * 60
                return found < limit ? found : nil
            }
            day += 1
            minute = 0
        }
        return nil
    }

    private func minuteOfDay(from minute: Int) -> Int? {
        let first = minute / 60
        for hour in first..<24 where hours >> UInt64(hour) & 1 == 1 {
            let left = hour == first ? minutes & (.max << UInt64(minute % 60)) : minutes
            if left != 0 { return hour * 60 + left.trailingZeroBitCount }
        }
        return nil
    }
}
