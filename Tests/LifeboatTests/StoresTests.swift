import Logging
import NIOCore
import OCI
import OCIArchive
import OCIRegistry
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct StoresTests {
    private func parse(_ text: String, _ context: PipelineContext = PipelineContext(variables: [:])) throws -> Pipeline
    {
        try Pipeline(parsing: Array(text.utf8), file: "folder/p.yaml", context: context)
    }

    private func faults(_ text: String, _ context: PipelineContext = PipelineContext(variables: [:])) -> [String] {
        do {
            _ = try parse(text, context)
            return []
        } catch let error as DefinitionError {
            return error.description.split(separator: "\n").map(String.init)
        } catch {
            return ["unexpected \(error)"]
        }
    }

    private func definition(_ store: String, more: String = "") -> String {
        """
        version: 1
        name: nightly
        \(more)
        stores:
          old: {registry: old.example.com}
          it: \(store)
        steps: [{export: {from: old, to: it}}]
        """
    }

    private func registry(_ settings: String) -> String {
        """
        version: 1
        stores:
          old: {registry: old.example.com, \(settings)}
          it: {archive: x.tar}
        steps: [{export: {from: old, to: it}}]
        """
    }

    // MARK: Volumes and deltas

    @Test func `what an archive's store says of volumes and deltas is kept for it`() throws {
        let pipeline = try parse(
            definition("{archive: out/a.tar, volumeSize: 1.5GB, since: base.tar, base: [one.tar, set/]}"))
        let settings = try #require(pipeline.settings.archives[.archive(path: "folder/out/a.tar")])
        #expect(settings.volumeSize == 1_500_000_000)
        #expect(settings.since == .archive(path: "folder/base.tar"))
        #expect(settings.bases == [.archive(path: "folder/one.tar"), .backups(path: "folder/set", at: nil)])
        let plain = try parse(definition("{archive: a.tar}"))
        #expect(plain.settings.archives.isEmpty)
        let size = try ArchiveSettings.volumeSize("650MiB")
        #expect(size == 681_574_400)
        for (text, reason) in [
            ("{archive: a.tar, volumeSize: large}", "'large' is not a size"),
            ("{archive: a.tar, volumeSize: 0GB}", "'0GB' is not a size"),
            ("{layout: a, volumeSize: 1GB}", "not known of a layout"),
        ] {
            let faults = faults(definition(text))
            #expect(faults.count == 1 && faults.allSatisfy { $0.contains(reason) }, "\(faults)")
        }
    }

    // MARK: Registries

    @Test func `everything that a registry's store says reaches its options`() throws {
        let pipeline = try parse(
            registry(
                """
                credentials: {username: me, passwordFile: secret}, plainHTTP: true, tls: {ca: ca.pem, verify: false},
                limits: {connections: 3, requests: 90/m, bandwidth: 2MB/s},
                timeouts: {connect: 2s, answer: 500ms, idle: 1m}, retries: 8
                """))
        let settings = try #require(
            pipeline.settings.registries[.registry(host: "old.example.com", prefix: "")])
        #expect(settings.credentials == .passwordFile(username: "me", path: "folder/secret"))
        let options = settings.applied(to: RegistryOptions(), files: LocalFileSystem())
        #expect(options.plainHTTP == true)
        #expect(options.tls.caFile == "folder/ca.pem")
        #expect(!options.tls.verify)
        #expect(options.connections == 3)
        #expect(options.requestsPerSecond == 1.5)
        #expect(options.bytesPerSecond == 2_000_000)
        #expect(options.connectTimeout == .seconds(2))
        #expect(options.headerTimeout == .milliseconds(500))
        #expect(options.idleTimeout == .seconds(60))
        #expect(options.retry.attempts == 8)
    }

    @Test func `the tries of the whole definition hold where a store says nothing`() async throws {
        let text =
            "version: 1\nretries: 7\nstores: {a: {registry: a.example.com}, b: {registry: b.example.com, retries: 2}}\n"
            + "steps: [{import: {from: a, to: b}}]\n"
        let environment = Self.environment("/nonexistent").with(try parse(text).settings)
        #expect(environment.retry.attempts == 7)
        let settings = environment.settings.registries
        func attempts(_ host: String) -> Int? {
            settings[.registry(host: host, prefix: "")]?.applied(
                to: environment.registries, files: environment.fileSystem
            ).retry.attempts
        }
        #expect(attempts("a.example.com") == 7)
        #expect(attempts("b.example.com") == 2)
    }

    static func environment(_ folder: String, now: @escaping @Sendable () -> Int64 = { 0 }) -> RunEnvironment {
        RunEnvironment(
            fileSystem: LocalFileSystem(),
            surroundings: Surroundings(clock: ContinuousClock(), now: now, random: { 7 }),
            registries: RegistryOptions(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            workFolder: folder)
    }

    @Test func `a password in clear text is noted, one by reference is not, and none is ever shown`() throws {
        let clear = try parse(registry("credentials: {username: me, password: hunter2}"))
        #expect(
            clear.notes == [
                "folder/p.yaml:3:74: stores.old.credentials.password: stands in clear text; use $NAME, passwordFile or command"
            ])
        let context = PipelineContext(variables: ["SECRET": "hunter2"])
        let hidden = try parse(registry("credentials: {username: me, password: $SECRET}"), context)
        #expect(hidden.notes.isEmpty)
        #expect(hidden.secretInputs == ["SECRET"])
        for pipeline in [clear, hidden] {
            var dumped = ""
            dump(pipeline, to: &dumped)
            #expect(!dumped.contains("hunter2"))
            #expect(!"\(pipeline)".contains("hunter2"))
        }
    }

    @Test func `a command for credentials is refused where anybody may change the definition`() throws {
        let text = registry("credentials: {command: [bin/login, --for, old]}")
        let pipeline = try parse(text)
        #expect(
            pipeline.settings.registries.values.contains {
                $0.credentials == .command(["folder/bin/login", "--for", "old"])
            })
        #expect(
            faults(text, PipelineContext(variables: [:], isWorldWritable: true)) == [
                "folder/p.yaml:3:59: stores.old.credentials.command: not run, since everybody may change this file; take the right away (chmod o-w)"
            ])
    }

    @Test(arguments: [
        (
            "limits: {requests: 50}",
            "limits.requests: '50' is not a rate, want a number with /s, /m or /h, such as 50/s"
        ),
        (
            "limits: {bandwidth: 200}",
            "limits.bandwidth: '200' is not a bandwidth, want a number with kB/s, MB/s or GB/s, such as 200MB/s"
        ),
        ("limits: {connections: 0}", "limits.connections: '0' is not a number from 1 to 1000"),
        ("limits: {connection: 3}", "limits.connection: unknown key; did you mean 'connections'?"),
        (
            "timeouts: {idle: 60}",
            "timeouts.idle: '60' is not a time, want a number with ms, s, m or h, such as 30s"
        ),
        ("retries: many", "retries: 'many' is not a number from 1 to 100"),
        (
            "credentials: dokcer",
            "credentials: 'dokcer' is not known, want docker, anonymous, azure, {username, passwordFile}, {username, password} or {command}"
        ),
        (
            "credentials: {username: me}",
            "credentials: want username and passwordFile, username and password, or command alone"
        ),
        (
            "credentials: {command: login}",
            "credentials.command: want a list of the program and its arguments, got a text"
        ),
        (
            "keep: 3",
            "keep: not known of a registry; known: registry, credentials, plainHTTP, tls, mirrors, listing, limits, timeouts, retries, createRepositories"
        ),
        ("tls: {cert: me.pem}", "tls: wants cert and key together"),
        ("mirrors: [http://x]", "mirrors: 'http://x' is not a registry"),
        ("listing: azure", "listing: 'azure' is not known, want one of standard, acr, google"),
        ("tls: {verify: no}", "tls.verify: 'no' is not known, want true or false"),
    ])
    func `a wrong setting says what is wanted`(_ settings: String, _ expected: String) {
        let found = faults(registry(settings))
        #expect(found.count == 1)
        #expect(found[0].hasSuffix(": stores.old." + expected), "\(found)")
        #expect(found[0].hasPrefix("folder/p.yaml:3:"))
    }

    @Test func `one registry has one set of settings`() {
        let found = faults(
            "version: 1\nstores:\n  a: {registry: h.example.com, retries: 2}\n  b: {registry: h.example.com}\n"
                + "  c: {archive: x.tar}\nsteps: [{export: {from: a, to: c}}]\n")
        #expect(
            found == [
                "folder/p.yaml:4:6: stores.b: h.example.com is declared before, with other settings; one registry has one set of them"
            ])
    }

    // MARK: Archives

    @Test func `a template names the file by the pipeline and the time of the run`() throws {
        let context = PipelineContext(variables: [:], moment: 1_795_219_139_000)  // 2026-11-20T23:58:59Z
        let pipeline = try parse(definition("{archive: 'out/{pipeline}-{date}T{time}.tar.zst'}"), context)
        let step = try pipeline.copyStep()
        #expect(step.target == .archive(path: "folder/out/nightly-2026-11-20T235859.tar.zst"))
    }

    @Test(arguments: [
        ("{archive: '{day}.tar'}", "it.archive: '{day}' is not known, want one of {pipeline}, {date}, {time}"),
        ("{archive: '{date.tar'}", "it.archive: a brace is not closed, want {pipeline}, {date} or {time}"),
        (
            "{archive: '{date}/x.tar'}",
            "it.archive: only the file's name may have {pipeline}, {date} or {time} in it, not its folder"
        ),
        (
            "{archive: 'x.tar', keep: 3}",
            "it.keep: wants {date} in the archive's name, so that there is a series to keep some of"
        ),
        ("{archive: '{date}.tar', keep: 0}", "it.keep: '0' is not a number from 1 to 100000"),
        ("{layout: x, keep: 3}", "it.keep: not known of a layout; known: layout"),
    ])
    func `a wrong template says what is wanted`(_ store: String, _ expected: String) {
        let found = faults(definition(store))
        #expect(found.contains { $0.hasSuffix(": stores." + expected) }, "\(found)")
    }

    @Test func `a name that would leave the folder is refused`() {
        let text = definition("{archive: '{pipeline}-{date}.tar'}").replacing(
            "name: nightly", with: "name: ../../etc/x")
        #expect(
            faults(text).contains {
                $0.hasSuffix("it.archive: the pipeline's name '../../etc/x' cannot be part of a file's name")
            })
    }

    @Test(
        arguments: [
            ("2026-11-20", 1_795_219_139_000), ("1970-01-01", 0), ("2000-02-29", 951_782_400_000),
            ("2100-03-01", 4_107_542_400_000), ("1969-12-31", -1),
        ] as [(String, Int64)])
    func `days are those of the calendar`(_ expected: String, _ moment: Int64) {
        #expect(Moment(milliseconds: moment).day == expected)
    }

    @Test func `only names of the series are of the series`() throws {
        let template = try ArchiveTemplate(parsing: "{pipeline}-{date}.tar")
        #expect(template.order(of: "nightly-2026-11-20.tar", pipeline: "nightly") == "2026-11-20")
        for other in [
            "nightly-2026-11-20.tar.partial", "nightly-2026-11-2x.tar", "other-2026-11-20.tar",
            "nightly-2026-13-20.tar", "nightly-2026-11-20", "xnightly-2026-11-20.tar", "nightly-{date}.tar",
        ] {
            #expect(template.order(of: other, pipeline: "nightly") == nil, "\(other)")
        }
    }

    /// Exports a registry by a definition, on a day from 2026-11-16 on.
    private func export(
        from host: String, to archives: [String], day: Int, in folder: String
    ) async throws -> Report {
        let text = """
            version: 1
            name: n
            stores: {old: {registry: '\(host)'}, \(archives.joined(separator: ", "))}
            steps: [{export: {from: old, to: [\(archives.map { $0.prefix { $0 != ":" } }.joined(separator: ", "))]}}]
            """
        let pipeline = try Pipeline(
            parsing: Array(text.utf8), file: folder + "/p.yaml",
            context: PipelineContext(variables: [:], moment: 1_794_787_200_000 + Int64(day) * 86_400_000))
        return await Runner(Self.environment(folder).with(pipeline.settings)).run(pipeline.steps, name: pipeline.name)
    }

    @Test func `the oldest of a series go also where the step has another target`() async throws {
        try await withTemporaryFolder { folder in
            let images = MemoryStore(name: "old.example.com")
            try await SeededImages.push(
                to: try await images.target(RepositoryName("app")), seed: 1, tags: [Tag("1")])
            try await TestRegistry.run(over: images) { host in
                for day in 0..<3 {
                    let report = try await export(
                        from: host,
                        to: ["it: {archive: 'n-{date}.tar', keep: 2}", "other: {archive: 'm-{date}.tar', keep: 1}"],
                        day: day, in: folder)
                    #expect(report.exitCode == 0, "\(report.steps[0].failures.map(\.message))")
                }
                let left = try await LocalFileSystem().list(folder).filter { $0.hasPrefix("n") }.sorted()
                #expect(left == ["n-2026-11-17.tar", "n-2026-11-18.tar"])
                let others = try await LocalFileSystem().list(folder).filter { $0.hasPrefix("m") }
                #expect(others == ["m-2026-11-18.tar"])
            }
        }
    }

    @Test func `the oldest of a series go, and nothing else`() async throws {
        try await withTemporaryFolder { folder in
            let days = ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19"]
            let images = MemoryStore(name: "old.example.com")
            try await SeededImages.push(
                to: try await images.target(RepositoryName("app")), seed: 1, tags: [Tag("1")])
            try await TestRegistry.run(over: images) { host in
                func run(_ day: Int, keep: Int) async throws -> Report {
                    try await export(
                        from: host, to: ["it: {archive: 'n-{date}.tar', keep: \(keep)}"], day: day, in: folder)
                }
                for day in 0..<3 {
                    let report = try await run(day, keep: 9)
                    #expect(report.exitCode == 0)
                }
                let files = LocalFileSystem()
                let strangers = ["n-2026-11-01.tar", "n-2026-11-17.tar.old", "notes.txt"]
                for name in strangers {
                    let file = try await files.open(folder + "/" + name, .createNew)
                    try await file.close()
                }
                let report = try await run(3, keep: 2)
                #expect(report.exitCode == 0)
                let notes = try #require(report.steps.first?.notes)
                #expect(notes.contains("removed \(folder)/n-2026-11-17.tar: keep is 2"))
                #expect(notes.contains("removed \(folder)/n-2026-11-16.tar: keep is 2"))
                #expect(
                    notes.contains {
                        $0.hasPrefix("\(folder)/n-2026-11-01.tar is left alone, since it is not an archive")
                    })
                let left = try await files.list(folder).filter { $0.hasPrefix("n") }
                #expect(left == (days[2...].map { "n-\($0).tar" } + strangers).sorted())
            }
        }
    }

    // MARK: Inputs

    private let withInput = """
        version: 1
        inputs: {OLD: {description: the registry to leave, default: default.example.com}, DAY: {}}
        stores: {old: {registry: $OLD}, it: {archive: $DAY}}
        steps: [{export: {from: old, to: it}}]

        """

    @Test func `an input is what was given, else the variable, else the default`() throws {
        func host(_ context: PipelineContext) throws -> String {
            try parse(withInput, context).copyStep().sources[0].store.description
        }
        let day = ["DAY": "x.tar"]
        #expect(try host(PipelineContext(variables: day)) == "default.example.com")
        #expect(
            try host(PipelineContext(variables: ["OLD": "env.example.com"].merging(day) { $1 })) == "env.example.com")
        #expect(
            try host(
                PipelineContext(
                    variables: ["OLD": "env.example.com"].merging(day) { $1 }, inputs: ["OLD": "given.example.com"]))
                == "given.example.com")
    }

    @Test func `an input without a value is one fault, where it is declared`() {
        let expected =
            "folder/p.yaml:2:88: inputs.DAY: not given: --input DAY=VALUE, or DAY in the environment, or a default here"
        #expect(faults(withInput) == [expected])
        #expect(faults(withInput, PipelineContext(variables: ["DAY": ""])) == [expected])
        #expect(faults(withInput, PipelineContext(variables: ["DAY": "x.tar"], inputs: ["DAY": ""])) == [expected])
    }

    @Test func `an input that is not declared is an error of usage`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/p.yaml"
            let file = try await LocalFileSystem().open(path, .createNew)
            try await file.write(.init(string: withInput), at: 0)
            try await file.close()
            let error = await #expect(throws: LifeboatError.self) {
                try await Pipeline.read(
                    path, from: LocalFileSystem(),
                    context: PipelineContext(variables: ["DAY": "x.tar"], inputs: ["ODL": "x"]))
            }
            #expect(error?.kind == .usage)
            #expect(error?.advice == "one of DAY, OLD")
        }
    }

    // MARK: Checks between steps

    @Test func `two steps that write one archive are found`() {
        let found = faults(
            "version: 1\nstores: {a: {registry: a.example.com}, b: {archive: b.tar}, c: {archive: ./b.tar}}\n"
                + "steps:\n  - {name: one, export: {from: a, to: b}}\n  - {name: two, export: {from: a, to: b}}\n")
        #expect(found == ["folder/p.yaml:5:39: steps[1]: writes folder/b.tar, which step 'one' has written"])
    }

    @Test func `an archive that is read has to be there or to be written before`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/p.yaml"
            let text =
                "version: 1\nstores: {a: {registry: a.example.com}, b: {archive: b.tar}, c: {archive: c.tar}}\n"
                + "steps:\n  - {name: one, import: {from: b, to: a}}\n  - {name: two, export: {from: a, to: b}}\n"
                + "  - {name: three, import: {from: b, to: a}}\n  - {name: four, verify: {store: c}}\n"
            let file = try await LocalFileSystem().open(path, .createNew)
            try await file.write(.init(string: text), at: 0)
            try await file.close()
            let error = await #expect(throws: DefinitionError.self) {
                try await Pipeline.read(path, from: LocalFileSystem(), variables: [:])
            }
            #expect(
                error?.description.split(separator: "\n").map(String.init) == [
                    "\(path):4:32: steps[0]: reads \(folder)/b.tar, which is not there before step 'two' writes it",
                    "\(path):7:34: steps[3]: reads \(folder)/c.tar, which is not there and which no step before writes",
                ])
        }
    }
}
