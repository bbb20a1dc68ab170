import Foundation
import NIOCore
import OCIArchive
import OCIRegistry
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCI

/// Out of a set, into registries and archives.
struct BackupRestoreTests {
    private func source(_ nights: BackupNights, at: String? = nil) -> SourceDefinition {
        SourceDefinition(store: .backups(path: nights.path, at: at), selection: .all)
    }

    private func fill(_ nights: BackupNights) async throws {
        for number in 0..<3 { try await nights.push("team/app\(number)", "1", seed: UInt64(number)) }
        let signed = try await nights.push("team/signed", "1", seed: 50)
        try await SeededImages.push(
            to: try await nights.registry.target(RepositoryName("team/signed")), seed: 51, layerSizes: [20],
            subject: signed.descriptor)
    }

    @Test(.enabled(if: DockerRegistry.isInstalled))
    func `the newest night goes into docker-registry with equal digests, and a second time sends nothing`() async throws
    {
        try await BackupNights.run { nights in
            try await fill(nights)
            await nights.export()
            let listing = try await nights.listing()
            try await DockerRegistry.run { docker in
                let target = StoreDefinition.registry(host: docker.host, prefix: "")
                let restore = CopyStep(kind: .import, sources: [source(nights)], target: target)
                let check = VerifyStep(sources: [source(nights)], against: target, reread: .compared)
                let steps = [
                    Step(name: "restore", work: .copy(restore)), Step(name: "check", work: .verify(check)),
                ]
                let report = await Runner(nights.environment).run(steps, name: "restore")
                #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
                #expect(report.steps[0].count(.done) == 4)
                #expect(report.steps[1].comparison?.differences.isEmpty == true)
                var options = RegistryOptions()
                options.plainHTTP = true
                let registry = try Registry(
                    host: docker.host, options: options, surroundings: .ofThisMachine,
                    logger: nights.environment.logger)
                for (name, digest) in listing {
                    let reference = try Reference(parsing: docker.host + "/" + name)
                    let found = try await registry.repository(reference.repository).resolve(reference.tagOrDigest)
                    #expect(found.digest == digest)
                }
                try await registry.shutdown()
                let again = await Runner(nights.environment).run(steps, name: "restore")
                #expect(again.steps[0].count(.alreadyThere) == 4)
                #expect(again.steps[0].bytesMoved == 0)
            }
        }
    }

    @Test func `what a registry lost that came back is named`() async throws {
        try await BackupNights.run { nights in
            try await fill(nights)
            await nights.export()
            let tag = try Tag("1")
            let name = try RepositoryName("team/app1")
            try await SeededImages.push(
                to: try await nights.registry.target(RepositoryName("team/app2")), seed: 99, tags: [tag])
            let target = nights.registry
            _ = try await (target.target(name) as? any DeletingTarget)?.untag(tag)
            let verify = VerifyStep(
                sources: [source(nights)], against: .registry(host: nights.host, prefix: ""))
            let report = await Runner(nights.environment).run(
                [Step(name: "verify", work: .verify(verify))], name: "verify")
            let messages = report.steps[0].failures.map(\.message)
            #expect(messages.count == 2)
            #expect(messages.contains { $0.contains("team/app1:1") && $0.contains("has no") })
            #expect(messages.contains { $0.contains("team/app2:1 is sha256:") })
        }
    }

    @Test(.enabled(if: Program.exists("skopeo")))
    func `a backup becomes one archive, out of which skopeo copies`() async throws {
        try await BackupNights.run { nights in
            try await fill(nights)
            await nights.export()
            let then = try await nights.set().find("latest")
            let old = try await nights.listing()
            try await nights.push("team/app0", "1", seed: 77)
            await nights.export()
            let tar = nights.folder + "/full.tar"
            let step = CopyStep(
                kind: .export, sources: [source(nights, at: then.moment.description)], target: .archive(path: tar))
            let report = await Runner(nights.environment).run([Step(name: "full", work: .copy(step))], name: "full")
            #expect(report.exitCode == 0)
            #expect(try await BackupNights.contents(of: try await openArchive(tar)) == old)
            let out = nights.folder + "/out"
            let result = try await Program.run(
                "skopeo", "--tmpdir", nights.folder, "--insecure-policy", "copy", "-q",
                "oci-archive:\(tar):team/app0:1", "dir:\(out)")
            #expect(result.status == 0, "\(result.errors)")
            let bytes = try Data(contentsOf: URL(fileURLWithPath: out + "/manifest.json"))
            #expect(Digest(of: [UInt8](bytes)) == old["team/app0:1"])
        }
    }

    @Test func `an archive from elsewhere joins the set, and an archive of that backup is the same archive`()
        async throws
    {
        try await BackupNights.run { nights in
            try await fill(nights)
            let tar = nights.folder + "/a.tar"
            let write = CopyStep(
                kind: .export,
                sources: [SourceDefinition(store: .registry(host: nights.host, prefix: ""), selection: .all)],
                target: .archive(path: tar))
            let add = CopyStep(
                kind: .export, sources: [SourceDefinition(store: .archive(path: tar), selection: .all)],
                target: .backups(path: nights.path, at: nil))
            let back = CopyStep(
                kind: .export, sources: [source(nights)], target: .archive(path: nights.folder + "/b.tar"))
            for step in [write, add, back] {
                let report = await Runner(nights.environment).run([Step(name: "step", work: .copy(step))], name: "add")
                #expect(report.exitCode == 0)
            }
            let bytes = try ["a", "b"].map { try Data(contentsOf: URL(fileURLWithPath: "\(nights.folder)/\($0).tar")) }
            #expect(bytes[0] == bytes[1])
            #expect(try await nights.latest().backup.header.source == tar)
        }
    }

    @Test func `what matters most comes first`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<6 { try await nights.push("app\(number)", "1", seed: UInt64(number)) }
            await nights.export()
            let target = MemoryStore(name: "target")
            try await TestRegistry.run(over: target) { host in
                var step = CopyStep(
                    kind: .import, sources: [source(nights)], target: .registry(host: host, prefix: ""))
                step.first = [SelectionRule(pattern: "app4"), SelectionRule(pattern: "app2:1")]
                var environment = nights.environment
                environment.concurrency = 1
                let order = Mutex<[String]>([])
                _ = await Runner(environment) { event in
                    if case .imageEnded(let image) = event { order.withLock { $0.append(image.source) } }
                }.run([Step(name: "restore", work: .copy(step))], name: "restore")
                let names = order.withLock { $0.map { $0.components(separatedBy: "/").last ?? "" } }
                #expect(Array(names.prefix(2)) == ["app4:1", "app2:1"])
                #expect(names.count == 6)
            }
        }
    }

    @Test func `repositories are made where they have to be, and one that cannot be fails alone`() async throws {
        try await BackupNights.run { nights in
            for name in ["one", "two", "forbidden"] { try await nights.push(name, "1", seed: UInt64(name.utf8.count)) }
            await nights.export()
            let made = nights.folder + "/made"
            let script = nights.folder + "/create.sh"
            try #"test "$2" != forbidden && echo "$2" >> "$1""#.write(toFile: script, atomically: true, encoding: .utf8)
            let target = MemoryStore(name: "target")
            try await TestRegistry.run(over: target) { host in
                let store = StoreDefinition.registry(host: host, prefix: "")
                let step = CopyStep(kind: .import, sources: [source(nights)], target: store)
                var environment = nights.environment
                var settings = RegistrySettings()
                settings.createRepositories = ["sh", script, made, "{repository}"]
                environment.settings.registries[store] = settings
                let plan = try await PipelinePlanner(environment).plan(
                    [Step(name: "restore", work: .copy(step))], name: "restore")
                #expect(
                    plan.steps[0].notes.contains {
                        $0.contains("lacks 3 repositories") && $0.contains("forbidden, one, two")
                    }
                )
                #expect(!FileManager.default.fileExists(atPath: made))
                let report = await Runner(environment).run([Step(name: "restore", work: .copy(step))], name: "restore")
                #expect(report.exitCode == 3)
                #expect(try String(contentsOfFile: made, encoding: .utf8) == "one\ntwo\n")
                #expect(report.steps[0].count(.done) == 2)
                let failure = try #require(report.steps[0].failures.first)
                #expect(failure.message.contains("did not make repository forbidden"))
                #expect(failure.message.contains("exit code 1"))
                #expect(report.steps[0].notes.contains { $0.contains("one, two") })
            }
        }
    }

    @Test func `the words say which backup it is, and how old`() async throws {
        try await BackupNights.run { nights in
            try await fill(nights)
            await nights.export()
            let set = try await nights.set()
            let backup = try #require(try await set.backups().first)
            let asked = Moment(backup.header.ended + 12_000).description
            let chosen = try await set.choose(asked, now: nights.clock.moment)
            #expect(chosen.backup == backup)
            #expect(
                chosen.words == [
                    "backup \(backup.name) of \(nights.host), taken \(backup.moment), 3 h 20 min before \(asked): 4 images, "
                        + Figures.bytes(backup.header.bytes)
                ])
            await #expect(throws: ArchiveError.self) { _ = try await set.choose("2020-01-01T00:00:00Z", now: 0) }
            // An id is as good as a time.
            let byID = try await set.choose(String(backup.name.prefix(6)), now: 0)
            #expect(byID.backup == backup && !byID.words[0].contains("ago"))
        }
    }

    @Test func `of several pipelines in one set the newest is said to be one of them, and one can be chosen`()
        async throws
    {
        try await BackupNights.run { nights in
            try await fill(nights)
            await nights.export()
            nights.clock.advance(hours: 1)
            let other = await Runner(nights.environment).run(
                [Step(name: "backup", work: .copy(nights.step))], name: "weekly")
            #expect(other.exitCode == 0)
            let set = try await nights.set()
            let backups = try await set.backups()
            let latest = try await set.choose(nil, now: nights.clock.moment)
            #expect(latest.backup == backups[1])
            #expect(
                latest.words.last
                    == "it is the newest of all; the set has others beside it (nightly, from \(nights.host)): "
                    + "--pipeline NAME or --backup ID chooses one of those")
            let nightly = try await set.choose("latest", pipeline: "nightly", now: nights.clock.moment)
            #expect(nightly.backup == backups[0] && nightly.words.count == 1)
            let none = await #expect(throws: ArchiveError.self) {
                try await set.choose(nil, pipeline: "monthly", now: nights.clock.moment)
            }
            #expect(none?.kind == .notFound && none?.advice == "it has those of nightly, weekly")
            let following = try await FollowedBackups(set, at: nil, of: "nightly", in: nights.environment)
            #expect(await following.backup == backups[0])
            // What one pipeline has says nothing of how old the other one's are.
            let state = try await SetState.read(
                nights.path, of: "nightly", surroundings: nights.surroundings, files: LocalFileSystem())
            #expect(state.backups == 1 && state.newestGood == backups[0].header.began * 1000)
            let rescue = try Program.text(of: nights.path + "/RESCUE.md")
            #expect(rescue.contains("--backup ID") && rescue.contains("(id \(backups[0].name))"), "\(rescue)")
        }
    }

    @Test func `a backup that was accepted is not called suspect`() async throws {
        try await BackupNights.run { nights in
            try await fill(nights)
            await nights.export()
            await nights.registry.change(try RepositoryName("team/app1")) { $0.tags = [:] }
            await nights.export()
            let set = try await nights.set()
            let backup = try #require(try await set.backups().last)
            let reason = try #require(backup.header.suspect)
            let doubted = try await set.choose(backup.name, now: nights.clock.moment)
            #expect(doubted.words.contains("it is suspect: \(reason)"))
            try await set.accept(backup)
            let accepted = try await set.choose(nil, now: nights.clock.moment)
            #expect(accepted.backup == backup)
            #expect(accepted.words.contains("it was suspect and has been accepted: \(reason)"))
        }
    }
}
