import OCI

/// Which slots of an archive in progress are complete, and who is at work on one.
actor SlotLedger {
    private enum State { case open, busy, complete }
    private var states: [State]
    private var waiting: [Int: [CheckedContinuation<Void, Never>]] = [:]

    init(count: Int) {
        states = Array(repeating: .open, count: count)
    }

    /// Takes a slot for the caller alone, after whoever has it now.
    ///
    /// - Returns: false if the slot is complete, and there is nothing to do.
    func claim(_ number: Int) async -> Bool {
        while states[number] == .busy {
            await withCheckedContinuation { waiting[number, default: []].append($0) }
        }
        if states[number] == .complete { return false }
        states[number] = .busy
        return true
    }

    func release(_ number: Int, complete: Bool) {
        states[number] = complete ? .complete : .open
        for continuation in waiting.removeValue(forKey: number) ?? [] { continuation.resume() }
    }

    func complete(_ numbers: Range<Int>) {
        for number in numbers { states[number] = .complete }
    }

    /// The first of the slots that are not complete, and how many there are.
    func missing() -> (first: Int, count: Int)? {
        guard let first = states.firstIndex(where: { $0 != .complete }) else { return nil }
        return (first, states.count { $0 != .complete })
    }
}
