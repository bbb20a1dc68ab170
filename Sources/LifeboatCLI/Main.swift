import ArgumentParser
import Glibc
import Lifeboat
import OCI

/// Runs the command in a task that signals can cancel, and turns what it throws into words and an exit code.
@main
enum Main {
    static func main() async {
        Memory.keepSmall()
        signal(SIGPIPE, SIG_IGN)  // a reader that goes away is an error of the write, with a message
        let work = Task {
            var command = try LifeboatCommand.parseAsRoot()
            try OpenFiles.allowMany()
            if var verb = command as? any AsyncParsableCommand {
                try await verb.run()
            } else {
                try command.run()
            }
        }
        let signals = Signals { work.cancel() }
        do {
            try await work.value
            signals.exitIfStopped()
            exit(0)
        } catch let code as ExitCode {
            signals.exitIfStopped()
            exit(code.rawValue)
        } catch {
            signals.exitIfStopped()
            guard error is any Failure else { LifeboatCommand.exit(withError: error) }
            let report = FailureReport(error)
            Terminal.story(report.words)
            exit(report.kind.exitCode)
        }
    }
}

extension FailureReport {
    /// The failure as people read it, the advice on a line of its own.
    var words: String {
        "lifeboat: " + message + (advice.map { "\n  try: " + $0 } ?? "")
    }
}
