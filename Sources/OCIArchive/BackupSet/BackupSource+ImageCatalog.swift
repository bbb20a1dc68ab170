import OCI

extension BackupSource: ImageCatalog {
    public var name: String { self.set.name }

    public func images() -> [NamedImage] { named }

    public func repositories() -> [RepositoryName] { Set(named.map(\.repository)).sorted() }

    public func source(_ repository: RepositoryName) throws -> any ImageSource {
        BackupRepository(backup: self, images: try images(of: repository))
    }
}
