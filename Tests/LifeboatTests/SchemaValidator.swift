import Foundation
import OCI
import TestSupport

/// A JSON Schema (draft-07), as far as ours go: a keyword that is not read here is a fault of the schema.
struct SchemaValidator {
    let root: JSONValue

    init(_ name: String) throws {
        let url = Fixtures.package.appendingPathComponent("pipelines/" + name)
        root = try JSONValue(parsing: [UInt8](try Data(contentsOf: url)), in: name)
    }

    private static let annotations: Set<String> = ["$schema", "$id", "title", "description", "default", "definitions"]

    /// What is wrong with a document: nothing if the list is empty.
    func faults(_ value: JSONValue) -> [String] { check(value, root, at: "") }

    private func check(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
        guard case .object(let members) = schema else { return ["\(place): the schema is no object"] }
        if let reference = members["$ref"]?.stringValue {
            guard let name = reference.split(separator: "/").last, let target = root["definitions"]?[String(name)]
            else {
                return ["\(place): \(reference) leads nowhere"]
            }
            return check(value, target, at: place)
        }
        var faults: [String] = []
        for (keyword, rule) in members where !Self.annotations.contains(keyword) {
            faults += check(value, keyword, rule, members, at: place)
        }
        return faults
    }

    private func check(
        _ value: JSONValue, _ keyword: String, _ rule: JSONValue, _ schema: [String: JSONValue], at place: String
    ) -> [String] {
        switch (keyword, value) {
        case ("type", _):
            let names =
                if case .array(let items) = rule { items.compactMap(\.stringValue) } else { [rule.stringValue ?? ""] }
            return names.contains { isOf($0, value) } ? [] : ["\(place): want \(names), got \(value.text)"]
        case ("enum", _):
            guard case .array(let items) = rule else { return ["\(place): enum is no list"] }
            return items.contains(value) ? [] : ["\(place): \(value.text) is none of \(rule.text)"]
        case ("const", _): return rule == value ? [] : ["\(place): \(value.text) is not \(rule.text)"]
        case ("required", .object(let members)):
            guard case .array(let names) = rule else { return ["\(place): required is no list"] }
            return names.compactMap(\.stringValue).filter { members[$0] == nil }.map { "\(place): lacks \($0)" }
        case ("properties", .object(let members)):
            return members.flatMap { name, member in
                rule[name].map { check(member, $0, at: "\(place).\(name)") } ?? []
            }
        case ("additionalProperties", .object(let members)):
            let others = members.filter { schema["properties"]?[$0.key] == nil }
            if rule == .bool(false) { return others.keys.sorted().map { "\(place): \($0) is not known" } }
            return rule == .bool(true) ? [] : others.flatMap { check($0.value, rule, at: "\(place).\($0.key)") }
        case ("propertyNames", .object(let members)):
            return members.keys.flatMap { check(.string($0), rule, at: "\(place).\($0)") }
        case ("items", .array(let items)):
            return items.enumerated().flatMap { check($1, rule, at: "\(place)[\($0)]") }
        case ("oneOf", _):
            guard case .array(let choices) = rule else { return ["\(place): oneOf is no list"] }
            let results = choices.map { check(value, $0, at: place) }
            let matching = results.count { $0.isEmpty }
            return matching == 1 ? [] : ["\(place): \(matching) of the choices match: \(results)"]
        case ("pattern", .string(let text)):
            let matches = text.range(of: rule.stringValue ?? "", options: .regularExpression) != nil
            return matches ? [] : ["\(place): \(text) does not match \(rule.text)"]
        case ("minLength", .string(let text)): return compare(text.unicodeScalars.count, rule, at: place)
        case ("minItems", .array(let items)): return compare(items.count, rule, at: place)
        case ("minProperties", .object(let members)): return compare(members.count, rule, at: place)
        case ("minimum", .number(let number)): return compare(Int(number), rule, at: place)
        case ("maximum", .number(let number)):
            return number <= rule.integerValue ?? .min ? [] : ["\(place): \(number) is above \(rule.text)"]
        case ("required", _), ("properties", _), ("additionalProperties", _), ("propertyNames", _), ("items", _),
            ("pattern", _), ("minLength", _), ("minItems", _), ("minProperties", _), ("minimum", _), ("maximum", _):
            return []  // says nothing about values of another type
        default: return ["\(place): the keyword \(keyword) is not read here"]
        }
    }

    private func compare(_ number: Int, _ bound: JSONValue, at place: String) -> [String] {
        Int64(number) >= bound.integerValue ?? .max ? [] : ["\(place): \(number) is below \(bound.text)"]
    }

    private func isOf(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("integer", .number),
            ("number", .number), ("number", .decimal), ("null", .null):
            true
        default: false
        }
    }
}
