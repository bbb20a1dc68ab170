import Foundation

/// How far tests go that could go on for long: a sample, or the whole with `LIFEBOAT_SCALE=full`.
public enum Scale {
    public static let isFull = ProcessInfo.processInfo.environment["LIFEBOAT_SCALE"] == "full"

    /// All of them, or one of `step`; a `step` that is prime meets every bit of a byte and every field of a header.
    public static func some<Element>(_ all: some Collection<Element>, of step: Int) -> [Element] {
        isFull ? Array(all) : all.enumerated().filter { $0.offset.isMultiple(of: step) }.map(\.element)
    }

    /// Of the numbers 1 to `count` about as many as wanted, spread over all of them, always with the first and the last.
    public static func sample(_ wanted: Int, of count: Int) -> [Int] {
        guard !isFull, count > wanted else { return Array(1...count) }
        let step = Double(count - 1) / Double(wanted - 1)
        return (0..<wanted).map { 1 + Int((Double($0) * step).rounded()) }
    }
}
