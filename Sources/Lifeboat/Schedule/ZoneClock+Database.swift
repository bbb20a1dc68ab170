import Glibc
import OCI

/// Zones out of the system's time zone database: TZif files of version 2 and later (RFC 9636).
///
/// Read by our own code: the rules of zones change several times a year and come with the system's updates, while a
/// library's own table is as old as the library.
extension ZoneClock {
    /// Where the files are; `TZDIR` in the environment comes before it.
    static let folder = "/usr/share/zoneinfo"
    /// The largest file of the database has 4 KiB.
    private static let sizeLimit = 64 << 10
    private static let nameLimit = 64

    /// Finds a zone by its name; `UTC` needs no file.
    ///
    /// - Throws: `LifeboatError` `.policy` for a name that is not known, `.local` for a file that cannot be read.
    public init(named name: String) throws(LifeboatError) {
        try self.init(named: name, in: getenv("TZDIR").map { String(cString: $0) } ?? ZoneClock.folder)
    }

    init(named name: String, in folder: String) throws(LifeboatError) {
        if ["UTC", "Etc/UTC", "Z"].contains(name) {
            self = .utc
            return
        }
        guard ZoneClock.isWellFormed(name), let bytes = try ZoneClock.read(folder + "/" + name) else {
            let hasDatabase = name == "UTC" || access(folder, R_OK) == 0
            throw LifeboatError(
                .policy, "there is no time zone '\(shown(name, limit: 80))', want a name such as Europe/Berlin or UTC",
                advice: hasDatabase ? nil : "install the time zone database (package tzdata): there is no \(folder)")
        }
        var reader = ZoneFile(rest: bytes[...])
        do throws(LifeboatError) {
            self = try reader.zone(named: name)
        } catch {
            throw LifeboatError(
                .local, "the time zone '\(shown(name, limit: 80))' in \(folder) cannot be used: \(error.description)",
                advice: "install the package tzdata again")
        }
    }

    /// Words of letters, digits, `+`, `-` and `_` between slashes: nothing that leads out of the folder.
    private static func isWellFormed(_ name: String) -> Bool {
        name.utf8.count <= nameLimit
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { word in
                !word.isEmpty
                    && word.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
                        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
                        default: false
                        }
                    }
            }
    }

    /// - Returns: nil if there is no such file.
    private static func read(_ path: String) throws(LifeboatError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw LifeboatError(.local, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: sizeLimit + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, $0.count - count) }
            if got < 0, errno == EINTR { continue }
            if got < 0, errno == EISDIR { return nil }
            guard got >= 0 else {
                throw LifeboatError(.local, "cannot read \(path): \(String(cString: strerror(errno)))")
            }
            if got == 0 { break }
            count += got
        }
        return Array(bytes.prefix(count))
    }
}

/// Takes a TZif file apart, strictly.
private struct ZoneFile {
    var rest: ArraySlice<UInt8>

    private struct Header {
        var version: UInt8
        var universal, standard, leaps, changes, kinds, letters: Int
    }

    /// More than any zone has had, and few enough to be read at once.
    private static let countLimit = 5000
    /// Seconds; RFC 9636, section 3.2: more than 25 hours below or 26 above are not to be used.
    private static let offsetRange = -89_999...93_599

    mutating func zone(named name: String) throws(LifeboatError) -> ZoneClock {
        let first = try header()
        guard first.version >= UInt8(ascii: "2") else { throw fault("it is of version 1, want 2 or later") }
        _ = try take(
            first.changes * 5 + first.kinds * 6 + first.letters + first.leaps * 8 + first.standard + first.universal)
        let header = try header()
        guard header.leaps == 0 else { throw fault("it counts leap seconds") }
        var changes: [Int64] = []
        for _ in 0..<header.changes { changes.append(Int64(bitPattern: try number(8))) }
        guard zip(changes, changes.dropFirst()).allSatisfy({ $0 < $1 }) else {
            throw fault("its changes are not in order")
        }
        let kinds = Array(try take(header.changes))
        var offsets: [Int] = []
        for _ in 0..<header.kinds {
            let offset = Int(Int32(truncatingIfNeeded: try number(4)))
            guard ZoneFile.offsetRange.contains(offset) else { throw fault("it has an offset of \(offset) s") }
            _ = try take(2)
            offsets.append(offset)
        }
        guard kinds.allSatisfy({ Int($0) < offsets.count }) else { throw fault("a change names no offset") }
        _ = try take(header.letters + header.standard + header.universal)
        let footer = try take(rest.count)
        guard footer.count >= 2, footer.first == 0x0a, footer.last == 0x0a else { throw fault("it has no footer") }
        let text = String(decoding: footer.dropFirst().dropLast(), as: UTF8.self)
        return ZoneClock(
            name: name, changes: changes, offsets: [offsets[0]] + kinds.map { offsets[Int($0)] },
            rule: text.isEmpty ? nil : try ZoneRule(parsing: text))
    }

    private mutating func header() throws(LifeboatError) -> Header {
        guard Array(try take(4)) == Array("TZif".utf8) else { throw fault("it is no TZif file") }
        let version = try take(16).first ?? 0
        var counts: [Int] = []
        for _ in 0..<6 {
            let count = Int(try number(4))
            guard count <= ZoneFile.countLimit else { throw fault("it claims to have \(count) entries of a kind") }
            counts.append(count)
        }
        guard counts[4] > 0 else { throw fault("it has no offset") }
        return Header(
            version: version, universal: counts[0], standard: counts[1], leaps: counts[2], changes: counts[3],
            kinds: counts[4], letters: counts[5])
    }

    private mutating func take(_ count: Int) throws(LifeboatError) -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw fault("it ends too early") }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// Big-endian.
    private mutating func number(_ bytes: Int) throws(LifeboatError) -> UInt64 {
        try take(bytes).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func fault(_ reason: String) -> LifeboatError { LifeboatError(.local, reason) }
}
