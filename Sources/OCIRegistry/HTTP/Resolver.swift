import Glibc
import NIOCore
import NIOPosix
import OCI
import Synchronization

/// Looks up names and finds out which of several addresses answers.
enum Resolver {
    /// The IP addresses of a host, in the order in which the system prefers them; never empty.
    ///
    /// - Throws: `RegistryError` `.unavailable`.
    static func addresses(of host: String) async throws -> [String] {
        // getaddrinfo blocks for as long as name servers do not answer.
        try await NIOThreadPool.singleton.runIfActive { try lookUp(host) }
    }

    private static func lookUp(_ host: String) throws -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            let text = "the name \(shown(host, limit: 255)) is not resolved: \(String(cString: gai_strerror(code)))"
            let advice = "check the host name and this machine's DNS"
            throw code == EAI_AGAIN
                ? RegistryError.transient(text, advice: advice) : RegistryError(.unavailable, text, advice: advice)
        }
        defer { freeaddrinfo(list) }
        var found: [String] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let size = socklen_t(text.count)
            guard getnameinfo(entry.ai_addr, entry.ai_addrlen, &text, size, nil, 0, NI_NUMERICHOST) == 0 else {
                continue
            }
            let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if !found.contains(address) { found.append(address) }
        }
        guard !found.isEmpty else {
            throw RegistryError(.unavailable, "the name \(shown(host, limit: 255)) has no address")
        }
        return found
    }

    /// The first address that takes a connection, each tried a little later than the one before.
    static func firstReachable(
        _ addresses: [String], port: Int, group: any EventLoopGroup, headStart: Duration, timeout: Duration
    ) async throws -> String {
        try await withThrowingTaskGroup(of: String?.self) { tasks in
            for (number, address) in addresses.enumerated() {
                tasks.addTask {
                    try await Task.sleep(for: headStart * number)
                    return try await isReachable(address, port, group, timeout) ? address : nil
                }
            }
            defer { tasks.cancelAll() }
            while let result = try await tasks.next() {
                if let result { return result }
            }
            throw ChannelError.connectTimeout(.zero)
        }
    }

    private static func isReachable(_ address: String, _ port: Int, _ group: any EventLoopGroup, _ timeout: Duration)
        async throws -> Bool
    {
        // The channel is kept from its first moment, since an attempt to connect cannot be cancelled otherwise.
        let pending = Mutex<(any Channel)?>(nil)
        return try await withTaskCancellationHandler {
            do {
                let channel = try await ClientBootstrap(group: group)
                    .connectTimeout(.nanoseconds(timeout.nanoseconds))
                    .channelInitializer { channel in
                        pending.withLock { $0 = channel }
                        return channel.eventLoop.makeSucceededVoidFuture()
                    }
                    .connect(to: SocketAddress(ipAddress: address, port: port)).get()
                channel.close(promise: nil)
                return true
            } catch {
                try Task.checkCancellation()
                return false
            }
        } onCancel: {
            pending.withLock { $0 }?.close(promise: nil)
        }
    }
}
