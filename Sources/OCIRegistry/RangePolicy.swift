/// When one blob is read in parts over several connections at once, and over how many.
public struct RangePolicy: Sendable {
    /// The most connections for one blob; 1 for never more than one.
    public var connections = 16
    /// Bytes a request. A part that comes before its turn is held in memory.
    public var partSize = 1 << 20
    /// Bytes that must be left of a blob.
    public var leastLeft: Int64 = 16 << 20
    /// Bytes a second on one connection, from which on more of them are not worth it.
    public var slowRate = 64 << 20
    /// The same for all connections to the registry together: it is the machines that are busy then, not the link.
    public var fastRate = 128 << 20
    /// The part of the time spent waiting for bytes; below it, more of them would not be taken any faster.
    public var waiting = 0.7
    /// How long a rate is measured before something is decided by it.
    public var patience = Duration.milliseconds(250)
    /// By how much twice the connections must raise the rate to be kept.
    public var gain = 1.2

    public init() {}
}
