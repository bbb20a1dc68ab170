import ArgumentParser
import Lifeboat
import OCI

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "See whether registries answer, resolve a tag, and hand out a manifest and the bytes of a blob.",
        discussion: """
            lifeboat probe registry.example.com/team/app:1.4
            lifeboat probe registry.example.com --metrics-file /var/lib/node_exporter/lifeboat-probe.prom

            The exit code is the class of what is wrong; 0 if nothing is.
            """)

    @Argument(help: ArgumentHelp("HOST, HOST/REPOSITORY or HOST/REPOSITORY:TAG.", valueName: "place"))
    var places: [String]

    @Option(
        name: .customLong("metrics-file"),
        help: ArgumentHelp("Write the result for a textfile collector to this file too.", valueName: "file"))
    var metricsFile: String?

    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        let environment = try RunEnvironment.command(registries)
        let probed = try places.map { try ProbedPlace(parsing: $0) }
        var metrics: ReportFile?
        if let metricsFile { metrics = try await ReportFile.prepare(metricsFile, in: environment.fileSystem) }
        let results = await Probe(environment).run(probed)
        try Task.checkCancellation()
        // The collector runs as another user.
        try await metrics?.write(results.metrics, mode: 0o644)
        if output.json {
            Terminal.answer(results.json)
        } else {
            for result in results where result.error == nil && !output.quiet { Terminal.answer(result.line) }
        }
        for result in results {
            guard let error = result.error else { continue }
            Terminal.story(result.line + (error.advice.map { "\n  try: " + $0 } ?? ""))
        }
        if results.exitCode != 0 { throw ExitCode(results.exitCode) }
    }
}
