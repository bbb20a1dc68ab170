/// The order in which work of the given sizes is started so that all lanes end at about the same time.
///
/// In order, except that the largest piece that is left goes first as soon as it would be the last to end: when all the
/// others would be done by the other lanes in the time that it takes.
///
/// - Parameter lanes: how many pieces are under way at once.
/// - Returns: every index once.
public func balanced(_ sizes: [Int64], lanes: Int) -> [Int] {
    let lanes = Int64(max(1, lanes))
    let largestFirst = sizes.indices.sorted { (sizes[$0], $1) > (sizes[$1], $0) }
    var isStarted = [Bool](repeating: false, count: sizes.count)
    var order: [Int] = []
    order.reserveCapacity(sizes.count)
    var left = sizes.reduce(0, +)
    var (next, largest) = (0, 0)
    while order.count < sizes.count {
        while isStarted[next] { next += 1 }
        while isStarted[largestFirst[largest]] { largest += 1 }
        let big = largestFirst[largest]
        let chosen = sizes[big] >= (left + lanes - 1) / lanes && sizes[big] > sizes[next] ? big : next
        isStarted[chosen] = true
        order.append(chosen)
        left -= sizes[chosen]
    }
    return order
}
