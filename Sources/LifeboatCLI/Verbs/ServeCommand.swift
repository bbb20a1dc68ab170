import ArgumentParser

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Answer pulls from a backup, an archive or a layout folder, without unpacking it.",
        discussion: """
            lifeboat serve backup.tar --listen 127.0.0.1:5000
            lifeboat serve backup.tar --listen 0.0.0.0:5000 --tls /etc/lifeboat/tls --overlay hotfixes/
            lifeboat serve images/ --writable
            lifeboat serve init /etc/lifeboat/tls --host backup.example.com
            """,
        subcommands: [ServeStoreCommand.self, ServeInitCommand.self], defaultSubcommand: ServeStoreCommand.self)
}
