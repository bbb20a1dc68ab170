import GRDB
import Glibc

/// Opens the file of a catalog and brings its tables up to date.
enum CatalogFile {
    static func open(_ path: String) throws -> DatabaseQueue {
        try makeFile(path)
        var configuration = Configuration()
        configuration.label = "catalog"
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(Catalog.patience)
        configuration.prepareDatabase { database in
            // A cache need not survive a power cut to its last row; WAL keeps the file whole all the same.
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        do {
            let database = try DatabaseQueue(path: path, configuration: configuration)
            do {
                try database.write { try CatalogSchema.migrate($0, path: path) }
                return database
            } catch {
                try database.close()
                throw error
            }
        } catch {
            throw CatalogError(error, path: path)
        }
    }

    /// Makes the folders and an empty file that only its owner reads; SQLite gives the files beside it the same mode.
    private static func makeFile(_ path: String) throws {
        var end = path.startIndex
        while let slash = path[end...].dropFirst().firstIndex(of: "/") {
            end = slash
            let folder = String(path[..<slash])
            if mkdir(folder, 0o700) != 0, errno != EEXIST {
                throw CatalogError(writing: path, because: "cannot make \(folder): \(words(errno))")
            }
        }
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw CatalogError(writing: path, because: words(errno))
        }
        Glibc.close(file)
    }

    private static func words(_ number: Int32) -> String { String(cString: strerror(number)) }
}
