import Testing

@testable import OCIRegistry

/// Over how many connections a blob is read.
struct PaceTests {
    private let policy = RangePolicy()
    private let megabyte: Int64 = 1_000_000

    /// What one connection says after a second of 10 MB, of which it was waited for as long as given.
    private func slowRate(waiting: Duration, bytes: Int = 10_000_000, of received: Int64 = 30_000_000) -> Double? {
        var pace = Pace(policy)
        pace.restart(received: 0, at: .zero)
        return pace.slowRate(after: bytes, waiting: waiting, received: received, at: .seconds(1))
    }

    @Test func `a connection is slow if it is waited for, brings little, and others do as well`() {
        #expect(slowRate(waiting: .milliseconds(900)) == 30_000_000)
        #expect(slowRate(waiting: .milliseconds(500)) == nil)
        #expect(slowRate(waiting: .milliseconds(900), bytes: 100_000_000) == nil)
        #expect(slowRate(waiting: .milliseconds(900), of: 200_000_000) == nil)
    }

    @Test func `nothing is decided before the patience is over, which is longer after a retreat`() {
        var pace = Pace(policy)
        #expect(pace.slowRate(after: 1, waiting: .milliseconds(200), received: 1, at: .milliseconds(200)) == nil)
        #expect(pace.slowRate(after: 1, waiting: .milliseconds(100), received: 2, at: .milliseconds(300)) != nil)
        pace.retreat()
        pace.restart(received: 2, at: .milliseconds(300))
        #expect(pace.slowRate(after: 1, waiting: .milliseconds(900), received: 3, at: .milliseconds(1200)) == nil)
        #expect(pace.slowRate(after: 1, waiting: .milliseconds(200), received: 4, at: .milliseconds(1400)) != nil)
    }

    /// How many connections are used after each of the steps, in which as many MB came per 250 ms.
    private func counts(_ steps: [Int64]) -> [Int] {
        var lanes = Lanes(policy, rate: 20e6, received: 0, at: .zero)
        var (received, now) = (Int64(0), Duration.zero)
        var counts: [Int] = []
        for step in steps {
            received += step * megabyte
            now += policy.patience
            for _ in 1..<lanes.count { _ = lanes.isUseful(after: received, at: now - .milliseconds(1)) }
            counts.append(lanes.isUseful(after: received, at: now) ? lanes.count : 0)
        }
        return counts
    }

    @Test func `twice as many are used as long as it helps`() {
        #expect(counts([20, 40, 80, 80]) == [8, 16, 16, 16])
        #expect(counts([20, 21, 20]) == [8, 4, 4])
        #expect(counts([5, 5]) == [4, 0])
        #expect(counts([5, 30, 5]) == [4, 8, 4])
    }

    @Test func `a registry that cannot cope is asked for less`() {
        var lanes = Lanes(policy, rate: 1, received: 0, at: .zero)
        for want in [2, 1, 1] {
            lanes.fewer(received: 0, at: .zero)
            #expect(lanes.count == want)
        }
    }

    @Test func `parts that wait share one room, except for those that are waited for`() {
        let window = RangeWindow(bytes: 10)
        #expect(window.take(6, isNext: false))
        #expect(!window.take(5, isNext: false))
        #expect(window.take(5, isNext: true))
        window.release(6)
        #expect(window.take(5, isNext: false))
    }
}
