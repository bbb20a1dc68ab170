import OCI

/// Markup in which every text that is put in is escaped; only markup goes in as it is.
struct HTML: ExpressibleByStringInterpolation, Sendable {
    var markup: String

    /// The longest text that is shown of a name or message.
    static let textLimit = 1024

    init(stringLiteral markup: String) { self.markup = markup }

    init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

    init(_ parts: some Sequence<HTML>) { markup = parts.map(\.markup).joined() }

    struct StringInterpolation: StringInterpolationProtocol {
        var markup = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            markup.reserveCapacity(literalCapacity + 32 * interpolationCount)
        }

        mutating func appendLiteral(_ literal: String) { markup += literal }

        /// A text: control and direction characters are shown as escapes, what means something to HTML is not.
        mutating func appendInterpolation(_ text: String) {
            for scalar in shown(text, limit: HTML.textLimit).unicodeScalars {
                switch scalar {
                case "&": markup += "&amp;"
                case "<": markup += "&lt;"
                case ">": markup += "&gt;"
                case "\"": markup += "&quot;"
                case "'": markup += "&#39;"
                default: markup.unicodeScalars.append(scalar)
                }
            }
        }

        mutating func appendInterpolation(_ number: Int) { markup += String(number) }

        mutating func appendInterpolation(_ html: HTML) { markup += html.markup }

        mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { markup += part.markup } }
    }

    static func + (a: HTML, b: HTML) -> HTML { HTML([a, b]) }
}
