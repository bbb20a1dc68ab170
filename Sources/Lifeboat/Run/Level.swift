/// How many blobs are under way at once: more as long as that brings more, and not where the machine is the limit.
///
/// What it does not know is what a registry can take; that is limited for each registry, by how it answers.
struct Level {
    /// How long the rates are measured before something is decided by them.
    private static let window = Duration.milliseconds(250)
    /// By how much one of the rates must rise for a step to be kept.
    private static let gain = 1.15
    /// After how many windows a step is tried again that did not help before.
    private static let rest = 16
    /// Bytes a second, from which on it is the machines that are busy and not the connections.
    private static let fastRate = Double(128 << 20)

    /// What happened within one window.
    private struct Rates {
        var bytes: Double
        var blobs: Double
    }

    private let most: Int
    private(set) var count: Int
    /// How many there were before the last step, and the rates of that time; nil if it was not a step that came last.
    private var before: (count: Int, rates: Rates)?
    private var start: Duration
    private var startBytes: Int64
    private var blobs = 0
    private var patience = 1

    /// - Parameters:
    ///   - bytes: moved so far.
    ///   - now: the time since some moment.
    init(first: Int, most: Int, bytes: Int64, at now: Duration) {
        count = max(1, first)
        self.most = max(count, most)
        (startBytes, start) = (bytes, now)
    }

    /// Takes note of a blob that has arrived.
    mutating func noteArrival(bytes: Int64, at now: Duration) {
        blobs += 1
        let elapsed = now - start
        guard count < most || before != nil, blobs >= count, elapsed >= Level.window * patience else { return }
        let seconds = elapsed.seconds
        let rates = Rates(bytes: Double(bytes - startBytes) / seconds, blobs: Double(blobs) / seconds)
        patience = 1
        if let (old, known) = before, rates.bytes < known.bytes * Level.gain, rates.blobs < known.blobs * Level.gain {
            count = old
            before = nil
            patience = Level.rest
        } else if rates.bytes < Level.fastRate, count < most {
            before = (count, rates)
            count = min(count * 2, most)
        } else {
            before = nil
        }
        (start, startBytes, blobs) = (now, bytes, 0)
    }
}
