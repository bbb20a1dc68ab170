/// Sizes of the tar format (POSIX.1-2017, pax, "ustar Interchange Format").
public enum Tar {
    /// Headers, content and the end come in blocks of this many bytes.
    public static let blockSize: Int64 = 512
    /// The most entries of one archive.
    public static let entryLimit = 1_000_000
    /// The most bytes of one extended header or long name.
    public static let extensionLimit: Int64 = 1 << 20
    /// The most zero bytes behind the last entry: other programs fill up to a record, 10,240 bytes or more.
    public static let endPaddingLimit: Int64 = 1 << 20
    /// The first size that a ustar header cannot express, 8 GiB.
    public static let ustarSizeLimit: Int64 = 1 << 33
    /// The longest name that a ustar header can express without a prefix.
    public static let ustarNameLimit = 100

    /// Up to the next block boundary.
    public static func padded(_ size: Int64) -> Int64 { (size + blockSize - 1) / blockSize * blockSize }

    /// Zero bytes between the end of `size` bytes and the next block.
    public static func padding(_ size: Int64) -> Int { Int(padded(size) - size) }
}
