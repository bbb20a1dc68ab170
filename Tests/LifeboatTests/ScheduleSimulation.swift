import Foundation
import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// Days that pass in a moment: whoever sleeps is woken at once, and the clock shows the time that he wanted.
final class SimulatedTime: Clock {
    struct Instant: InstantProtocol {
        var milliseconds: Int64
        func advanced(by duration: Duration) -> Instant { Instant(milliseconds: milliseconds + duration.milliseconds) }
        func duration(to other: Instant) -> Duration { .milliseconds(other.milliseconds - milliseconds) }
        static func < (a: Instant, b: Instant) -> Bool { a.milliseconds < b.milliseconds }
    }

    private let moment: Mutex<Int64>
    /// Sleeping beyond this moment is being stopped.
    private let end = Mutex<Int64>(.max)

    init(_ text: String) { moment = Mutex(SimulatedTime.milliseconds(text)) }

    static func milliseconds(_ text: String) -> Int64 {
        Int64(ISO8601DateFormatter().date(from: text)!.timeIntervalSince1970 * 1000)
    }

    var now: Instant { Instant(milliseconds: moment.withLock { $0 }) }
    var minimumResolution: Duration { .milliseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        if deadline.milliseconds > end.withLock({ $0 }) { throw CancellationError() }
        moment.withLock { $0 = max($0, deadline.milliseconds) }
        await Task.yield()
    }

    func set(_ text: String) { moment.withLock { $0 = SimulatedTime.milliseconds(text) } }

    func advance(_ duration: Duration) { moment.withLock { $0 += duration.milliseconds } }

    func stop(at text: String) { end.withLock { $0 = SimulatedTime.milliseconds(text) } }

    var surroundings: Surroundings {
        Surroundings(clock: self, now: { self.now.milliseconds }, random: { 0 })
    }
}

/// Takes notices as a server would, and remembers them.
final class NoticedRequests: NoticeSender {
    private let all = Mutex<[NoticeRequest]>([])
    private let answers = Mutex<[Int]>([])

    func send(_ request: NoticeRequest) async throws -> Int {
        all.withLock { $0.append(request) }
        return answers.withLock { $0.isEmpty ? 200 : $0.removeFirst() }
    }

    /// The statuses of the next answers; 200 behind them.
    func answer(_ statuses: Int...) { answers.withLock { $0 = statuses } }

    var requests: [NoticeRequest] { all.withLock { $0 } }

    /// The event of each webhook and the address of each ping.
    var lines: [String] {
        requests.map { request in
            request.body == nil
                ? "GET \(request.address)"
                : request.headers.first { $0.0 == "X-Lifeboat-Event" }?.1 ?? "POST without an event"
        }
    }
}

/// A service over a definition in a folder, whose runs do what a test says.
struct ScheduleSimulation {
    let folder: String
    let time: SimulatedTime
    let sent = NoticedRequests()
    let story = Lines()
    /// When runs began.
    let runs = Lines()

    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    var file: String { folder + "/nightly.yaml" }

    init(_ folder: String, from moment: String, _ definition: String) throws {
        self.folder = folder
        time = SimulatedTime(moment)
        try write(definition)
    }

    func write(_ definition: String) throws {
        let text =
            "version: 1\nname: nightly\n\(definition)\nstores: {a: {registry: a.example.com}, f: {archive: f.tar}}\n"
            + "steps: [{name: backup, export: {from: a, to: f}}]\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    }

    var ledger: RunLedger { RunLedger(stateFolder: folder + "/state", files: LocalFileSystem()) }

    var watch: Watch {
        Watch(ledger: ledger, sender: sent, surroundings: time.surroundings, story: { [story] in story.add($0) })
    }

    /// - Parameter work: is given the day and month of the run, and says what its error is.
    func serve(
        until end: String, board: ScheduleBoard = ScheduleBoard(),
        _ work: @escaping @Sendable (String) async -> FailureReport? = { _ in nil }
    ) async throws {
        time.stop(at: end)
        let service = ScheduleService(
            watch: watch, board: board, files: LocalFileSystem(), surroundings: time.surroundings,
            read: { path in try await Pipeline.read(path, from: LocalFileSystem(), variables: ["HMAC": "key"]) },
            perform: { [time, runs] pipeline in
                let began = Figures.instant(time.now.milliseconds)
                runs.add(String(began.dropLast(4)))
                let error = await work(String(began.prefix(10)))
                time.advance(.seconds(240))
                return ScheduleSimulation.report(error, began: time.now.milliseconds - 240_000)
            }, story: { [story] in story.add($0) })
        await #expect(throws: CancellationError.self) { try await service.run([file]) }
        time.set(end)
    }

    static func report(_ error: FailureReport? = nil, began: Int64 = 0) -> Report {
        var report = Report(name: "nightly")
        report.began = began
        var step = StepReport(name: "backup", kind: .export, source: "a.example.com", target: "f.tar")
        step.error = error
        report.steps = [step]
        return report
    }

    static let down = FailureReport(LifeboatError(.unavailable, "a.example.com cannot be reached"))
}
