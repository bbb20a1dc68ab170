import OCI
import Yams

/// `schedule`, `notify` and `objectives`: what a pipeline needs to run unattended.
extension PipelineParser {
    func schedule(_ node: Node) -> Schedule? {
        let members = reader.members(node, key: "schedule", known: DefinitionKeys.schedule)
        guard let cron = members["cron"] else {
            if case .mapping = node {
                reader.fault(
                    "missing, want minute hour day month weekday, such as \"0 2 * * *\"", at: node, key: "schedule.cron"
                )
            }
            return nil
        }
        let times = reader.value(cron, key: "schedule.cron") { try CronSchedule(parsing: $0) }
        let zone =
            members["timezone"].map { reader.value($0, key: "schedule.timezone") { try ZoneClock(named: $0) } } ?? .utc
        let jitter =
            members["jitter"].map { reader.value($0, key: "schedule.jitter", Quantity.duration) } ?? Duration.zero
        let catchesUp = members["catchUp"].map { reader.flag($0, key: "schedule.catchUp") } ?? true
        guard let times, let zone, let jitter, let catchesUp else { return nil }
        return Schedule(cron: times, zone: zone, jitter: jitter.milliseconds, catchesUp: catchesUp)
    }

    func objectives(_ node: Node) -> Objectives {
        let members = reader.members(node, key: "objectives", known: DefinitionKeys.objectives)
        func span(_ name: String) -> Duration? {
            members[name].flatMap { reader.value($0, key: "objectives." + name, Quantity.span) }
        }
        if members.isEmpty, case .mapping = node {
            reader.fault("want rpo or rto, such as {rpo: 24h, rto: 30m}", at: node, key: "objectives")
        }
        return Objectives(rpo: span("rpo"), rto: span("rto"))
    }

    func notifications(_ node: Node) -> Notifications {
        let members = reader.members(node, key: "notify", known: DefinitionKeys.notify)
        var notifications = Notifications()
        notifications.onFailure = members["onFailure"].map { channels($0, key: "notify.onFailure") } ?? []
        notifications.onSuccess = members["onSuccess"].map { channels($0, key: "notify.onSuccess") } ?? []
        notifications.onRecovery = members["onRecovery"].map { channels($0, key: "notify.onRecovery") } ?? []
        return notifications
    }

    private func channels(_ node: Node, key: String) -> [NoticeChannel] {
        guard case .sequence(let items) = node else {
            reader.fault("want a list, such as [{webhook: $URL}], got \(node.kindName)", at: node, key: key)
            return []
        }
        return items.enumerated().compactMap { channel($1, key: "\(key)[\($0)]") }
    }

    private func channel(_ node: Node, key: String) -> NoticeChannel? {
        let members = reader.members(node, key: key, known: DefinitionKeys.notice)
        let kinds = ["webhook", "command", "ping"].filter { members[$0] != nil }
        guard kinds.count == 1, let kind = kinds.first, let value = members[kind] else {
            if case .mapping = node { reader.fault("want one of webhook, command and ping", at: node, key: key) }
            return nil
        }
        if let secret = members["secret"], kind != "webhook" {
            reader.fault("goes with webhook, whose body it signs", at: secret, key: key + ".secret")
        }
        switch kind {
        case "command": return command(value, key: key + ".command").map { .command($0) }
        case "ping": return address(value, key: key + ".ping").map { .ping($0) }
        default:
            let secret = members["secret"].map { noticeSecret($0, key: key + ".secret") }
            let address = address(value, key: key + ".webhook")
            if case .some(nil) = secret { return nil }
            return address.map { .webhook($0, secret: secret ?? nil) }
        }
    }

    private func address(_ node: Node, key: String) -> NoticeAddress? {
        keepSecret(node)
        return reader.value(node, key: key) { try NoticeAddress(parsing: $0) }
    }

    private func noticeSecret(_ node: Node, key: String) -> RegistrySettings.Password? {
        guard let text = reader.text(node, key: key) else { return nil }
        if !keepSecret(node) { note("stands in clear text; use $NAME", at: node, key: key) }
        return RegistrySettings.Password(text)
    }

    /// Keeps the value of a variable out of plans and reports.
    ///
    /// - Returns: false if it is none.
    @discardableResult
    private func keepSecret(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node, scalar.string.hasPrefix("$"),
            DefinitionReader.isVariableName(scalar.string.dropFirst())
        else { return false }
        secretInputs.insert(String(scalar.string.dropFirst()))
        return true
    }
}

extension Quantity {
    /// Reads `30m`, `24h`, `7d` or `2w`: above 0, ten years at most.
    static func span(_ text: String) throws(LifeboatError) -> Duration {
        let units: [Substring: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
        let number = text.prefix { $0.isASCII && $0.isNumber }
        guard number.count <= 9, let count = Int(number), let unit = units[text.dropFirst(number.count)], count > 0,
            count * unit <= 10 * 366 * 86_400
        else {
            throw LifeboatError(
                .policy, "'\(shown(text, limit: 40))' is not a time, want a number with s, m, h, d or w, such as 24h")
        }
        return .seconds(count * unit)
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
