import NIOCore
import OCI
import Synchronization

/// Checks every byte of a plain archive of ours, several blobs at once.
struct PlainVerification {
    let map: ArchiveMap
    let front: FrontCheck
    let file: any File
    let concurrency: Int
    let observe: @Sendable (Int) -> Void

    func run(into report: inout ArchiveReport) async throws {
        for fault in front.faults { report.add(.damaged, at: "front", fault) }
        for frame in front.frames { try await check(frame, into: &report) }
        let manifests = try await checkManifests(into: &report)
        try await checkBlobs(manifests, into: &report)
        try await checkTail(into: &report)
    }

    private func check(
        _ frame: (header: ByteBuffer, slot: ArchiveMap.Slot), into report: inout ArchiveReport
    ) async throws {
        let header = try await file.read(at: frame.slot.headerOffset, count: frame.header.readableBytes)
        if header != frame.header {
            report.add(.damaged, at: "front", "the header at byte \(frame.slot.headerOffset) is not what it should be")
        }
        let start = frame.slot.contentOffset + frame.slot.size
        let padding = try await file.read(at: start, count: Tar.padding(frame.slot.size))
        if !TarFields.isZero(padding.readableBytesView) {
            report.add(.damaged, at: "front", "the padding from byte \(start) on is not zero")
        }
        observe(Int(frame.slot.end - frame.slot.headerOffset))
    }

    private func checkManifests(into report: inout ArchiveReport) async throws -> ManifestCheck {
        var check = ManifestCheck(map)
        for number in 0..<map.manifestCount {
            let (slot, blob) = (map.slots[number], map.blobs[number])
            let bytes = try await file.read(at: slot.contentOffset, count: Int(slot.size))
            // Whether the bytes are right is found with all other blobs; here it is what they say.
            guard Digest(of: bytes, algorithm: blob.digest.algorithm) == blob.digest else { continue }
            check.take(bytes, blob, archive: report.path)
        }
        for (digest, fault) in check.faults + check.incomplete {
            report.add(.damaged, at: "blob \(digest)", fault, images: check.images(of: digest))
        }
        return check
    }

    private func checkBlobs(_ manifests: ManifestCheck, into report: inout ArchiveReport) async throws {
        let check = SlotCheck(map, file: file, archive: report.path)
        let faults = Mutex<[(number: Int, fault: String)]>([])
        let observe = observe
        try await forEach(0..<map.slots.count, limit: concurrency) { number in
            guard let fault = try await check.fault(in: number, observe: observe) else { return }
            faults.withLock { $0.append((number, fault)) }
        }
        for (number, fault) in faults.withLock({ $0 }).sorted(by: { $0.number < $1.number }) {
            let digest = map.blobs[number].digest
            report.add(.damaged, at: "blob \(digest)", fault, images: manifests.images(of: digest))
        }
    }

    private func checkTail(into report: inout ArchiveReport) async throws {
        let size = try await file.status().size
        let tail = try await file.read(at: map.seal.headerOffset, count: map.tail.readableBytes)
        report.isSealed = tail == map.tail
        if !report.isSealed {
            report.add(.damaged, at: "seal", "the archive is not sealed: it was not written to its end, or was changed")
        }
        if size != map.size {
            report.add(.damaged, at: "end", "the archive has \(size) bytes, want \(map.size)")
        }
        observe(tail.readableBytes)
    }
}
