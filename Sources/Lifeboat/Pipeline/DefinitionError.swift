import OCI

/// Everything that is wrong with a pipeline definition, in one go. Nothing was touched.
public struct DefinitionError: Failure {
    /// One fault, where it stands: lines and columns count from 1.
    public struct Fault: Sendable, Hashable, Comparable {
        public var line: Int
        public var column: Int
        public var key: String
        public var reason: String

        public init(line: Int, column: Int, key: String, reason: String) {
            self.line = line
            self.column = column
            self.key = key
            self.reason = reason
        }

        public static func < (a: Fault, b: Fault) -> Bool { (a.line, a.column) < (b.line, b.column) }
    }

    public let file: String
    public let faults: [Fault]

    public init(file: String, faults: [Fault]) {
        self.file = file
        self.faults = faults.sorted()
    }

    public var kind: FailureKind { .policy }
    public var advice: String? { nil }

    /// `file:line:column: key: reason`, one line a fault.
    public var description: String {
        faults.map { fault in
            "\(file):\(fault.line):\(fault.column): " + (fault.key.isEmpty ? "" : fault.key + ": ") + fault.reason
        }.joined(separator: "\n")
    }
}
