import OCI
import OCIRegistry
import TestSupport
import Testing

@testable import Lifeboat

/// The schema of plans says what plans have in them, and no more.
@Suite struct PlanSchemaTests {
    /// A plan in which every member has a value.
    private var full: PipelinePlan {
        let digest = Digest(of: Array("x".utf8))
        let failure = FailureReport(
            LifeboatError(.conflict, "old.example.com is in the way", advice: "move it"), among: ["old.example.com"])
        var step = StepPlan(name: "move", kind: .import, source: "old.example.com", target: "new.example.com")
        for action in ImagePlan.Action.allCases {
            var image = ImagePlan(source: "a", target: "b", digest: digest, action: action, rule: "**:*")
            image.replaces = digest
            image.failure = failure
            step.images.append(image)
        }
        step.bytes = 5
        let kinds = Dictionary(uniqueKeysWithValues: RequestKind.allCases.map { ($0.rawValue, 1) })
        step.planning = ["old.example.com": kinds]
        step.requests = ["new.example.com": kinds]
        step.limits = [
            LimitEstimate(store: "a", kind: .requests, rate: 0.5, amount: 3),
            LimitEstimate(store: "b", kind: .bandwidth, rate: 1e6, amount: 2e9),
        ]
        step.notes = ["a note"]
        step.error = failure
        let definition = PipelinePlan.Definition(file: "p.yaml", digest: digest, moment: 1, inputs: ["A": "b"])
        return PipelinePlan(name: "p", definition: definition, steps: [step])
    }

    @Test func `a plan is what its schema says, and every member of it is described`() throws {
        let document = try JSONValue(parsing: Array(full.json.indented.utf8), in: "plan")
        let schema = try SchemaValidator("plan.schema.json")
        #expect(schema.faults(document) == [])
        #expect(try undescribed(document, schema.root, in: schema.root, at: "") == [])
    }

    @Test func `every member that the schema describes is written`() throws {
        let document = try JSONValue(parsing: Array(full.json.indented.utf8), in: "plan")
        let schema = try SchemaValidator("plan.schema.json").root
        let names = Set(members(document).map { $0 })
        for name in described(schema) { #expect(names.contains(name), "\(name)") }
    }

    @Test func `an empty plan is one, too`() throws {
        let plan = PipelinePlan(name: "p", steps: [StepPlan(name: "v", kind: .verify, source: "a", target: "")])
        let document = try JSONValue(parsing: Array(plan.json.indented.utf8), in: "plan")
        #expect(try SchemaValidator("plan.schema.json").faults(document) == [])
    }

    // MARK: Names

    private func resolved(_ schema: JSONValue, in root: JSONValue) -> JSONValue {
        guard let reference = schema["$ref"]?.stringValue, let name = reference.split(separator: "/").last else {
            return schema
        }
        return root["definitions"]?[String(name)] ?? schema
    }

    private func undescribed(_ value: JSONValue, _ schema: JSONValue, in root: JSONValue, at place: String) throws
        -> [String]
    {
        let schema = resolved(schema, in: root)
        switch value {
        case .object(let members):
            return try members.flatMap { name, member -> [String] in
                guard let inner = schema["properties"]?[name] ?? schema["additionalProperties"] else {
                    return ["\(place).\(name)"]
                }
                return try undescribed(member, inner, in: root, at: "\(place).\(name)")
            }
        case .array(let items):
            return try items.flatMap { try undescribed($0, schema["items"] ?? .null, in: root, at: place + "[]") }
        default: return []
        }
    }

    private func members(_ value: JSONValue) -> [String] {
        switch value {
        case .object(let members): members.flatMap { [$0.key] + self.members($0.value) }
        case .array(let items): items.flatMap { self.members($0) }
        default: []
        }
    }

    private func described(_ schema: JSONValue) -> [String] {
        switch schema {
        case .object(let members):
            members.flatMap { name, member -> [String] in
                guard name == "properties", case .object(let properties) = member else { return described(member) }
                return properties.keys + properties.values.flatMap { described($0) }
            }
        case .array(let items): items.flatMap { described($0) }
        default: []
        }
    }
}
