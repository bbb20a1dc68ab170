import Foundation
import FuzzTargets
import OCI
import TestSupport
import Testing

/// Everything that reads bytes from outside, fed with what nobody wrote; `make fuzz` does it for as long as it is told.
@Suite struct ParserTortureTests {
    private static let inputs = Fixtures.package.appendingPathComponent("Tests/Fuzz/inputs").path
    private static var mutations: Int { Torture.isFull ? 50_000 : 400 }

    /// How long each target is fed, and where the mutations begin: what `make fuzz` asks for.
    private static let seconds = ProcessInfo.processInfo.environment["LIFEBOAT_FUZZ_SECONDS"].flatMap { Int($0) }
    private static let seed = ProcessInfo.processInfo.environment["LIFEBOAT_FUZZ_SEED"].flatMap { UInt64($0) } ?? 0xF022

    @Test(arguments: FuzzTarget.allCases)
    func `inputs that are kept are refused in words, or read as they are`(_ target: FuzzTarget) throws {
        let folder = Self.inputs + "/" + target.rawValue
        let kept =
            FileManager.default.fileExists(atPath: folder)
            ? try FileManager.default.contentsOfDirectory(atPath: folder) : []
        for name in kept { try target.run(Array(try bytes(of: folder + "/" + name))) }
        for example in target.examples { try target.run(example) }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `mutated input is refused in words, or read and written as it was`(_ target: FuzzTarget) throws {
        let tally = Tally("parsers: \(target.rawValue)")
        var random = Chance(state: Self.seed)
        var corpus = target.examples
        let end = Self.seconds.map { ContinuousClock.now + .seconds($0) }
        var count = 0
        while end.map({ ContinuousClock.now < $0 }) ?? (count < Self.mutations) {
            count += 1
            var input = corpus[Int(random.next() % UInt64(corpus.count))]
            for _ in 0...random.next() % 4 { Self.mutate(&input, target, &random) }
            do {
                try target.run(input)
                tally.add(.fine, "")
                // What is still read leads deeper than what is not.
                if corpus.count < 64, random.next() % 8 == 0 { corpus.append(input) }
            } catch {
                tally.add(.silent, "\(error), from \(Data(input).base64EncodedString())")
            }
        }
        if Self.seconds != nil { print("\(target.rawValue): \(count) inputs, seed \(Self.seed)") }
        try tally.close()
    }

    private static func mutate(_ input: inout [UInt8], _ target: FuzzTarget, _ random: inout Chance) {
        func below(_ count: Int) -> Int { count > 0 ? Int(random.next() % UInt64(count)) : 0 }
        let place = below(input.count + 1)
        switch below(7) {
        case 0: if place < input.count { input[place] ^= UInt8(1 << below(8)) }
        case 1: if place < input.count { input[place] = UInt8(below(256)) }
        case 2: input.insert(contentsOf: Array(target.words[below(target.words.count)].utf8), at: place)
        case 3: input.removeSubrange(place..<min(input.count, place + 1 + below(16)))
        case 4:
            input.insert(contentsOf: input[place..<min(input.count, place + 1 + below(64))], at: below(input.count + 1))
        case 5: input.removeSubrange(place...)
        default:
            let word = Array(target.words[below(target.words.count)].utf8)
            for _ in 0..<(1 << below(10)) where input.count < 32_768 { input.insert(contentsOf: word, at: place) }
        }
    }
}

/// The same numbers every time (splitmix64).
private struct Chance {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
