@preconcurrency import Dispatch
import Glibc
import Synchronization

/// The first SIGINT or SIGTERM asks the work to stop; a second one, or two seconds, end the process.
final class Signals: Sendable {
    static let grace = DispatchTimeInterval.milliseconds(1900)

    private let received = Mutex<Int32?>(nil)
    private let sources: [any DispatchSourceSignal]

    init(stop: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "signals")
        sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for (source, number) in zip(sources, [SIGINT, SIGTERM, SIGHUP]) {
            source.setEventHandler { [weak self] in
                guard let self else { return }
                let isFirst = received.withLock { known in
                    defer { known = known ?? number }
                    return known == nil
                }
                guard isFirst else { _exit(128 + number) }
                stop()
                queue.asyncAfter(deadline: .now() + Signals.grace) {
                    Terminal.story(Signals.words(number))
                    _exit(128 + number)
                }
            }
            source.resume()
        }
    }

    /// Ends the process with 128 + N if a signal asked for it.
    func exitIfStopped() {
        guard let number = received.withLock({ $0 }) else { return }
        Terminal.story(Signals.words(number))
        exit(128 + number)
    }

    private static func words(_ number: Int32) -> String {
        let name = [SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP"][number] ?? "signal \(number)"
        if CommandLine.arguments.dropFirst().first == "serve" { return "lifeboat: stopped by \(name)" }
        return
            "lifeboat: stopped by \(name); nothing incomplete has a final name\n  try: the same command again, it goes on from here"
    }
}
