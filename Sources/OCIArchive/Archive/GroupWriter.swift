import NIOCore
import OCI
import Synchronization

/// A compressed tar: one frame or member for each group, so that groups can be compressed at once, in any order.
///
/// Groups are: the front; manifests and configs; each layer; the seal. The group whose turn it is goes straight into
/// the file, the others wait compressed in a spool.
final class GroupWriter: ArchiveWriter {
    private let plan: ArchivePlan
    private let format: ArchiveFormat
    private let file: any File
    private let output: GroupOutput
    /// Manifests and configs uncompressed, until all of them are there.
    private let head: any File
    private let missingConfigs: Mutex<Int>
    /// What an earlier run that had the same plan has left.
    private let done: GroupResume

    /// - Parameter openSpool: makes a file without a name, on the file system of the archive.
    init(
        _ plan: ArchivePlan, _ format: ArchiveFormat, _ file: any File, after done: GroupResume = GroupResume(),
        openSpool: @escaping @Sendable () async throws -> any File
    ) async throws {
        self.plan = plan
        self.format = format
        self.file = file
        self.done = done
        output = GroupOutput(file, after: done, openSpool: openSpool)
        head = try await openSpool()
        missingConfigs = Mutex(plan.map.headCount - plan.map.manifestCount)
    }

    static let frontGroup = 0
    static let headGroup = 1
    private static let firstLayerGroup = 2

    /// The group that a slot stands in.
    static func group(of number: Int, in map: ArchiveMap) -> Int {
        number < map.headCount ? headGroup : firstLayerGroup + number - map.headCount
    }

    /// The slots of a group; none of the front.
    static func slots(of group: Int, in map: ArchiveMap) -> Range<Int> {
        switch group {
        case frontGroup: 0..<0
        case headGroup: 0..<map.headCount
        default: (group - firstLayerGroup + map.headCount)..<(group - firstLayerGroup + map.headCount + 1)
        }
    }

    private var map: ArchiveMap { plan.map }
    var isSequential: Bool { false }

    func start(reading manifest: @Sendable (Digest) async throws -> Manifest) async throws {
        try await file.truncate(done.end)
        if done.count <= GroupWriter.frontGroup {
            try await writeGroup(GroupWriter.frontGroup) { try await $0.append(plan.front) }
        }
        guard done.count <= GroupWriter.headGroup else { return }
        try await map.writeManifests(to: head, base: map.frontSize, reading: manifest)
        if map.headCount == map.manifestCount { try await writeHead() }
    }

    func holds(_ number: Int) -> Bool { done.holds(number, of: map) }

    func write(_ content: Content, to number: Int) async throws {
        if number < map.headCount {
            try await map.write(content, to: number, of: head, base: map.frontSize)
            let missing = missingConfigs.withLock {
                $0 -= 1
                return $0
            }
            guard missing == 0 else { return }
            do {
                try await writeHead()
            } catch {
                missingConfigs.withLock { $0 += 1 }
                throw error
            }
        } else {
            let header = map.header(number)
            let group = GroupWriter.group(of: number, in: map)
            try await writeGroup(group, contentAt: header.readableBytes) { encoder in
                try await encoder.append(header)
                try await content.forEachChunk { try await encoder.append($0) }
                try await encoder.append(ByteBuffer(repeating: 0, count: Tar.padding(content.descriptor.size)))
            }
        }
    }

    private func writeHead() async throws {
        guard map.headEnd > map.frontSize else { return try await output.skip(GroupWriter.headGroup) }
        try await writeGroup(GroupWriter.headGroup) { encoder in
            try await head.forEachChunk(from: 0, count: map.headEnd - map.frontSize) { try await encoder.append($0) }
        }
    }

    /// - Parameter contentAt: how many bytes of headers stand before a layer, whose first bytes say how hard to try.
    private func writeGroup(
        _ group: Int, contentAt: Int? = nil, _ body: (inout GroupEncoder) async throws -> Void
    ) async throws {
        var encoder = GroupEncoder(format, into: await output.open(group), contentAt: contentAt)
        do {
            try await body(&encoder)
            try await encoder.finish()
        } catch {
            try await output.fail(encoder.lane)
            throw error
        }
        try await output.close(encoder.lane)
    }

    func finish() async throws {
        try await writeGroup(GroupWriter.firstLayerGroup + map.slots.count - map.headCount) {
            // The file is synced up to here before there is a seal in it.
            try await file.sync()
            try await $0.append(map.tail)
        }
        try await file.sync()
    }

    func close() async throws {
        try await head.close()
        try await output.closeSpool()
        try await file.close()
    }
}
