import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct StepsOverwriteTests {
    final class Notebook: WrittenTags {
        let pages = Mutex<[String: Digest]>([:])
        let begun = Mutex<[String: Digest]>([:])
        let isBroken = Mutex(false)

        func lastWritten(registry: String, repository: RepositoryName, tag: OCI.Tag) async throws -> LastWritten {
            try check()
            let name = "\(registry)/\(repository):\(tag)"
            return LastWritten(digest: pages.withLock { $0[name] }, begun: begun.withLock { $0[name] })
        }

        func begin(_ tag: WrittenTag) async throws {
            try check()
            begun.withLock { $0["\(tag.registry)/\(tag.repository):\(tag.tag)"] = tag.digest }
        }

        func record(_ tag: WrittenTag) async throws {
            try check()
            begun.withLock { $0["\(tag.registry)/\(tag.repository):\(tag.tag)"] = nil }
            pages.withLock { $0["\(tag.registry)/\(tag.repository):\(tag.tag)"] = tag.digest }
        }

        private func check() throws {
            if isBroken.withLock({ $0 }) { throw LifeboatError(.local, "the catalog is damaged", advice: "remove it") }
        }
    }

    private let notebook = Notebook()
    private let old = MemoryStore(name: "old")
    private let new = MemoryStore(name: "new")

    private func push(_ seed: UInt64, to store: MemoryStore, _ tag: String = "1") async throws -> Digest {
        let target = await store.target(try RepositoryName("app"))
        return try await SeededImages.push(to: target, seed: seed, tags: [Tag(tag)]).descriptor.digest
    }

    private func importAll(_ overwrite: Overwrite = .ours) async throws -> (plan: Plan, outcome: Transfer.Outcome) {
        let spool = ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        var planner = Planner(target: new, naming: Naming(), overwrite: overwrite, spool: spool)
        planner.written = notebook
        let plan = try await planner.plan([Planner.Source(store: old, selection: .all)])
        let transfer = Transfer(
            targets: [new], spool: spool,
            surroundings: Surroundings(clock: ContinuousClock(), now: { 5 }, random: { 7 }), written: notebook,
            runID: "run")
        return (plan, try await transfer.run(plan))
    }

    private func there(_ tag: String = "1") async throws -> Digest? {
        try await new.target(RepositoryName("app")).find(.tag(Tag(tag)))?.digest
    }

    @Test func `a tag that we wrote is moved`() async throws {
        let first = try await push(1, to: old)
        _ = try await importAll()
        #expect(notebook.pages.withLock { $0 } == ["new/app:1": first])
        let second = try await push(2, to: old)
        let (plan, outcome) = try await importAll()
        #expect(plan.items.map(\.action) == [.replace(first)])
        #expect(outcome.reports.map(\.replaced) == [first])
        #expect(try await there() == second)
        #expect(notebook.pages.withLock { $0 } == ["new/app:1": second])
    }

    @Test func `a tag that somebody else moved is left alone, and both digests are named`() async throws {
        let first = try await push(1, to: old)
        _ = try await importAll()
        let second = try await push(2, to: old)
        let theirs = try await push(3, to: new)
        let (plan, _) = try await importAll()
        let error = try #require(plan.failures.first?.error as? LifeboatError)
        #expect(error.kind == .conflict)
        #expect(
            error.description
                == "new/app:1 points to \(theirs), want \(second); lifeboat last wrote \(first) there, so that somebody else has moved it"
        )
        #expect(try await there() == theirs)
    }

    @Test func `a tag that a killed run may have written is ours`() async throws {
        let first = try await push(1, to: old)
        _ = try await importAll()
        // Killed behind the write of the second, before it was noted.
        let second = try await push(2, to: old)
        try await notebook.begin(
            WrittenTag(
                registry: "new", repository: RepositoryName("app"), tag: Tag("1"), digest: second, time: 0, run: ""))
        _ = try await push(2, to: new)
        #expect(notebook.pages.withLock { $0["new/app:1"] } == first)
        #expect(try await importAll().plan.items.map(\.action) == [.alreadyThere])
        let third = try await push(3, to: old)
        #expect(try await importAll().plan.items.map(\.action) == [.replace(second)])
        #expect(try await there() == third)
        // Once it is known what was written, going back is somebody else's doing.
        _ = try await push(2, to: new)
        #expect(try await importAll().plan.failures.count == 1)
    }

    @Test func `a tag that nobody knows of is not ours`() async throws {
        let theirs = try await push(3, to: new)
        let want = try await push(1, to: old)
        let (plan, _) = try await importAll()
        let error = try #require(plan.failures.first?.error as? LifeboatError)
        #expect(error.kind == .conflict)
        #expect(
            error.description
                == "new/app:1 points to \(theirs), want \(want); nothing is known of lifeboat having written it")
        _ = try await importAll(.always)
        #expect(try await there() == want)
        _ = try await push(2, to: old)
        #expect(try await importAll().plan.failures.isEmpty)
    }

    @Test func `a tag that moves between the plan and its turn is left alone`() async throws {
        _ = try await push(1, to: old)
        _ = try await importAll()
        _ = try await push(2, to: old)
        let spool = ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        var planner = Planner(target: new, naming: Naming(), overwrite: .ours, spool: spool)
        planner.written = notebook
        let plan = try await planner.plan([Planner.Source(store: old, selection: .all)])
        let theirs = try await push(3, to: new)
        let outcome = try await Transfer(
            targets: [new], spool: spool,
            surroundings: Surroundings(clock: ContinuousClock(), now: { 5 }, random: { 7 }), written: notebook
        ).run(plan)
        #expect(outcome.reports.first?.error?.kind == .conflict)
        #expect(outcome.reports.first?.error?.message.contains("during the run") ?? false)
        #expect(try await there() == theirs)
    }

    @Test func `a catalog that fails is a note, but for ours`() async throws {
        notebook.isBroken.withLock { $0 = true }
        _ = try await push(1, to: old)
        _ = try await push(1, to: old, "2")
        let (_, outcome) = try await importAll()
        #expect(outcome.reports.map(\.outcome) == [.done, .done])
        #expect(
            outcome.notes == [
                "what was written is not remembered for 'overwrite: ours': the catalog is damaged; try: remove it"
            ])
        _ = try await push(2, to: old)
        let error = await #expect(throws: LifeboatError.self) {
            let result = try await importAll()
            _ = result
        }
        #expect(error?.kind == .local)
        let (_, moved) = try await importAll(.always)
        #expect(moved.reports.map(\.outcome) == [.done])
    }

    @Test func `names that rules make are checked before anything moves`() async throws {
        _ = try await push(1, to: old)
        _ = try await push(2, to: old, "2")
        func plan(_ naming: Naming) async throws -> Plan {
            let spool = ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
            return try await Planner(target: new, naming: naming, overwrite: .never, spool: spool)
                .plan([Planner.Source(store: old, selection: .all)])
        }
        let invalid = await #expect(throws: LifeboatError.self) {
            let plan = try await plan(Naming(rename: [Rewrite(from: "(.*)", into: "Team/\\1")]))
            _ = plan
        }
        #expect(invalid?.kind == .policy)
        #expect(
            invalid?.description
                == "old/app:1 gets no name at new: 'Team/app' is not a repository name: it must be lower-case")
        let same = await #expect(throws: LifeboatError.self) {
            let plan = try await plan(Naming(retag: [.tag(Rewrite(from: "[0-9]", into: "x"))]))
            _ = plan
        }
        #expect(same?.kind == .policy)
        #expect(same?.description.hasPrefix("old/app:1 and old/app:2 would both become app:x at new") ?? false)
    }
}
