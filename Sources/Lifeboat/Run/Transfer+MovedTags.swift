import OCI

extension Transfer {
    /// Looks whether the source's tag still points to what has just arrived: what was pinned is kept, and the report
    /// says so. One request an image, whatever the number of targets, while other blobs are still on their way.
    func noteMovedTag(_ number: Int, _ item: PlanItem, _ state: TransferState) async throws {
        guard let tag = item.source.tag, !(item.store is any ImageCatalog) else { return }
        // What was there as it was has not been read, so that nothing can have moved under the reading.
        guard await !state.moved(among: [number]).isEmpty else { return }
        if let known = await state.tagNote(of: item) {
            if let note = known.text { await state.note([number], note) }
            return
        }
        var note: String?
        do {
            let now = try await item.store.source(item.source.repository).resolve(.tag(tag))
            if now.digest != item.source.descriptor.digest {
                note = "the source tag moved to \(now.digest) during the run"
            }
        } catch let error as any Failure {
            note = "the source tag could not be read again: \(error.description)"
        }
        await state.keep(TransferState.TagNote(text: note), of: item)
        if let note { await state.note([number], note) }
    }
}
