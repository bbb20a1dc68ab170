import OCI
import Testing

/// In which order work is started.
struct BalancedTests {
    @Test func `what would end last starts in time, everything else keeps its order`() {
        #expect(balanced([1, 1, 1, 1, 1, 1, 1, 1, 8], lanes: 2) == [8, 0, 1, 2, 3, 4, 5, 6, 7])
        #expect(balanced([5, 5, 5, 5, 10], lanes: 2) == [0, 1, 4, 2, 3])
        #expect(balanced([3, 3, 3], lanes: 3) == [0, 1, 2])
        #expect(balanced([0, 0, 0], lanes: 4) == [0, 1, 2])
        #expect(balanced([], lanes: 4) == [])
    }

    @Test(arguments: 1...6)
    func `lanes end together, whatever comes last`(lanes: Int) {
        var sizes = (0..<200).map { Int64(($0 * 7919) % 97 + 1) }
        sizes.append(1000)
        let order = balanced(sizes, lanes: lanes)
        #expect(order.sorted() == Array(sizes.indices))
        var ends = [Int64](repeating: 0, count: lanes)
        for piece in order { ends[ends.firstIndex(of: ends.min() ?? 0) ?? 0] += sizes[piece] }
        #expect((ends.max() ?? 0) - (ends.min() ?? 0) <= 97)
    }
}
