import NIOHTTP1
import OCI

extension Registry {
    /// Asks whether this is a registry that answers. A question for a login is an answer.
    ///
    /// - Throws: `RegistryError` of what is wrong.
    public func ping() async throws {
        let answer = try await answer(Request(.head, .GET, root, access: nil, what: "/v2/"))
        guard answer.status == 200 && !answer.isHTML || answer.status == 401 else {
            throw refusal(answer, of: "/v2/", in: nil)
        }
    }
}

extension RemoteRepository {
    /// Reads the first bytes of a blob, *unverified*: only their number is looked at.
    ///
    /// - Parameter count: at most the size of the blob.
    /// - Returns: whether it was sent as a part; false where the registry sends only whole blobs.
    public func readStart(of blob: Descriptor, count: Int) async throws -> Bool {
        let download = BlobDownload(repository: self, blob: blob)
        do {
            _ = try await BlobPart(
                download: download, first: 0, count: count,
                source: BlobPart.Source(address: download.address, tag: nil)
            ).read()
            return true
        } catch is BlobDownload.WrongRange {
            return false
        }
    }
}
