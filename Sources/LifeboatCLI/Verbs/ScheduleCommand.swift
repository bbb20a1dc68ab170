import ArgumentParser
import Lifeboat
import OCI
import OCIArchive
import OCIServer

struct ScheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "Run pipelines at the times that they say, until stopped.",
        discussion: """
            lifeboat schedule nightly.yaml weekly.yaml --listen 127.0.0.1:9464

            A definition is read again before each of its runs. SIGTERM stops what is running, as it stops lifeboat run; what \
            is then missing is made up for at the next start. With --listen, /healthz and /metrics are answered.
            """)

    @Argument(help: ArgumentHelp("YAML files with a schedule.", valueName: "pipeline"))
    var pipelines: [String]

    @Option(
        help: ArgumentHelp(
            "Answer /healthz and /metrics here; port 0 takes a free one. Default: nowhere.", valueName: "host:port"))
    var listen: String?

    @OptionGroup var metrics: MetricsFlags
    @OptionGroup var state: StateFlags
    @OptionGroup var pipeline: PipelineFlags
    @OptionGroup var registries: RegistryFlags

    @Flag(name: .shortAndLong, help: "Say nothing but failures.")
    var quiet = false

    func validate() throws {
        let paths = pipelines.map(absolutePath)
        if let twice = paths.first(where: { path in paths.count { $0 == path } > 1 }) {
            throw ValidationError("\(shown(twice, limit: 1000)) is given twice")
        }
    }

    func run() async throws {
        var environment = try RunEnvironment.command(registries)
        try environment.plugInCatalog(state)  // what is wrong with its options is said now
        let address = try listen.map { try listenAddress($0) }
        let metricsFile = try await MetricsFile.prepare(metrics.file, in: environment)
        let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let board = ScheduleBoard { change.yield() }
        let service = service(board, environment)
        let paths = pipelines.map(absolutePath)
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let address {
                let server = StatusServer(host: address.host, port: address.port) { path in
                    switch path {
                    case "/healthz": "ok\n"
                    case "/metrics": Lifeboat.metrics(of: board.all, version: LifeboatCommand.version)
                    default: nil
                    }
                }
                group.addTask { [quiet] in
                    try await server.run { port in
                        if !quiet { Terminal.story("metrics on http://\(address.host):\(port)/metrics") }
                    }
                }
            }
            if let metricsFile {
                group.addTask {
                    for await _ in changes {
                        do {
                            try await metricsFile.write(board.all)
                        } catch let error as any Failure {
                            // Watched by what reads it: a file that grows old is an alarm of its own.
                            Terminal.story("note: \(error.description)")
                        }
                    }
                    try Task.checkCancellation()
                }
            }
            group.addTask { try await service.run(paths) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    private func service(_ board: ScheduleBoard, _ environment: RunEnvironment) -> ScheduleService {
        let say: @Sendable (String) -> Void = { text in
            Terminal.story(Figures.instant(environment.surroundings.now()) + " " + text)
        }
        return ScheduleService(
            watch: Watch.command(environment, folder: state.folder ?? environment.workFolder), board: board,
            files: environment.fileSystem, surroundings: environment.surroundings,
            read: { [pipeline] path in try await Pipeline.command(path, pipeline, in: environment) },
            perform: { [state, quiet] definition in
                var environment = environment
                try environment.plugInCatalog(state, definition: definition.state)
                if !quiet { say("\(shown(definition.name, limit: 200)): begins") }
                let report = await Runner(environment.with(definition.settings)).run(
                    definition.steps, name: definition.name)
                if !quiet || report.exitCode != 0 {
                    say("\(shown(definition.name, limit: 200)): \(report.exitCode == 0 ? "done" : "ended")")
                    Terminal.story(Summary.text(of: report))
                }
                return report
            }, story: say)
    }
}
