import ArgumentParser
import Lifeboat
import OCI

/// Runs steps, says what happens, prints the answer, and throws the exit code.
func run(
    _ steps: [Step], name: String, in environment: RunEnvironment, output: OutputFlags,
    answersOnStandardOutput: Bool = true
) async throws {
    let progress = Progress(isQuiet: output.quiet)
    let report = await Runner(environment, observe: progress.handle).run(steps, name: name)
    progress.end()
    try Task.checkCancellation()
    let answer = answersOnStandardOutput ? Terminal.answer : Terminal.story
    if output.json { answer(report.json.indented) } else { answer(Summary.text(of: report)) }
    if report.exitCode != 0 {
        for failure in report.steps.compactMap(\.error) { Terminal.story(failure.words) }
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
func answer(_ plan: PipelinePlan, output: OutputFlags, check: Bool = false) throws {
    if output.json { Terminal.answer(plan.json.indented) } else { Terminal.answer(PlanTable.text(of: plan)) }
    for failure in plan.steps.compactMap(\.error) { Terminal.story(failure.words) }
    if plan.exitCode != 0 { throw ExitCode(plan.exitCode) }
    if check, plan.hasChanges { throw ExitCode(4) }
}
