import NIOCore
import OCI
import TestSupport
import Testing

@Suite struct ManifestTests {
    private func manifest(_ text: String, as type: MediaType? = nil) throws -> Manifest {
        try Manifest(ByteBuffer(string: text), mediaType: type, from: "test")
    }

    private static let config =
        #"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#

    @Test(arguments: [
        #"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
        #"{"schemaVersion":2,"manifests":[],"config":\#(config)}"#,
        #"{"schemaVersion":2,"fsLayers":[],"layers":[],"config":\#(config)}"#,
        #"{"schemaVersion":2,"fsLayers":[],"manifests":[]}"#,
    ])
    func `a document that is more than one kind of manifest is refused as ambiguous`(_ text: String) {
        let error = #expect(throws: OCIError.self) { try manifest(text) }
        #expect(error?.kind == .damaged)
        #expect(error?.description.contains("ambiguous") ?? false)
    }

    @Test func `what it is called must agree with what it is`() {
        let index = #"{"schemaVersion":2,"manifests":[]}"#
        #expect(throws: OCIError.self) { try manifest(index, as: .ociManifest) }
        #expect(throws: Never.self) { try manifest(index, as: MediaType(rawValue: "text/plain")) }
        let named = #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#
        #expect(throws: OCIError.self) { try manifest(named) }
        let image =
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(Self.config)}"#
        #expect(throws: OCIError.self) { try manifest(image, as: .dockerManifest) }
        #expect(throws: Never.self) { try manifest(image, as: .ociManifest) }
    }

    @Test func `R43: schema 1 is refused by name`() {
        let error = #expect(throws: OCIError.self) {
            try manifest(#"{"schemaVersion":1,"name":"a","fsLayers":[],"history":[]}"#)
        }
        #expect(error?.kind == .policy)
        #expect(error?.description.contains("schema 1") ?? false)
    }

    @Test func `bytes that are not what the descriptor says are refused`() throws {
        let text = #"{"schemaVersion":2,"manifests":[]}"#
        let right = Descriptor(of: ByteBuffer(string: text), mediaType: .ociIndex)
        #expect(try Manifest(ByteBuffer(string: text), as: right, from: "test").descriptor == right)
        var short = right
        short.size -= 1
        #expect(throws: OCIError.self) { try Manifest(ByteBuffer(string: text), as: short, from: "test") }
        #expect(throws: OCIError.self) { try Manifest(ByteBuffer(string: text + " "), as: right, from: "test") }
    }

    @Test func `a manifest of exactly the limit is read, one byte more is not`() throws {
        let head = #"{"schemaVersion":2,"manifests":[],"annotations":{"a":""#
        let tail = #""}}"#
        let filler = String(repeating: "x", count: Int(Manifest.sizeLimit) - head.utf8.count - tail.utf8.count)
        #expect(throws: Never.self) { try manifest(head + filler + tail) }
        let error = #expect(throws: OCIError.self) { try manifest(head + filler + "x" + tail) }
        #expect(error?.kind == .policy)
    }

    @Test func `inline data must be what its descriptor says`() {
        func config(data: String) -> String {
            #"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3,"data":"\#(data)"}}"#
        }
        #expect(throws: Never.self) { try manifest(config(data: "YWJj")) }
        #expect(throws: OCIError.self) { try manifest(config(data: "YWJk")) }
        #expect(throws: OCIError.self) { try manifest(config(data: "YWJ")) }
    }

    @Test(.enabled(if: Fixtures.arePresent))
    func `the documents of the image specification get its verdicts`() throws {
        let folder = "vectors/image-spec-schema"
        var checked = 0
        for file in Fixtures.files(folder) where file.hasSuffix(".json") {
            let parts = file.split(separator: "/")
            guard let kind = parts.first, ["manifest", "index", "descriptor"].contains(kind) else { continue }
            let isAccepted = file.contains("accept")
            let bytes = try Fixtures.bytes(folder + "/" + file)
            let refusal: OCIError? =
                switch kind == "descriptor"
                    ? descriptorVerdict(on: bytes, of: file)
                    : verdict(on: ByteBuffer(bytes: bytes), of: file).map({ _ in })
                {
                case .success: nil
                case .failure(let error): error
                }
            checked += 1
            // Well-formed digests of other algorithms cannot be verified and are refused as a matter of policy; URLs are
            // never followed, and a manifest without layers passes through.
            if isAccepted {
                #expect(refusal == nil || refusal?.kind == .policy, "\(file): \(refusal?.description ?? "")")
            } else if !["manifest/05-reject.json", "descriptor/17-reject.json"].contains(file) {
                #expect(refusal != nil, "\(file)")
            }
        }
        #expect(checked == 12 + 12 + 31)
    }

    private func descriptorVerdict(on bytes: [UInt8], of file: String) -> Result<Void, OCIError> {
        do throws(OCIError) {
            _ = try Descriptor(json: JSONValue(parsing: bytes, in: file), in: file)
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private func verdict(on bytes: ByteBuffer, of file: String) -> Result<Manifest, OCIError> {
        do throws(OCIError) {
            return .success(try Manifest(bytes, mediaType: nil, from: file))
        } catch {
            return .failure(error)
        }
    }

    @Test(.enabled(if: Fixtures.arePresent))
    func `the manifests of other tools are told apart by their content`() throws {
        var verdicts: [String: Int] = [:]
        for folder in ["containers_image/internal/manifest/testdata", "containers_image/manifest/fixtures"] {
            for file in Fixtures.files(folder) where file.hasSuffix(".json") {
                let bytes = ByteBuffer(bytes: try Fixtures.bytes(folder + "/" + file))
                // Some are symbolic links of the original repository: a path, and no document.
                if bytes.getString(at: 0, length: 3) == "../" { continue }
                switch verdict(on: bytes, of: file) {
                case .success(let manifest):
                    #expect(manifest.bytes == bytes)
                    #expect(manifest.descriptor.digest == Digest(of: bytes))
                    #expect(!file.contains("v2s1"), "\(file) is schema 1 and was accepted")
                    verdicts["accepted", default: 0] += 1
                case .failure(let error):
                    #expect(error.kind == .damaged || error.kind == .policy)
                    let isPlain =
                        file.hasPrefix("ociv1.image") || file.hasPrefix("v2list") || file == "v2s2.manifest.json"
                    #expect(!isPlain, "\(file): \(error)")
                    if file.contains("v2s1") {
                        let isNamed = error.kind == .policy || error.description.contains("ambiguous")
                        #expect(isNamed, "\(file): \(error)")
                    }
                    verdicts[error.kind.rawValue, default: 0] += 1
                }
            }
        }
        #expect(verdicts["accepted", default: 0] > 20)
        #expect(verdicts["policy", default: 0] >= 3)
    }
}
