import NIOCore
import OCI

/// Puts the groups of a compressed archive behind each other, in their order, whatever the order in which they come.
actor GroupOutput {
    private let file: any File
    private let openSpool: @Sendable () async throws -> any File
    private var spool: Task<SpoolFile, any Error>?
    /// Where the group whose turn it is begins.
    private var offset: Int64 = 0
    private var turn = 0
    /// Whether somebody writes at `offset`.
    private var isBusy = false
    private var waiting: [Int: [SpoolFile.Extent]] = [:]

    /// - Parameter done: the groups that stand in the file already.
    init(_ file: any File, after done: GroupResume, openSpool: @escaping @Sendable () async throws -> any File) {
        self.file = file
        offset = done.end
        turn = done.count
        self.openSpool = openSpool
    }

    func openedSpool() async throws -> SpoolFile {
        let task = spool ?? Task { [openSpool] in SpoolFile(try await openSpool()) }
        spool = task
        return try await task.value
    }

    func open(_ group: Int) -> GroupLane {
        guard group == turn, !isBusy else { return GroupLane(group, start: nil, file: file, output: self) }
        isBusy = true
        return GroupLane(group, start: offset, file: file, output: self)
    }

    func close(_ lane: GroupLane) async throws {
        if lane.start != nil {
            offset = lane.end
            turn += 1
            isBusy = false
        } else {
            waiting[lane.group] = lane.extents
        }
        try await drain()
    }

    /// A group without bytes.
    func skip(_ group: Int) async throws {
        waiting[group] = []
        try await drain()
    }

    func fail(_ lane: GroupLane) async throws {
        if let start = lane.start {
            isBusy = false
            try await file.truncate(start)
        } else if let spool {
            try await spool.value.free(lane.extents)
        }
    }

    private func drain() async throws {
        while !isBusy, let extents = waiting[turn] {
            isBusy = true
            defer { isBusy = false }
            var end = offset
            for extent in extents {
                guard let bytes = try await spool?.value.read(extent) else { break }
                try await file.write(bytes, at: end)
                end += Int64(bytes.readableBytes)
            }
            try await spool?.value.free(extents)
            waiting[turn] = nil
            offset = end
            turn += 1
        }
    }

    func closeSpool() async throws {
        guard let spool else { return }
        self.spool = nil
        try await spool.value.close()
    }
}

/// A file without a name that holds pieces, and uses the place of pieces that are gone again.
actor SpoolFile {
    static let extentSize = 256 << 10

    struct Extent: Sendable, Hashable {
        let offset: Int64
        let count: Int
    }

    private let file: any File
    private var free: [Int64] = []
    private var end: Int64 = 0

    init(_ file: any File) {
        self.file = file
    }

    /// - Parameter bytes: at most `extentSize`.
    func write(_ bytes: ByteBuffer) async throws -> Extent {
        let offset: Int64
        if let known = free.popLast() {
            offset = known
        } else {
            offset = end
            end += Int64(SpoolFile.extentSize)
        }
        try await file.write(bytes, at: offset)
        return Extent(offset: offset, count: bytes.readableBytes)
    }

    func read(_ extent: Extent) async throws -> ByteBuffer {
        let bytes = try await file.read(at: extent.offset, count: extent.count)
        guard bytes.readableBytes == extent.count else {
            throw ArchiveError(.local, "\(file.path): temporary file is shorter than what was written to it")
        }
        return bytes
    }

    func free(_ extents: [Extent]) {
        free += extents.map(\.offset)
    }

    func close() async throws { try await file.close() }
}
