import NIOCore
import OCI
import Testing

@Suite struct ContentTests {
    private let bytes = ByteBuffer(bytes: (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) })

    private func content(_ descriptor: Descriptor, sending chunks: [ByteBuffer], after prefix: Prefix? = nil) -> Content
    {
        Content(descriptor, from: "test", after: prefix) { send in
            for chunk in chunks { try await send(chunk) }
        }
    }

    private func chunks(_ buffer: ByteBuffer, of size: Int) -> [ByteBuffer] {
        var rest = buffer
        var result: [ByteBuffer] = []
        while let chunk = rest.readSlice(length: min(size, rest.readableBytes)), chunk.readableBytes > 0 {
            result.append(chunk)
        }
        return result
    }

    /// What a receiver has when the content ends or throws.
    private func received(_ content: Content) async -> (bytes: ByteBuffer, error: (any Error)?) {
        var collected = ByteBuffer()
        do {
            try await content.forEachChunk { collected.writeImmutableBuffer($0) }
            return (collected, nil)
        } catch {
            return (collected, error)
        }
    }

    @Test(arguments: [1, 7, 100, 1000])
    func `right bytes arrive whole`(_ size: Int) async {
        let descriptor = Descriptor(of: bytes, mediaType: .octetStream)
        let result = await received(content(descriptor, sending: chunks(bytes, of: size)))
        #expect(result.bytes == bytes)
        #expect(result.error == nil)
    }

    @Test(arguments: [0, 1, 499, 998, 999])
    func `one flipped byte anywhere keeps the last chunk back`(_ position: Int) async {
        let descriptor = Descriptor(of: bytes, mediaType: .octetStream)
        var flipped = bytes
        flipped.setInteger(bytes.getInteger(at: position, as: UInt8.self)! ^ 1, at: position)
        let result = await received(content(descriptor, sending: chunks(flipped, of: 100)))
        #expect(result.bytes.readableBytes < bytes.readableBytes)
        #expect((result.error as? OCIError)?.kind == .damaged)
    }

    @Test func `too few and too many bytes are damage, with both figures`() async {
        let descriptor = Descriptor(of: bytes, mediaType: .octetStream)
        let short = await received(content(descriptor, sending: chunks(bytes, of: 100).dropLast()))
        #expect((short.error as? OCIError)?.description.contains("got 900 bytes, want 1000") ?? false)
        let long = await received(content(descriptor, sending: chunks(bytes, of: 100) + [ByteBuffer(string: "x")]))
        #expect((long.error as? OCIError)?.description.contains("got more than 1000 bytes, want 1000") ?? false)
        #expect(long.bytes.readableBytes < 1000)
    }

    @Test func `reading goes on behind a prefix`() async {
        let descriptor = Descriptor(of: bytes, mediaType: .octetStream, algorithm: .sha512)
        let parts = chunks(bytes, of: 300)
        var prefix = Prefix(.sha512)
        prefix.append(parts[0])
        let result = await received(content(descriptor, sending: Array(parts.dropFirst()), after: prefix))
        #expect(result.error == nil)
        #expect(result.bytes.readableBytes == 700)
    }

    @Test func `an empty blob is right and sends nothing`() async {
        let empty = ByteBuffer()
        let result = await received(content(Descriptor(of: empty, mediaType: .octetStream), sending: []))
        #expect(result.error == nil)
        #expect(result.bytes.readableBytes == 0)
    }
}
