import OCI
import OCIArchive

extension BackupSetCopy {
    /// What went wrong, one entry a backup.
    public var failures: [FailureReport] { failed.map { FailureReport($0.error) } }

    /// The result for machines.
    public var json: JSONValue {
        .object([
            "version": .number(1), "copied": .array(copied.map { .string($0.id.description) }),
            "present": .number(Int64(present)), "bytes": .number(bytes), "failures": .array(failures.map(\.json)),
        ])
    }
}
