import OCI
import Testing

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8), in: "test") }

    @Test(arguments: [
        #"{"digest":"a","digest":"b"}"#, #"{"a":1}x"#, "{\"a\":1,}", "[1,]", "01", "+1", "NaN", "\u{feff}{}", "{'a':1}",
        #"{"a" 1}"#, "\"a\nb\"", #""\ud800""#, #""\x""#, "", " ", "{", "[", "\"", "tru", "1.", "1e", "-", "{\"a\":}",
    ])
    func `what is not exactly JSON is refused`(_ text: String) {
        #expect(throws: OCIError.self) { try parse(text) }
    }

    @Test func `a string that is not UTF-8 is refused`() {
        #expect(throws: OCIError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22], in: "test") }
    }

    @Test func `nesting is bounded`() throws {
        let deepest = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(throws: Never.self) { try parse(deepest) }
        #expect(throws: OCIError.self) { try parse("[" + deepest + "]") }
        #expect(throws: OCIError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test func `names that differ only in escapes are the same name`() {
        #expect(throws: OCIError.self) { try parse(#"{"a":1,"\u0061":2}"#) }
    }

    @Test func `values come back as they were`() throws {
        let text = #"{"a":[1,-2,9223372036854775807,9223372036854775808,1.5,true,false,null],"b":"x\n\"\\\té😀"}"#
        let value = try parse(text)
        #expect(value.text == text)
        #expect(try parse(value.indented) == value)
        #expect(
            value["a"]
                == .array([
                    .number(1), .number(-2), .number(.max), .decimal("9223372036854775808"), .decimal("1.5"),
                    .bool(true), .bool(false), .null,
                ]))
        #expect(try parse(#""\ud83d\ude00""#) == .string("😀"))
    }

    @Test func `an error names the place and the byte`() {
        let error = #expect(throws: OCIError.self) { try parse(#"{"a":1,"a":2}"#) }
        #expect(error?.description == "test is not valid JSON at byte 12: the name 'a' stands twice")
        #expect(error?.kind == .damaged)
    }
}
