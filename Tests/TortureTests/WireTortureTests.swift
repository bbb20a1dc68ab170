import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// Every request of a run × everything that can happen to its answer.
@Suite(.serialized) struct WireTortureTests {
    /// Cases under way at once: most of their time is waiting.
    private static let width = 6

    enum Flow: String, CaseIterable, Sendable {
        case export
        case restore = "import"
        case copyReading = "copy, reading"
        case copyWriting = "copy, writing"
    }

    struct Case: Sendable {
        var number: Int
        var fault: WireFault
        /// Whether it happens again and again from there on.
        var lasts: Bool

        var name: String { "\(fault.rawValue) \(lasts ? "from request" : "at request") \(number) on" }
    }

    @Test(arguments: Flow.allCases)
    func `whatever happens to an answer, nothing is lost and nothing is silent`(_ flow: Flow) async throws {
        let source = try await TortureWorld.store()
        let requests = try await trial(flow, source, nil).requests
        #expect(requests > 10)
        var cases: [Case] = []
        for number in 0..<requests {
            for fault in WireFault.allCases { cases.append(Case(number: number, fault: fault, lasts: false)) }
        }
        for number in stride(from: 0, to: requests, by: 3) {
            for fault in WireFault.allCases where fault != .trickle {
                cases.append(Case(number: number, fault: fault, lasts: true))
            }
        }
        let tally = Tally("wire: \(flow.rawValue)")
        _ = try await map(Torture.cases(cases, oneIn: 29), limit: Self.width) { one in
            let trial = try await self.trial(flow, source, one)
            guard trial.faults > 0 else { return }
            let (verdict, story) = judge(one, trial)
            tally.add(verdict, "\(flow.rawValue), \(one.name): \(story)")
        }
        try tally.close()
    }

    /// What happens to answers, and how long a run waits for one.
    private struct Spoiling: Sendable {
        var choice: FaultProxy.Choice
        var patience: Duration
    }

    private struct Trial: Sendable {
        var requests = 0
        var faults = 0
        var first = Report(name: "")
        /// What was wrong at the target after the first run, and after the second.
        var wrong: [String] = []
        var second = Report(name: "")
        var wrongAfterwards: [String] = []
    }

    private func judge(_ one: Case, _ trial: Trial) -> (Verdict, String) {
        let failures = trial.first.steps.flatMap(\.failures)
        let told = failures.map { "\($0.kind.rawValue): \($0.message)" }.joined(separator: "; ")
        if trial.first.exitCode == 0, !trial.wrong.isEmpty { return (.silent, trial.wrong.joined(separator: "; ")) }
        if !trial.wrong.isEmpty { return (.lost, trial.wrong.joined(separator: "; ")) }
        if one.fault.isPassing, !one.lasts, trial.first.exitCode != 0 { return (.wrongClass, "it ended, with \(told)") }
        let allowed = Self.classes(of: one.fault)
        if let other = failures.first(where: { !allowed.contains($0.kind) }) {
            return (.wrongClass, "\(other.kind.rawValue): \(other.message)")
        }
        if trial.second.exitCode != 0 || !trial.wrongAfterwards.isEmpty {
            let again = trial.second.steps.flatMap(\.failures).map(\.message) + trial.wrongAfterwards
            return (.unresumed, "first \(told); then \(again.joined(separator: "; "))")
        }
        return (.fine, "")
    }

    /// What a failure may be called after such a fault.
    private static func classes(of fault: WireFault) -> Set<FailureKind> {
        switch fault {
        case .status401: [.auth]
        // To a manifest whose blobs were taken, 403 is the registry's word on that name.
        case .status403: [.auth, .conflict]
        case .status404: [.notFound, .conflict, .protocolViolation, .policy]
        case .status416: [.protocolViolation, .unavailable, .conflict]
        case .truncate, .lengthen, .flip: [.damaged, .protocolViolation, .notFound, .unavailable]
        case .html: [.damaged, .protocolViolation, .conflict]
        // Of what a wrong digest names, a registry knows nothing.
        case .digestHeader: [.damaged, .protocolViolation, .conflict, .notFound]
        case .redirectLoop: [.policy, .protocolViolation]
        case .redirectAway: [.policy, .protocolViolation, .unavailable]
        default: [.unavailable]
        }
    }

    private func trial(_ flow: Flow, _ source: MemoryStore, _ one: Case?) async throws -> Trial {
        let choice: FaultProxy.Choice = { request, number in
            guard let one, one.lasts ? number >= one.number : number == one.number else { return nil }
            switch one.fault {
            case .flip:
                // Nothing vouches for the names in a listing but the connection itself: that is what TLS is for.
                return request.path.hasSuffix("/tags/list") || request.path.hasSuffix("/_catalog") ? nil : .flip
            case .status404:
                // So do registries answer that have no referrers API, and of repositories that lost their last tag.
                return request.path.contains("/referrers/") || request.path.hasSuffix("/tags/list") ? nil : .status404
            default: return one.fault
            }
        }
        let spoiling = Spoiling(
            choice: choice, patience: one?.fault.isWaitedFor ?? false ? .milliseconds(800) : .seconds(30))
        return try await withTemporaryFolder { folder in
            switch flow {
            case .export: return try await export(source, folder, spoiling)
            case .restore: return try await restore(source, folder, spoiling)
            case .copyReading: return try await copy(source, folder, spoiling, spoilsReading: true)
            case .copyWriting: return try await copy(source, folder, spoiling, spoilsReading: false)
            }
        }
    }

    /// Runs it with faults, looks, runs it again without, looks.
    private func run(
        _ steps: [Step], _ folder: String, _ proxy: FaultProxy, _ spoiling: Spoiling,
        faults: @Sendable (_ complete: Bool) async throws -> [String]
    ) async throws -> Trial {
        var trial = Trial()
        proxy.begin(spoiling.choice)
        trial.first = await Runner(TortureWorld.environment(folder, patience: spoiling.patience))
            .run(steps, name: "torture")
        (trial.requests, trial.faults) = (proxy.requests, proxy.faults)
        trial.wrong = try await faults(trial.first.exitCode == 0)
        proxy.begin()
        trial.second = await Runner(TortureWorld.environment(folder)).run(steps, name: "torture")
        trial.wrongAfterwards = try await faults(true)
        return trial
    }

    private func export(
        _ source: MemoryStore, _ folder: String, _ spoiling: Spoiling
    ) async throws -> Trial {
        let path = folder + "/a.tar"
        return try await TestRegistry.run(over: source, writable: false) { host in
            try await FaultProxy.serve(before: host) { proxy, address in
                let step = TortureWorld.copy(
                    .export, from: .registry(host: address, prefix: ""), to: .archive(path: path))
                var trial = try await self.run([step], folder, proxy, spoiling) { complete in
                    guard try await LocalFileSystem().status(path, followLinks: false) != nil else {
                        return complete ? ["there is no archive"] : []
                    }
                    let report = try await ArchiveVerification(path: path).run()
                    guard report.findings.isEmpty else { return report.findings.map(\.detail) }
                    let archive = try await openArchive(path, ArchiveOpening())
                    return try await TortureWorld.faults(of: archive, against: source, complete: complete)
                }
                let left = try await LocalFileSystem().list(folder)
                if left != ["a.tar"] { trial.wrongAfterwards.append("left behind: \(left)") }
                let undisturbed = folder + "/b.tar"
                let other = TortureWorld.copy(
                    .export, from: .registry(host: address, prefix: ""), to: .archive(path: undisturbed))
                _ = await Runner(TortureWorld.environment(folder)).run([other], name: "torture")
                if try bytes(of: path) != bytes(of: undisturbed) {
                    trial.wrongAfterwards.append("the bytes are not those of an undisturbed run")
                }
                return trial
            }
        }
    }

    private func restore(
        _ source: MemoryStore, _ folder: String, _ spoiling: Spoiling
    ) async throws -> Trial {
        let path = folder + "/a.tar"
        let made = try await TestRegistry.run(over: source, writable: false) { host in
            await Runner(TortureWorld.environment(folder)).run(
                [TortureWorld.copy(.export, from: .registry(host: host, prefix: ""), to: .archive(path: path))],
                name: "before")
        }
        #expect(made.exitCode == 0)
        return try await writing(source, folder, from: .archive(path: path), spoiling)
    }

    private func copy(
        _ source: MemoryStore, _ folder: String, _ spoiling: Spoiling, spoilsReading: Bool
    ) async throws -> Trial {
        try await TestRegistry.run(over: source, writable: false) { host in
            guard spoilsReading else {
                return try await self.writing(source, folder, from: .registry(host: host, prefix: ""), spoiling)
            }
            let target = MemoryStore(name: "target")
            return try await TestRegistry.run(over: target) { targetHost in
                try await FaultProxy.serve(before: host) { proxy, address in
                    let step = TortureWorld.copy(
                        .import, from: .registry(host: address, prefix: ""), to: .registry(host: targetHost, prefix: "")
                    )
                    return try await self.run([step], folder, proxy, spoiling) {
                        try await TortureWorld.faults(of: target, against: source, complete: $0)
                    }
                }
            }
        }
    }

    private func writing(
        _ source: MemoryStore, _ folder: String, from: StoreDefinition, _ spoiling: Spoiling
    ) async throws -> Trial {
        let target = MemoryStore(name: "target")
        return try await TestRegistry.run(over: target) { host in
            try await FaultProxy.serve(before: host) { proxy, address in
                let step = TortureWorld.copy(.import, from: from, to: .registry(host: address, prefix: ""))
                return try await self.run([step], folder, proxy, spoiling) {
                    try await TortureWorld.faults(of: target, against: source, complete: $0)
                }
            }
        }
    }
}
