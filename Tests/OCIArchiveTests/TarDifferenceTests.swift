import Foundation
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Our reading of tars against GNU tar's and Python's, on archives that many tools wrote (FAULTS.md, A8).
struct TarDifferenceTests {
    private struct Entry: Hashable, CustomStringConvertible {
        var name: String
        var size: Int64
        var kind: String
        /// The SHA-256 of the content of a file.
        var digest = ""

        var description: String { "\(kind) \(size) \(name)" }
    }

    private static let tars = Fixtures.files(".").filter { $0.hasSuffix(".tar") }

    /// One line an entry, of which the name is JSON.
    private static let python = """
        import sys, json, tarfile, hashlib
        kinds = {tarfile.REGTYPE: 'file', tarfile.AREGTYPE: 'file', tarfile.DIRTYPE: 'folder', tarfile.LNKTYPE: 'hard link', tarfile.SYMTYPE: 'symbolic link'}
        with tarfile.open(sys.argv[1], 'r:') as t:
            for m in t:
                digest = hashlib.sha256(t.extractfile(m).read()).hexdigest() if m.isreg() else ''
                print(json.dumps([m.name.rstrip('/'), m.size if m.isreg() else 0, kinds.get(m.type, 'other'), digest]))
        """

    @Test(.enabled("the public fixtures are not here") { !tars.isEmpty && Program.exists("python3") }, arguments: tars)
    func `what we read is what Python and GNU tar read, entry by entry`(_ name: String) async throws {
        let path = Fixtures.path(name)
        let file = try await LocalFileSystem().open(path, .read)
        let ours: [Entry]
        do {
            ours = try await Self.entries(of: file)
        } catch let error as ArchiveError {
            // Refused is safe; read in another way than others read it is not.
            #expect([.damaged, .policy].contains(error.kind), "\(error)")
            try await file.close()
            return
        }
        try await file.close()
        let python = try await Program.run("python3", "-c", Self.python, path)
        #expect(python.status == 0, "\(python.errors)")
        let theirs = try python.output.split(separator: "\n").map { line in
            let values = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Any])
            return Entry(
                name: values[0] as? String ?? "", size: (values[1] as? NSNumber)?.int64Value ?? -1,
                kind: values[2] as? String ?? "", digest: values[3] as? String ?? "")
        }
        #expect(ours == theirs)
        guard Program.exists("tar") else { return }
        let gnu = try await Program.run("tar", ["-tvf", path, "--numeric-owner", "--quoting-style=literal"])
        #expect(gnu.status == 0, "\(gnu.errors)")
        let listed = gnu.output.split(separator: "\n").map { line -> String in
            let parts = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            var name = String(parts[5]).components(separatedBy: " -> ")[0].components(separatedBy: " link to ")[0]
            while name.count > 1, name.hasSuffix("/") { name.removeLast() }
            return "\(parts[2]) \(name)"
        }
        #expect(ours.map { "\($0.size) \($0.name)" } == listed)
    }

    @Test(.enabled("the public fixtures are not here") { !tars.isEmpty })
    func `there are fixtures that we read, not only such that we refuse`() async throws {
        var read = 0
        for name in Self.tars {
            let file = try await LocalFileSystem().open(Fixtures.path(name), .read)
            do {
                _ = try await TarReader.entries(of: file)
                read += 1
            } catch is ArchiveError {}
            try await file.close()
        }
        #expect(read >= Self.tars.count - 4, "\(read) of \(Self.tars.count)")
    }

    private static func entries(of file: any File) async throws -> [Entry] {
        var entries: [Entry] = []
        for entry in try await TarReader.entries(of: file) {
            var name = entry.name
            while name.count > 1, name.hasSuffix("/") { name.removeLast() }
            let kind =
                switch entry.kind {
                case .file: "file"
                case .folder: "folder"
                case .hardLink: "hard link"
                case .symbolicLink: "symbolic link"
                default: "other"
                }
            var one = Entry(name: name, size: entry.kind == .file ? entry.size : 0, kind: kind)
            if entry.kind == .file {
                one.digest = try await file.digest(
                    at: entry.contentOffset, count: entry.size, by: .sha256, observe: { _ in }
                ).digest.hex
            }
            entries.append(one)
        }
        return entries
    }
}
