import Lifeboat
import Testing

@Suite struct ScheduleDefinitionTests {
    private func pipeline(_ more: String, _ variables: [String: String] = [:], isWorldWritable: Bool = false) throws
        -> Pipeline
    {
        let text =
            more + "\nversion: 1\nstores: {a: {registry: a.example.com}, f: {archive: f.tar}}\n"
            + "steps: [{export: {from: a, to: f}}]\n"
        return try Pipeline(
            parsing: Array(text.utf8), file: "folder/p.yaml",
            context: PipelineContext(variables: variables, isWorldWritable: isWorldWritable))
    }

    @Test func `a schedule, who is told, and objectives are read`() throws {
        let pipeline = try pipeline(
            """
            schedule: {cron: "0 2 * * *", timezone: Europe/Berlin, jitter: 5m, catchUp: false}
            notify:
              onFailure: [{webhook: $HOOK, secret: $HMAC}, {command: [bin/tell, --urgent]}, {ping: "http://127.0.0.1:9/x?y"}]
              onRecovery: [{command: [mail]}]
            objectives: {rpo: 7d, rto: 30m}
            """, ["HOOK": "https://hooks.example.com/T0/secret", "HMAC": "hunter2"])
        let settings = pipeline.settings
        #expect(settings.schedule?.description == "0 2 * * * Europe/Berlin")
        #expect(settings.schedule?.jitter == 300_000)
        #expect(settings.schedule?.catchesUp == false)
        #expect(settings.objectives == Objectives(rpo: .seconds(604_800), rto: .seconds(1800)))
        #expect(settings.notifications.onFailure.count == 3)
        #expect(settings.notifications.onFailure[1] == .command(["folder/bin/tell", "--urgent"]))
        #expect(settings.notifications.onRecovery == [.command(["mail"])])
        #expect(settings.notifications.onSuccess.isEmpty)
        #expect(pipeline.secretInputs == ["HOOK", "HMAC"])
        #expect(pipeline.notes.isEmpty)
    }

    @Test func `neither a secret nor the path of a webhook can be shown`() throws {
        let pipeline = try pipeline(
            "notify: {onFailure: [{webhook: \"https://hooks.example.com/T0/topsecret\", secret: hunter2}]}")
        var shown = ""
        dump(pipeline.settings.notifications, to: &shown)
        shown += "\(pipeline.settings.notifications)" + pipeline.notes.joined()
        #expect(shown.contains("https://hooks.example.com"))
        #expect(!shown.contains("hunter2") && !shown.contains("topsecret"))
        #expect(
            pipeline.notes == [
                "folder/p.yaml:1:82: notify.onFailure[0].secret: stands in clear text; use $NAME"
            ])
    }

    @Test func `a schedule says no more than when, and catches up`() throws {
        let schedule = try #require(try pipeline("schedule: {cron: '@daily'}").settings.schedule)
        #expect(schedule.zone == .utc && schedule.jitter == 0 && schedule.catchesUp)
        #expect(schedule.next(after: 1_795_219_200_000) == 1_795_305_600_000)
        #expect(schedule.next(after: 1_795_219_199_999) == 1_795_219_200_000)
    }

    private static let wrong: [(String, String)] = [
        ("schedule: 0 2 * * *", "1:11: schedule: want a mapping, got a text"),
        (
            "schedule: {timezone: UTC}",
            "1:11: schedule.cron: missing, want minute hour day month weekday, such as \"0 2 * * *\""
        ),
        (
            "schedule: {cron: \"0 2 * *\"}",
            "1:18: schedule.cron: it has 4 fields, want five: minute hour day month weekday"
        ),
        (
            "schedule: {cron: \"0 2 * * *\", timezone: Europe/Berlim}",
            "1:41: schedule.timezone: there is no time zone 'Europe/Berlim', want a name such as Europe/Berlin or UTC"
        ),
        ("schedule: {cron: \"@daily\", jitter: 5}", "1:36: schedule.jitter: '5' is not a time"),
        ("schedule: {cron: \"@daily\", catchup: true}", "1:28: schedule.catchup: unknown key; did you mean 'catchUp'?"),
        ("objectives: {}", "1:13: objectives: want rpo or rto, such as {rpo: 24h, rto: 30m}"),
        ("objectives: {rpo: 1 day}", "1:19: objectives.rpo: '1 day' is not a time, want a number with s, m, h, d or w"),
        (
            "notify: {onFailure: {ping: x}}",
            "1:21: notify.onFailure: want a list, such as [{webhook: $URL}], got a mapping"
        ),
        ("notify: {onFail: []}", "1:10: notify.onFail: unknown key; known here: onFailure, onSuccess, onRecovery"),
        ("notify: {onFailure: [{}]}", "1:22: notify.onFailure[0]: want one of webhook, command and ping"),
        (
            "notify: {onFailure: [{ping: \"http://a.example.com\", command: [x]}]}",
            "1:22: notify.onFailure[0]: want one of webhook, command and ping"
        ),
        (
            "notify: {onFailure: [{ping: \"http://a.example.com\", secret: x}]}",
            "1:61: notify.onFailure[0].secret: goes with webhook, whose body it signs"
        ),
        (
            "notify: {onFailure: [{ping: \"ftp://a.example.com\"}]}",
            "1:29: notify.onFailure[0].ping: want an address such as https://alerts.example.com/path, without a user"
        ),
        (
            "notify: {onFailure: [{webhook: \"https://u:p@a.example.com/\"}]}",
            "notify.onFailure[0].webhook: want an address"
        ),
        ("notify: {onFailure: [{webhook: $NOPE}]}", "1:32: notify.onFailure[0].webhook: the variable $NOPE is not set"),
        ("notify: {onFailure: [{command: mail}]}", "notify.onFailure[0].command: want a list of the program"),
    ]

    @Test(arguments: wrong)
    func `a wrong definition says where it is wrong, and what is wanted`(_ text: String, _ fault: String) {
        let error = #expect(throws: DefinitionError.self) { try pipeline(text) }
        #expect(error?.description.contains("folder/p.yaml:") ?? false)
        #expect(error?.description.contains(fault) ?? false, "\(error?.description ?? "")")
        #expect(!(error?.description.contains("u:p@") ?? false))
    }

    @Test func `a definition that everybody may change starts no program`() {
        let error = #expect(throws: DefinitionError.self) {
            try pipeline("notify: {onFailure: [{command: [x]}]}", isWorldWritable: true)
        }
        #expect(error?.description.contains("chmod o-w") ?? false)
    }
}
