import OCI

/// Which blob goes into which volume, if no volume is to be larger than so many bytes.
///
/// Images are taken in their order. An image that fits into one volume is not divided: it begins the next one where the
/// current one has no room for what it adds. No blob is divided.
struct ArchiveDivision {
    let draft: ArchiveDraft
    /// The most bytes of a volume.
    let volumeSize: Int64
    let format: ArchiveFormat
    /// How messages call the archive.
    let archive: String

    /// The smallest volume that may be asked for.
    static let sizeMinimum: Int64 = 16 << 10

    /// One plan for each volume.
    ///
    /// - Throws: `ArchiveError` `.usage` for a blob that is larger than a volume, `.policy` for more volumes than there
    ///   may be.
    func plans() throws -> [ArchivePlan] {
        let whole = try ArchivePlan(draft, archive: archive)
        // What stands in a volume besides its blobs is known when it is known which blobs they are: so it is guessed, and
        // guessed anew if it was too little.
        var overhead = cost(of: whole) - whole.map.blobs.reduce(0) { $0 + cost(of: $1) }
        overhead += Int64(draft.contents.blobs.count) * 16 + 1024
        while true {
            let plans = try self.plans(overhead: overhead, whole: whole.id)
            guard let largest = plans.map(cost).max(), largest > volumeSize else { return plans }
            overhead += largest - volumeSize
        }
    }

    private func plans(overhead: Int64, whole: Digest) throws -> [ArchivePlan] {
        let numbers = try numbers(room: volumeSize - overhead, overhead: overhead)
        let count = numbers.values.max() ?? 1
        guard count <= VolumeNumber.countLimit else {
            throw ArchiveError.policy(
                "\(archive) would have \(count) volumes, the limit is \(VolumeNumber.countLimit)",
                advice: "larger volumes")
        }
        var draft = draft
        for number in draft.contents.blobs.indices where !draft.contents.blobs[number].isInBase {
            draft.contents.blobs[number].volume = numbers[draft.contents.blobs[number].digest]
        }
        let bases = draft.contents.needs.map(\.base)
        draft.contents.needs = draft.images.enumerated().map { number, planned in
            ImageNeeds(
                base: bases.isEmpty ? false : bases[number],
                volumes: Set(planned.parts.compactMap { numbers[$0.digest] }).sorted())
        }
        var plans: [ArchivePlan] = []
        for number in 1...count {
            draft.contents.lineage.volume = VolumeNumber(
                number: number, count: count, first: plans.first?.id, whole: whole)
            plans.append(try ArchivePlan(draft, archive: archive))
        }
        return plans
    }

    /// The volume of every blob that is written, from 1 on.
    private func numbers(room: Int64, overhead: Int64) throws -> [Digest: Int] {
        var numbers: [Digest: Int] = [:]
        var (volume, used): (Int, Int64) = (1, 0)
        var blobs: [Digest: ArchivedBlob] = [:]
        for blob in draft.contents.blobs where !blob.isInBase { blobs[blob.digest] = blob }
        for planned in draft.all {
            let added = planned.parts.compactMap { blobs.removeValue(forKey: $0.digest) }
            for blob in added where cost(of: blob) > room {
                throw ArchiveError.usage(
                    "\(blob.role.rawValue) \(blob.digest) of \(planned.image.fullName) has \(blob.size) bytes, which do "
                        + "not fit into a volume of \(volumeSize), and no blob is divided",
                    advice: "volumes of at least \(rounded(cost(of: blob) + overhead)) (--volume-size)")
            }
            let size = added.reduce(0) { $0 + cost(of: $1) }
            if size <= room, used + size > room { (volume, used) = (volume + 1, 0) }
            for blob in added {
                let size = cost(of: blob)
                if used + size > room { (volume, used) = (volume + 1, 0) }
                used += size
                numbers[blob.digest] = volume
            }
        }
        return numbers
    }

    /// The most bytes of a blob's entry in the file.
    private func cost(of blob: ArchivedBlob) -> Int64 {
        let plain = TarHeader.size(name: blob.name, size: blob.size) + Tar.padded(blob.size)
        return plain + slack(plain)
    }

    private func cost(of plan: ArchivePlan) -> Int64 {
        guard format != .plain else { return plan.size }
        let blobs = plan.map.blobs.reduce(0) { $0 + cost(of: $1) }
        let rest = plan.map.frontSize + plan.map.size - plan.map.seal.headerOffset
        return blobs + rest + slack(rest) * 2
    }

    /// By how much bytes that cannot be compressed may grow: gzip's stored blocks take 5 bytes for 16 KiB, zstd and xz
    /// less, and every group has a head and an end.
    private func slack(_ size: Int64) -> Int64 { format == .plain ? 0 : size / 2048 + 256 }

    /// In units that `--volume-size` takes, never less.
    private func rounded(_ size: Int64) -> String {
        for (unit, name) in [(Int64(1_000_000_000), "GB"), (1_000_000, "MB"), (1000, "kB")] where size >= 10 * unit {
            return "\((size + unit - 1) / unit)\(name)"
        }
        return "\(size)B"
    }
}
