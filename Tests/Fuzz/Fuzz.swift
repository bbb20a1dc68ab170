// What libFuzzer calls: `make fuzz`. Built only with LIFEBOAT_FUZZ in the environment (Package.swift).
import FuzzTargets
import Glibc

private let target: FuzzTarget = {
    let name = getenv("LIFEBOAT_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        fputs("LIFEBOAT_FUZZ_TARGET is one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))\n", stderr)
        exit(64)
    }
    return target
}()

/// libFuzzer's loop, which its runtime brings (compiler-rt, FuzzerInterface.h).
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ one: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main private enum Fuzz {
    static func main() throws {
        // A folder in place of options: the examples go there, for libFuzzer to begin with.
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "examples" {
            for (number, example) in target.examples.enumerated() {
                let file = fopen("\(CommandLine.arguments[2])/example-\(number)", "w")
                fwrite(example, 1, example.count, file)
                fclose(file)
            }
            return
        }
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(
            runFuzzer(&count, &arguments) { start, count in
                do {
                    try target.run(Array(UnsafeBufferPointer(start: start, count: count)))
                } catch {
                    fputs("\(error)\n", stderr)
                    abort()
                }
                return 0
            })
    }
}
