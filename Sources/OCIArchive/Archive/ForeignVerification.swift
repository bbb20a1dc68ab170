import NIOCore
import OCI

/// Checks an archive that others wrote: it has no seal, but its blobs have digests.
struct ForeignVerification {
    let file: any File
    let head: ByteBuffer
    let opening: ArchiveOpening
    let observe: @Sendable (Int) -> Void

    func run(into report: inout ArchiveReport) async throws {
        guard report.format != .plain else { return try await verify(file, into: &report) }
        let copy = try await opening.fileSystem.open(opening.workFolder + "/archive", .temporary)
        let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: opening.limits)
        var offset: Int64 = 0
        while let chunk = try await stream.next() {
            try await copy.write(chunk, at: offset)
            offset += Int64(chunk.readableBytes)
        }
        try await verify(copy, into: &report)
        try await copy.close()
    }

    private func verify(_ file: any File, into report: inout ArchiveReport) async throws {
        let listing = try ArchiveListing(
            try await TarReader.entries(of: file, archive: report.path), archive: report.path)
        report.flavor = listing.flavor
        report.notes.append("not sealed: it was not written by Lifeboat")
        let anyName = try opening.defaultRepository ?? RepositoryName("unnamed")
        let catalog: any ImageCatalog
        switch listing.flavor {
        case .oci, .ours:
            let source = try await ForeignArchive(listing: listing, file: file).open(defaultRepository: anyName)
            report.notes += source.notes
            catalog = source
        case .docker:
            guard let docker = opening.docker else {
                throw ArchiveError.policy("\(report.path) is a docker-archive, which is not read here")
            }
            catalog = try await docker(listing, file, anyName)
        case nil:
            throw ArchiveError.damaged(
                "\(report.path) is a tar without images: it has neither oci-layout nor manifest.json")
        }
        try await verify(catalog, into: &report)
    }

    private func verify(_ catalog: any ImageCatalog, into report: inout ArchiveReport) async throws {
        var seen: Set<Digest> = []
        let images = try await catalog.images()
        report.imageCount = images.count
        for image in images {
            let source = try await catalog.source(image.repository)
            var queue = [image.descriptor]
            while let manifest = queue.popLast() {
                let isNew = seen.insert(manifest.digest).inserted
                do {
                    let found = try await source.manifest(manifest)
                    if isNew { report.count(manifest) }
                    queue += try await source.referrers(of: manifest.digest).filter { !seen.contains($0.digest) }
                    try await verify(found, source, image, &queue, &seen, into: &report)
                } catch let failure as any Failure where ArchiveReport.isFinding(failure) {
                    report.add(.damaged, at: "blob \(manifest.digest)", failure.description, images: [image.fullName])
                }
            }
        }
    }

    private func verify(
        _ manifest: Manifest, _ source: any ImageSource, _ image: NamedImage, _ queue: inout [Descriptor],
        _ seen: inout Set<Digest>, into report: inout ArchiveReport
    ) async throws {
        var absent = 0
        for child in manifest.children where !child.isForeign && !seen.contains(child.digest) {
            if child.mediaType.isManifest {
                // Many tools write one platform of an index only, which leaves the index as it is.
                if let store = source as? any RandomAccessSource, try await store.blob(child.digest) == nil {
                    absent += 1
                } else {
                    queue.append(child)
                }
                continue
            }
            seen.insert(child.digest)
            report.count(child)
            let observe = observe
            do {
                try await source.read(child) { try await $0.observed(observe).verify() }
            } catch let failure as any Failure where ArchiveReport.isFinding(failure) || failure.kind == .notFound {
                report.add(.damaged, at: "blob \(child.digest)", failure.description, images: [image.fullName])
            }
        }
        if absent > 0, absent == manifest.children.count {
            report.add(
                .damaged, at: "blob \(manifest.descriptor.digest)", "none of its manifests is in the archive",
                images: [image.fullName])
        } else if absent > 0 {
            report.notes.append(
                "\(image.fullName) is there for some platforms only: \(absent) of \(manifest.children.count) manifests "
                    + "of its index are not in the archive")
        }
    }
}

extension ArchiveReport {
    fileprivate mutating func count(_ blob: Descriptor) {
        blobCount += 1
        byteCount += blob.size
    }
}
