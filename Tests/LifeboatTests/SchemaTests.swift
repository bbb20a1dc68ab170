import Foundation
import OCI
import TestSupport
import Testing
import Yams

@testable import Lifeboat

/// The schema that editors read says what the parser does.
@Suite struct SchemaTests {
    @Test func `the schema and the parser know the same keys`() throws {
        let schema = try SchemaValidator("pipeline.schema.json").root
        let definitions = try #require(schema["definitions"])
        /// The keys of an object; of all objects where there is a choice.
        func keys(_ value: JSONValue?) throws -> Set<String> {
            if case .string(let reference)? = value?["$ref"], let name = reference.split(separator: "/").last {
                return try keys(definitions[String(name)])
            }
            var names: Set<String> = []
            if case .array(let choices)? = value?["oneOf"] {
                for choice in choices { names.formUnion(try keys(choice)) }
            }
            if case .object(let members)? = value?["properties"] { names.formUnion(members.keys) }
            return names
        }
        let store = definitions["store"]?["properties"]
        guard case .array(let tags)? = definitions["rule"]?["properties"]?["tags"]?["oneOf"] else {
            Issue.record("tags is no choice")
            return
        }
        let places: [(String, JSONValue?, [String])] = [
            ("definition", schema, DefinitionKeys.definition), ("store", definitions["store"], DefinitionKeys.store),
            ("rule", definitions["rule"], DefinitionKeys.rule), ("tags", tags.last, DefinitionKeys.tags),
            ("step", definitions["step"], DefinitionKeys.step), ("copy", definitions["copy"], DefinitionKeys.copy),
            ("verify", definitions["verify"], DefinitionKeys.verify),
            ("schedule", schema["properties"]?["schedule"], DefinitionKeys.schedule),
            ("notify", schema["properties"]?["notify"], DefinitionKeys.notify),
            ("notice", definitions["notice"], DefinitionKeys.notice),
            ("objectives", schema["properties"]?["objectives"], DefinitionKeys.objectives),
            ("window", schema["properties"]?["window"], DefinitionKeys.window),
            ("input", schema["properties"]?["inputs"]?["additionalProperties"], DefinitionKeys.input),
            ("tls", store?["tls"], DefinitionKeys.tls), ("limits", store?["limits"], DefinitionKeys.limits),
            ("timeouts", store?["timeouts"], DefinitionKeys.timeouts),
            ("credentials", store?["credentials"], DefinitionKeys.credentials),
            ("referrers", definitions["rule"]?["properties"]?["referrers"], DefinitionKeys.referrers),
            ("rename", definitions["renaming"], DefinitionKeys.renaming),
            ("retag", definitions["copy"]?["properties"]?["retag"]?["items"], DefinitionKeys.retagging),
        ]
        for (place, value, known) in places {
            let described = try keys(value)
            #expect(Set(known).subtracting(described).isEmpty, "\(place): read, but not in the schema")
            let unread = described.subtracting(known)
            #expect(unread.isEmpty, "\(place): in the schema, but not read")
        }
    }

    @Test func `every key of the schema has a description`() throws {
        func check(_ value: JSONValue, at place: String) {
            switch value {
            case .object(let members):
                if case .object(let properties)? = members["properties"] {
                    for (name, property) in properties {
                        let isDescribed = property["description"] != nil || property["$ref"] != nil
                        #expect(isDescribed, "\(place).\(name)")
                    }
                }
                for (name, member) in members { check(member, at: "\(place).\(name)") }
            case .array(let items): for item in items { check(item, at: place) }
            default: break
            }
        }
        check(try SchemaValidator("pipeline.schema.json").root, at: "")
    }

    @Test(arguments: Examples.names)
    func `every example is what the schema says`(_ name: String) throws {
        let text = try Examples.text(name)
        #expect(text.hasPrefix("# yaml-language-server: $schema=pipeline.schema.json\n"))
        #expect(try SchemaValidator("pipeline.schema.json").faults(json(text)) == [])
    }

    @Test(arguments: [
        ("version: 1\nsteps: []\nstores: {a: {registry: x}}", ".steps: 0 is below 1"),
        ("version: 2\nsteps: [{verify: {store: a}}]\nstores: {a: {registry: x}}", ".version: 2 is none of [1,\"1\"]"),
        ("version: 1\nstep: []\nstores: {a: {registry: x}}", ": lacks steps"),
        ("version: 1\nnane: x\nsteps: [{verify: {store: a}}]\nstores: {a: {registry: x}}", ": nane is not known"),
        ("version: 1\nsteps: [{verify: {against: a}}]\nstores: {a: {registry: x}}", ".steps[0].verify: lacks store"),
    ])
    func `the schema refuses what is wrong`(_ text: String, _ fault: String) throws {
        let faults = try SchemaValidator("pipeline.schema.json").faults(json(text))
        #expect(faults.contains(fault), "\(faults)")
    }

    @Test func `the whole grammar passes the schema`() throws {
        let text = """
            version: 1
            name: nightly
            inputs: {OLD: {description: the registry to leave, default: old.example.com}}
            state: /var/lib/lifeboat
            window: {from: "22:00", to: "06:00", timezone: Europe/Berlin}
            retries: 5
            schedule: {cron: "0 2 * * *", timezone: Europe/Berlin, jitter: 5m, catchUp: false}
            notify:
              onFailure: [{webhook: "https://alerts.example.com/x", secret: $HMAC}, {command: [notify, --urgent]}]
              onSuccess: [{ping: $PING}]
              onRecovery: [{webhook: $HOOK}]
            objectives: {rpo: 24h, rto: 30m}
            stores:
              prod:
                registry: contoso.azurecr.io
                credentials: {username: $USER, password: $PASSWORD}
                plainHTTP: true
                tls: {ca: certs/ca.pem, verify: false}
                limits: {connections: 8, requests: 50/s, bandwidth: 200MB/s}
                timeouts: {connect: 10s, answer: 60s, idle: 60s}
                retries: 8
              dr: {registry: contosodr.azurecr.io, credentials: docker}
              other: {registry: other.example.com, credentials: {command: [helper, get]}}
              handout: {archive: "out/images-{date}.tar", keep: 7}
              carried: {archive: out/delta.tar, volumeSize: 50GB, since: out/full.tar, base: [out/full.tar, out/set/]}
              folder: {layout: out/folder}
            images:
              - repositories: [team/web, "regex:^team/(a|b)$"]
                except: [team/scratch/*]
                tags: {include: ["1.*"], except: ["*-rc*"], semver: ">=1.2 <3", newest: 10, by: semver}
                digests: ["sha256:0"]
                platforms: [linux/amd64, linux/arm64]
                referrers: {types: ["application/spdx*"], rescan: 7d}
              - {list: images.txt}
              - {kubernetes: manifests/}
              - {repositories: a, tags: [1.10, latest], platforms: all, referrers: false}
            steps:
              - name: backup
                export: {from: prod, to: handout, onError: continue, force: true}
              - import:
                  from: handout
                  to: [dr, other]
                  prefix: mirror
                  rename: [{from: "team/(.*)", into: "mirror/team/\\\\1"}]
                  retag: [{from: "v(.*)", into: "\\\\1"}, {digest: "sha256:0", tag: x}]
                  overwrite: ours
              - verify: {store: dr, against: prod, deep: true}
            """
        #expect(try SchemaValidator("pipeline.schema.json").faults(json(text)) == [])
    }
}

/// YAML as an editor sees it: plain words are numbers and booleans where they look like some.
func json(_ yaml: String) throws -> JSONValue {
    func convert(_ node: Node) -> JSONValue {
        switch node {
        case .scalar(let scalar):
            if scalar.style != .plain { return .string(scalar.string) }
            if let number = Int64(scalar.string) { return .number(number) }
            if Double(scalar.string) != nil { return .decimal(scalar.string) }
            if let flag = Bool(scalar.string) { return .bool(flag) }
            return .string(scalar.string)
        case .sequence(let items): return .array(items.map(convert))
        case .mapping(let mapping):
            return .object(
                Dictionary(mapping.map { ($0.key.string ?? "", convert($0.value)) }, uniquingKeysWith: { $1 }))
        case .alias: return .null
        }
    }
    return convert(try #require(try Yams.compose(yaml: yaml)))
}
