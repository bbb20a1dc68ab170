import OCI

/// Which blobs have been read and found right since their bytes last changed: those need not be hashed again, and parts of
/// them may be sent.
actor VerifiedBlobs {
    /// The most blobs that are remembered; beyond it all are forgotten.
    private static let limit = 100_000

    private var stamps: [Digest: String] = [:]
    private var reading: [Digest: Task<String, any Error>] = [:]

    func has(_ blob: Descriptor, _ stamp: String) -> Bool { stamps[blob.digest] == stamp }

    /// Reads the whole blob unless that was done; many who ask at once wait for one reading.
    ///
    /// - Returns: the stamp under which it was found right.
    func stamp(of blob: Descriptor, in source: any RandomAccessSource) async throws -> String {
        let now = try await source.stamp(of: blob)
        if stamps[blob.digest] == now { return now }
        if let running = reading[blob.digest] { return try await running.value }
        let task = Task {
            defer { self.reading[blob.digest] = nil }
            let before = try await source.stamp(of: blob)
            try await source.read(blob) { try await $0.verify() }
            try await self.remember(blob, before, in: source)
            return before
        }
        reading[blob.digest] = task
        return try await task.value
    }

    /// Notes a blob that has just been read whole, if it did not change meanwhile.
    func remember(_ blob: Descriptor, _ stamp: String, in source: any RandomAccessSource) async throws {
        guard try await source.stamp(of: blob) == stamp else {
            throw OCIError(.damaged, "blob \(blob.digest) in \(source.name) changed while it was read")
        }
        if stamps.count >= Self.limit { stamps.removeAll() }
        stamps[blob.digest] = stamp
    }
}
