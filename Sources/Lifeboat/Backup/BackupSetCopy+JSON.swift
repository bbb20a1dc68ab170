import OCI
import OCIArchive

extension BackupSetCopy {
    /// What went wrong, one entry a backup.
    public var failures: [FailureReport] {
        failed.map { backup, error in
            var failure = FailureReport(error)
            failure.message = "backup \(backup.name) of \(backup.moment) was not copied: \(failure.message)"
            return failure
        } + alarms.map { FailureReport(LifeboatError(.damaged, "not copied: \($0.description)", advice: $0.advice)) }
    }

    /// The result for machines.
    public var json: JSONValue {
        .object([
            "version": .number(1), "copied": .array(copied.map { .string($0.id.description) }),
            "present": .number(Int64(present)), "bytes": .number(bytes), "failures": .array(failures.map(\.json)),
        ])
    }
}
