import ArgumentParser
import Lifeboat
import OCI

/// Runs steps, says what happens, prints the answer, and throws the exit code.
func run(
    _ steps: [Step], name: String, in environment: RunEnvironment, output: OutputFlags,
    files: ReportFlags? = nil, answersOnStandardOutput: Bool = true
) async throws {
    // Where a report cannot be written is known before the work, not after it.
    let json = try await prepare(files?.report, in: environment)
    let html = try await prepare(files?.html, in: environment)
    let progress = Progress(isQuiet: output.quiet)
    let report = await Runner(environment, observe: progress.handle).run(steps, name: name)
    progress.end()
    try await json?.write(report.json.indented + "\n")
    try await html?.write(report.html)
    try Task.checkCancellation()
    let answer = answersOnStandardOutput ? Terminal.answer : Terminal.story
    if output.json { answer(report.json.indented) } else if !report.steps.isEmpty { answer(Summary.text(of: report)) }
    if report.exitCode != 0 {
        if output.json { for failure in report.steps.compactMap(\.error) { Terminal.story(failure.words) } }
        throw ExitCode(report.exitCode)
    }
}

private func prepare(_ path: String?, in environment: RunEnvironment) async throws -> ReportFile? {
    guard let path else { return nil }
    return try await ReportFile.prepare(path, in: environment.fileSystem)
}

/// Says what steps would do.
func printPlan(_ step: CopyStep, in environment: RunEnvironment, output: OutputFlags) async throws {
    let plan = try await Runner(environment).plan(step)
    if output.json {
        Terminal.answer(plan.json(target: step.targetNames).indented)
    } else {
        Terminal.answer(Summary.text(of: plan, target: step.targetNames))
    }
    let kinds = plan.failures.map { FailureReport($0.error).kind }
    if !kinds.isEmpty {
        throw ExitCode(plan.items.isEmpty ? FailureReport(plan.failures[0].error).kind.exitCode : 3)
    }
}
