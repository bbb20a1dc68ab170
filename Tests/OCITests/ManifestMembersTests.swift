import NIOCore
import OCI
import TestSupport
import Testing

/// Manifests are read without a tree of the document, and no less strictly for it.
@Suite struct ManifestMembersTests {
    private func manifest(_ text: String) throws -> Manifest {
        try Manifest(ByteBuffer(string: text), mediaType: nil, from: "test")
    }

    private static let blob =
        #"{"mediaType":"text/plain","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#

    @Test(arguments: [
        (#"{"manifests":[],"x":{"a":{"b":1,"b":2}}}"#, "the name 'b' stands twice"),
        (#"{"manifests":[],"x":[{"a":1,"\u0061":2}]}"#, "the name 'a' stands twice"),
        (#"{"manifests":[],"manifests":[]}"#, "the name 'manifests' stands twice"),
        (#"{"manifests":[],"annotations":{"a":"1","a":"2"}}"#, "the name 'a' stands twice"),
        (#"{"manifests":[],"x":[1,2,]}"#, "unexpected byte 0x5d"),
        (#"{"manifests":[],"x":"\ud800"}"#, "a surrogate stands alone"),
        (#"{"manifests":[{}],"x":01}"#, "a number begins with 0"),
        (#"{"manifests":[]} {}"#, "there is something after the end"),
        (#"{"manifests":[]"#, "want ',' or '}'"),
        (#"[]"#, "is an array, want an object"),
        (#"{"manifests":{}}"#, "manifests is an object, want an array"),
        (#"{"manifests":[{}]}"#, "manifests[0] has no mediaType"),
        (#"{"manifests":[],"annotations":{"a":1}}"#, "annotations.a is a number, want a string"),
        (#"{"manifests":[],"annotations":[]}"#, "annotations is an array, want an object"),
    ])
    func `what is wrong is found wherever it stands, the JSON first`(_ text: String, _ words: String) {
        let error = #expect(throws: OCIError.self) { try manifest(text) }
        #expect(error?.kind == .damaged)
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func `null stands for nothing, and other members do not matter`() throws {
        let text =
            #"{"schemaVersion":2,"manifests":null,"fsLayers":null,"x":[{"deep":{"er":[null,true,1.5e3]}}],"config":"#
            + Self.blob + #","layers":["# + Self.blob + #"],"annotations":null,"subject":null}"#
        let manifest = try manifest(text)
        #expect(manifest.children.count == 2)
        #expect(manifest.subject == nil)
        #expect(manifest.annotations.isEmpty)
    }

    @Test func `nesting is bounded in what is passed over too`() {
        let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        let error = #expect(throws: OCIError.self) { try manifest(#"{"manifests":[],"x":\#(deep)}"#) }
        #expect(error?.description.contains("nested deeper than 100") == true)
    }
}
