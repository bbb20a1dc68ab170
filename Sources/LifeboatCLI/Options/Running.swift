import ArgumentParser
import Lifeboat
import OCI

/// Runs steps, says what happens, prints the answer, and throws the exit code.
///
/// - Parameter around: does the work that it is given, and whatever belongs before and after it.
func run(
    _ steps: [Step], name: String, in environment: RunEnvironment, output: OutputFlags,
    reports: ReportFiles? = nil, answersOnStandardOutput: Bool = true,
    around: (@escaping @Sendable () async -> Report) async throws -> Report = { await $0() }
) async throws {
    let progress = Progress(isQuiet: output.quiet)
    let report = try await around { await Runner(environment, observe: progress.handle).run(steps, name: name) }
    progress.end()
    try await reports?.write(report)
    try answer(report, output: output, onStandardOutput: answersOnStandardOutput)
}

/// Prints the report of what was done and throws its exit code.
func answer(_ report: Report, output: OutputFlags, onStandardOutput: Bool = true) throws {
    try Task.checkCancellation()
    if output.json {
        onStandardOutput ? Terminal.answer(report.json) : Terminal.story(report.json)
    } else if !report.steps.isEmpty {
        let text = Summary.text(of: report)
        onStandardOutput ? Terminal.answer(text) : Terminal.story(text)
    }
    if report.exitCode != 0 {
        if output.json { for failure in report.steps.compactMap(\.error) { Terminal.story(failure.words) } }
        throw ExitCode(report.exitCode)
    }
}

/// Says what a step would do.
func printPlan(_ step: CopyStep, in environment: RunEnvironment, output: OutputFlags) async throws {
    let name = step.kind.rawValue
    let plan = try await PipelinePlanner(environment).plan([Step(name: name, work: .copy(step))], name: name)
    try answer(plan, output: output)
}

/// Prints a plan and throws the exit code that it comes to.
///
/// - Parameter check: whether changes are an exit code of their own.
func answer(_ plan: PipelinePlan, output: OutputFlags, check: Bool = false, keptIn file: String? = nil) throws {
    if output.json {
        Terminal.answer(plan.json)
    } else {
        PlanTable.write(plan, keptIn: file, to: Terminal.answer)
    }
    for failure in plan.steps.compactMap(\.error) { Terminal.story(failure.words) }
    if plan.exitCode != 0 { throw ExitCode(plan.exitCode) }
    if check, plan.hasChanges { throw ExitCode(4) }
}
