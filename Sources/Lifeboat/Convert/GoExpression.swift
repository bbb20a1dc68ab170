/// What a Go regular expression becomes: a glob where one says the same, else `regex:` with a POSIX expression.
enum GoExpression {
    /// - Parameters:
    ///   - isWhole: whether the expression has to match the whole name.
    ///   - wildcard: the glob for `.*`: `*` for tags, `**` for repositories.
    /// - Returns: nil for what POSIX extended expressions cannot say.
    static func convert(_ expression: String, isWhole: Bool, wildcard: String) -> String? {
        var body = expression[...]
        var isWhole = (begin: isWhole, end: isWhole)
        if body.hasPrefix("^") {
            body = body.dropFirst()
            isWhole.begin = true
        }
        if body.hasSuffix("$"), !body.hasSuffix("\\$") {
            body = body.dropLast()
            isWhole.end = true
        }
        // `a|b` of an unanchored expression binds looser than what is put around it.
        if body.contains("|"), !(isWhole.begin && isWhole.end) || expression.hasPrefix("^") || expression.hasSuffix("$")
        {
            return posix(expression).map { wrapped($0, expression) }
        }
        let whole = (isWhole.begin ? "" : ".*") + body + (isWhole.end ? "" : ".*")
        return glob(whole, wildcard: wildcard) ?? posix(whole).map { "regex:" + $0 }
    }

    /// Go searches; a name here has to match as a whole. Anchors inside alternatives keep their meaning in POSIX.
    private static func wrapped(_ posix: String, _ expression: String) -> String { "regex:.*(" + posix + ").*" }

    /// Only literals, `\.` and `.*`: a glob says that more plainly.
    private static func glob(_ expression: String, wildcard: String) -> String? {
        var result = ""
        var rest = Array(expression)[...]
        while let character = rest.popFirst() {
            switch character {
            case "\\":
                guard let next = rest.popFirst(), [".", "-", "_", "+", "/"].contains(next) else { return nil }
                result.append(next)
            case ".":
                guard rest.first == "*" else { return nil }
                rest = rest.dropFirst()
                if rest.first == "?" { rest = rest.dropFirst() }
                result += wildcard
            case _ where character.isLetter || character.isNumber || "-_/".contains(character):
                result.append(character)
            default: return nil
            }
        }
        return result.isEmpty ? nil : result
    }

    /// Go's syntax in POSIX extended, as far as it goes.
    private static func posix(_ expression: String) -> String? {
        var result = ""
        var rest = Array(expression)[...]
        var isInClass = false
        while let character = rest.popFirst() {
            switch character {
            case "\\":
                guard let next = rest.popFirst() else { return nil }
                switch next {
                case "d": result += isInClass ? "0-9" : "[0-9]"
                case "D" where !isInClass: result += "[^0-9]"
                case "w": result += isInClass ? "A-Za-z0-9_" : "[A-Za-z0-9_]"
                case "W" where !isInClass: result += "[^A-Za-z0-9_]"
                case _ where next.isLetter || next.isNumber: return nil
                case _ where isInClass:
                    // A backslash is itself in a POSIX class.
                    if next == "]" || next == "^" || next == "-" { return nil }
                    result.append(next)
                default: result += "\\" + String(next)
                }
            case "[" where !isInClass:
                isInClass = true
                result.append(character)
            case "]":
                isInClass = false
                result.append(character)
            case "(" where !isInClass && rest.first == "?":
                rest = rest.dropFirst()
                guard rest.first == ":" else { return nil }
                rest = rest.dropFirst()
                result.append("(")
            case "?"
            where !isInClass && (result.last == "*" || result.last == "+" || result.last == "?" || result.last == "}"):
                break  // which repetition is tried first makes no difference to whether a whole name matches
            default: result.append(character)
            }
        }
        return isInClass || result.isEmpty ? nil : result
    }

    /// A name as an expression that matches nothing else.
    static func escaped(_ name: String) -> String {
        name.map { ".+*?()[]{}|^$\\".contains($0) ? "\\" + String($0) : String($0) }.joined()
    }
}
