// Feeds one of the targets with what libFuzzer thinks of: fuzz TARGET [ARGUMENT OF LIBFUZZER…]; `fuzz` alone lists them.
// Before it begins, the examples of the target are written to the first folder among the arguments, and its words beside it.

import CFuzzer
import Foundation
import FuzzTargets

enum Fuzz {
    static let arguments = CommandLine.arguments
    static let target = arguments.count > 1 ? FuzzTarget(rawValue: arguments[1]) : nil

    /// What libFuzzer calls with each input.
    static func take(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        do {
            try target?.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
        } catch {
            // libFuzzer keeps the input of a process that aborts.
            print(error)
            abort()
        }
        return 0
    }

    static func writeExamples(of target: FuzzTarget, to folder: String) throws {
        for (number, example) in target.examples.enumerated() {
            try Data(example).write(to: URL(fileURLWithPath: "\(folder)/example-\(number)"))
        }
        // One word a line, each byte of it as \xNN (llvm.org/docs/LibFuzzer.html, "Dictionaries").
        let words = target.words.map { word in
            "\"" + word.utf8.map { String(format: "\\x%02x", $0) }.joined() + "\"\n"
        }
        try Data(words.joined().utf8).write(to: URL(fileURLWithPath: folder + ".words"))
    }
}

/// What libFuzzer's own main would call, which is linked too and not run.
@_cdecl("LLVMFuzzerTestOneInput")
func takeOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt { Fuzz.take(bytes, count) }

guard let target = Fuzz.target else {
    for target in FuzzTarget.allCases { print(target.rawValue) }
    exit(Fuzz.arguments.count > 1 ? 64 : 0)
}
if let folder = Fuzz.arguments.dropFirst(2).first(where: { !$0.hasPrefix("-") }) {
    try Fuzz.writeExamples(of: target, to: folder)
}
var words = ([Fuzz.arguments[0]] + Fuzz.arguments.dropFirst(2)).map { strdup($0) }
words.append(nil)
var count = CInt(words.count - 1)
let status = words.withUnsafeMutableBufferPointer { words in
    var start = words.baseAddress
    return LLVMFuzzerRunDriver(&count, &start) { Fuzz.take($0, $1) }
}
exit(status)
