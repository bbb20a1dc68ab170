import NIOCore

/// The headers that our archives have before each entry: one ustar block, after a pax header only where it must be.
///
/// Equal names and sizes give equal bytes: mode 0644, owner 0, time 0. A pax `path` record stands where the name is
/// longer than 100 bytes, a pax `size` record from 8 GiB on.
enum TarHeader {
    /// The name of every pax header, as Python's tarfile has it too.
    static let extensionName = "././@PaxHeader"

    static func size(name: String, size: Int64) -> Int64 {
        let records = extendedRecords(name: name, size: size)
        return Tar.blockSize + (records.isEmpty ? 0 : Tar.blockSize + Tar.padded(Int64(records.utf8.count)))
    }

    static func bytes(name: String, size: Int64) -> ByteBuffer {
        var output = ByteBuffer()
        let records = extendedRecords(name: name, size: size)
        if !records.isEmpty {
            append(name: extensionName, size: Int64(records.utf8.count), type: UInt8(ascii: "x"), to: &output)
            output.writeString(records)
            output.writeRepeatingByte(0, count: Tar.padding(Int64(records.utf8.count)))
        }
        append(name: name, size: size < Tar.ustarSizeLimit ? size : 0, type: UInt8(ascii: "0"), to: &output)
        return output
    }

    private static func extendedRecords(name: String, size: Int64) -> String {
        (name.utf8.count > Tar.ustarNameLimit ? record("path", name) : "")
            + (size >= Tar.ustarSizeLimit ? record("size", String(size)) : "")
    }

    /// `length key=value\n`, where the length counts its own digits.
    private static func record(_ key: String, _ value: String) -> String {
        let rest = " \(key)=\(value)\n"
        var length = rest.utf8.count
        while String(length).utf8.count + rest.utf8.count != length {
            length = String(length).utf8.count + rest.utf8.count
        }
        return String(length) + rest
    }

    private static func append(name: String, size: Int64, type: UInt8, to output: inout ByteBuffer) {
        var block: [UInt8] = []
        block.reserveCapacity(Int(Tar.blockSize))
        func text(_ bytes: some Collection<UInt8>, _ width: Int) {
            block += bytes.prefix(width)
            block += repeatElement(0, count: width - min(width, bytes.count))
        }
        func octal(_ number: Int64, _ width: Int) {
            let digits = String(number, radix: 8).utf8
            block += repeatElement(UInt8(ascii: "0"), count: width - 1 - digits.count)
            text(digits, digits.count + 1)
        }
        text(name.utf8, 100)
        octal(0o644, 8)
        octal(0, 8)
        octal(0, 8)
        octal(size, 12)
        octal(0, 12)
        text("        ".utf8, 8)
        block.append(type)
        text("".utf8, 100)
        text("ustar".utf8, 6)
        text("00".utf8, 2)
        text("".utf8, 64)
        octal(0, 8)
        octal(0, 8)
        text("".utf8, 155 + 12)
        let sum = block.reduce(Int64(0)) { $0 + Int64($1) }
        let digits = String(sum, radix: 8)
        let checksum = String(repeating: "0", count: 6 - digits.utf8.count) + digits + "\0 "
        block.replaceSubrange(148..<156, with: checksum.utf8)
        output.writeBytes(block)
    }
}
