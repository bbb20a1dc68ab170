import Foundation
import Synchronization
import TestSupport
import Testing

/// How much is tried: samples in `make test`, everything in `make torture`.
enum Torture {
    static let isFull = ProcessInfo.processInfo.environment["LIFEBOAT_TORTURE"] == "full"

    /// Every case in the long form, else every `step`-th, so that a sample still meets every kind of fault.
    static func cases<Case>(_ all: [Case], oneIn step: Int) -> [Case] {
        isFull ? all : all.enumerated().filter { $0.offset.isMultiple(of: step) }.map(\.element)
    }
}

/// What a case came to, worst first.
enum Verdict: String, Sendable {
    /// Something is under its name that is not whole, or gone.
    case lost
    /// It was said to have worked, and it has not.
    case silent
    /// It failed, and said so in a class that leads astray.
    case wrongClass
    /// The same command, run again without the fault, did not finish.
    case unresumed
    case fine
}

/// The row of one family in the table of `make torture`.
final class Tally: Sendable {
    private let family: String
    private let began = ContinuousClock.now
    private let counts = Mutex<[Verdict: Int]>([:])
    private let stories = Mutex<[String]>([])

    init(_ family: String) {
        self.family = family
    }

    func add(_ verdict: Verdict, _ story: @autoclosure () -> String) {
        counts.withLock { $0[verdict, default: 0] += 1 }
        if verdict != .fine {
            let text = "\(verdict.rawValue): \(story())"
            stories.withLock { $0.append(text) }
        }
    }

    /// Fails the test for every case that is not fine, and for having tried nothing.
    func close(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let counts = counts.withLock { $0 }
        let cases = counts.values.reduce(0, +)
        #expect(cases > 0, "nothing was tried", sourceLocation: sourceLocation)
        for story in stories.withLock({ $0 }).prefix(20) {
            Issue.record(Comment(rawValue: story), sourceLocation: sourceLocation)
        }
        guard Torture.isFull, let path = ProcessInfo.processInfo.environment["LIFEBOAT_TORTURE_TABLE"] else { return }
        let columns = [Verdict.lost, .silent, .wrongClass, .unresumed].map { String(counts[$0] ?? 0) }
        let seconds = Int((ContinuousClock.now - began).components.seconds)
        let line = ([family, String(cases)] + columns + [String(seconds)]).joined(separator: "\t") + "\n"
        let file = fopen(path, "a")
        fputs(line, file)
        fclose(file)
    }
}

func bytes(of path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
