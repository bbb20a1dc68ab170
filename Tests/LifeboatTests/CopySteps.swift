import Testing

@testable import Lifeboat

extension Pipeline {
    /// A step that copies; any other is a failure of the test.
    func copyStep(_ number: Int = 0) throws -> CopyStep {
        let step: CopyStep? = if case .copy(let step) = steps[number].work { step } else { nil }
        return try #require(step, "step \(number) is no copy")
    }
}
