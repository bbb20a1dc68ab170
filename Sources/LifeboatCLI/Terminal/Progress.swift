import Lifeboat
import OCI
import Synchronization

/// Tells people what a run does: a bar on a terminal, one line an image elsewhere.
final class Progress: Sendable {
    private struct State {
        var step = ""
        var images = 0
        var imagesEnded = 0
        var bytes: Int64 = 0
        var bytesDone: Int64 = 0
        var began = ContinuousClock.now
        var drawn: ContinuousClock.Instant?
        var isDrawn = false
    }

    /// How often the bar is drawn.
    private static let interval = Duration.milliseconds(100)

    private let isQuiet: Bool
    private let hasBar: Bool
    private let state = Mutex(State())

    init(isQuiet: Bool) {
        self.isQuiet = isQuiet
        hasBar = !isQuiet && Terminal.hasStatusLine
    }

    func handle(_ event: RunEvent) {
        if isQuiet { return }
        state.withLock { state in
            switch event {
            case .stepBegan(_, let what):
                clear(&state)
                state = State()
                state.step = what
                Terminal.story(what)
            case .planned(let images, let alreadyThere, let bytes):
                state.images = images
                state.bytes = bytes
                state.began = .now
                clear(&state)
                Terminal.story(
                    "  \(count(images, "image")) to read, \(size(bytes))"
                        + (alreadyThere > 0 ? ", \(alreadyThere) already there" : ""))
            case .reading(_, let bytes):
                state.images = 1
                state.imagesEnded = 0
                state.bytes = bytes
                state.bytesDone = 0
                state.began = .now
            case .moved(let bytes):
                state.bytesDone += Int64(bytes)
                draw(&state)
            case .saved(let bytes):
                state.bytesDone += bytes
                draw(&state)
            case .imageEnded(let image):
                if image.outcome != .alreadyThere { state.imagesEnded += 1 }
                if !hasBar || image.outcome == .failed {
                    clear(&state)
                    // Why stands in the summary, where it is still seen when all is over.
                    Terminal.story("  " + (image.outcome == .failed ? "failed: \(image.source)" : Progress.line(image)))
                }
                draw(&state)
            case .note(let text):
                clear(&state)
                Terminal.story("  note: " + text)
            }
        }
    }

    /// Takes the bar away.
    func end() {
        state.withLock { clear(&$0) }
    }

    private func clear(_ state: inout State) {
        guard state.isDrawn else { return }
        Terminal.status("")
        state.isDrawn = false
        state.drawn = nil
    }

    private func draw(_ state: inout State) {
        guard hasBar, state.images > 0 else { return }
        let now = ContinuousClock.now
        if let drawn = state.drawn, drawn.duration(to: now) < Progress.interval { return }
        state.drawn = now
        state.isDrawn = true
        let seconds = max(state.began.duration(to: now).seconds, 0.001)
        let rate = Double(state.bytesDone) / seconds
        let fraction = state.bytes > 0 ? min(1, Double(state.bytesDone) / Double(state.bytes)) : 0
        let left = rate > 0 && fraction > 0 ? Double(max(0, state.bytes - state.bytesDone)) / rate : nil
        var words = state.images > 1 ? " \(state.imagesEnded)/\(state.images) images" : ""
        words += "  \(size(state.bytesDone)) of \(size(state.bytes))"
        words += "  \(size(Int64(rate)))/s"
        if let left { words += "  \(time(left)) left" }
        let room = min(40, max(0, Terminal.width - words.count - 5))
        let filled = Int(fraction * Double(room))
        let bar =
            room < 8 ? "" : "  " + String(repeating: "█", count: filled) + String(repeating: "░", count: room - filled)
        Terminal.status(String((bar + " " + words).prefix(Terminal.width - 1)))
    }

    /// What an image is called at both sides, and where it went: the line before all of them says what it came from.
    static func way(of image: ImageReport) -> String {
        let common = zip(image.source.reversed(), image.target.reversed()).prefix { $0 == $1 }.count
        // The whole parts of the path that are the same.
        guard let slash = image.source.suffix(common).firstIndex(of: "/") else {
            return "\(image.source) → \(image.target)"
        }
        let name = image.source[image.source.index(after: slash)...]
        return "\(name) → \(image.target.dropLast(name.count + 1))"
    }

    /// One image on one line.
    static func line(_ image: ImageReport) -> String {
        switch image.outcome {
        case .failed:
            return "failed: \(image.source): \(image.error?.message ?? "")"
                + (image.error?.advice.map { "\n    try: " + $0 } ?? "")
        case .alreadyThere: return "already there: \(image.target)"
        case .done:
            let place = image.target.hasPrefix("nowhere/") || image.target.isEmpty ? image.source : way(of: image)
            let moved = image.size > 0 ? "  \(size(image.size)), \(size(image.bytesMoved)) read" : ""
            let notes = image.notes.map { "\n    note: " + $0 }.joined()
            return "done: \(place)\(moved)\(notes)"
        }
    }
}
