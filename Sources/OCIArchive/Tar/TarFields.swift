import NIOCore
import OCI

/// The fields of one header block that decide what an entry is.
struct TarFields {
    let type: UInt8
    let size: Int64
    private let nameField: [UInt8]
    private let linkField: [UInt8]
    private let prefixField: [UInt8]

    static func isZero(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.withContiguousStorageIfAvailable { storage in
            UnsafeRawBufferPointer(storage).allSatisfy { $0 == 0 }
        } ?? bytes.allSatisfy { $0 == 0 }
    }

    /// - Parameter bytes: one block.
    init(_ bytes: ByteBuffer, fault: (String) -> ArchiveError) throws {
        let block = Array(bytes.readableBytesView)
        guard TarFields.hasChecksum(block) else { throw fault("the checksum of a header is wrong") }
        type = block[156]
        guard let size = TarFields.number(block[124..<136]) else {
            throw fault("the size of an entry is no number from 0 to 2^63-1")
        }
        self.size = size
        nameField = TarFields.text(block[0..<100])
        linkField = TarFields.text(block[157..<257])
        switch (Array(block[257..<263]), Array(block[263..<265])) {
        case (Array("ustar\0".utf8), Array("00".utf8)): prefixField = TarFields.text(block[345..<500])
        case (Array("ustar ".utf8), Array(" \0".utf8)), ([0, 0, 0, 0, 0, 0], [0, 0]): prefixField = []
        default:
            throw fault("a header has the unknown magic '\(shown(String(decoding: block[257..<265], as: UTF8.self)))'")
        }
    }

    /// Whether a block holds the sum of its bytes, as every header does.
    static func hasChecksum(_ block: [UInt8]) -> Bool {
        let sum = block.reduce(0) { $0 + Int64($1) } - block[148..<156].reduce(0) { $0 + Int64($1) } + 8 * 32
        return octal(block[148..<156]) == sum
    }

    func name(fault: (String) -> ArchiveError) throws -> String {
        let whole = prefixField.isEmpty ? nameField : prefixField + [UInt8(ascii: "/")] + nameField
        guard !nameField.isEmpty else { throw fault("the name of an entry is empty") }
        guard let name = String(validating: whole, as: UTF8.self) else {
            throw fault("the name of an entry is not UTF-8")
        }
        return name
    }

    func linkName(fault: (String) -> ArchiveError) throws -> String {
        guard let name = String(validating: linkField, as: UTF8.self) else {
            throw fault("the link name of an entry is not UTF-8")
        }
        return name
    }

    private static func text(_ field: ArraySlice<UInt8>) -> [UInt8] { Array(field.prefix { $0 != 0 }) }

    /// Octal digits, after any spaces, up to a space or NUL or the end of the field.
    private static func octal(_ field: ArraySlice<UInt8>) -> Int64? {
        let trimmed = field.drop { $0 == UInt8(ascii: " ") }
        let digits = trimmed.prefix { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
        guard !digits.isEmpty,
            trimmed.dropFirst(digits.count).allSatisfy({ $0 == 0 || $0 == UInt8(ascii: " ") })
        else { return nil }
        return digits.reduce(0) { $0 << 3 | Int64($1 - UInt8(ascii: "0")) }
    }

    /// Octal, or GNU's base-256: the first byte is 0x80, big-endian digits follow.
    private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard field.first == 0x80 else { return octal(field) }
        let digits = field.dropFirst().drop { $0 == 0 }
        guard digits.count < 8 || digits.count == 8 && digits.first! < 0x80 else { return nil }
        return digits.reduce(0) { $0 << 8 | Int64($1) }
    }
}
