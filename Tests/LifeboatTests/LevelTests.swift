import Testing

@testable import Lifeboat

/// How many blobs are under way at once.
struct LevelTests {
    /// The count after each step of 300 ms, in which as many MB and blobs came.
    private func counts(_ steps: [(megabytes: Int64, blobs: Int)], most: Int = 16) -> [Int] {
        var level = Level(first: 6, most: most, bytes: 0, at: .zero)
        var (bytes, now) = (Int64(0), Duration.zero)
        return steps.map { step in
            bytes += step.megabytes << 20
            for _ in 1..<step.blobs { level.noteArrival(bytes: bytes, at: now) }
            now += .milliseconds(300)
            level.noteArrival(bytes: bytes, at: now)
            return level.count
        }
    }

    @Test func `small blobs far away get more, as long as that brings more`() {
        #expect(counts([(0, 45), (0, 90), (0, 120)]) == [12, 16, 16])
        #expect(counts([(3, 20), (6, 20), (7, 20)]) == [12, 16, 16])
    }

    @Test func `what brings no more is taken back, and tried again later`() {
        let steps = Array(repeating: (megabytes: Int64(3), blobs: 40), count: 20)
        let counts = counts(steps)
        #expect(counts.prefix(3) == [12, 6, 6])
        #expect(counts.count { $0 == 12 } == 2)
    }

    @Test func `where bytes come fast, or only so many are wanted, nothing is tried`() {
        #expect(counts([(100, 40), (100, 40)]) == [6, 6])
        #expect(counts([(3, 40), (3, 90)], most: 6) == [6, 6])
        #expect(counts([(3, 5), (3, 5), (3, 5)]).first == 6)
    }
}
