import Foundation
import OCI
import TestSupport
import Testing

/// What the built command does to the machine while it reads what somebody crafted (FAULTS.md, A4, A5, A11, M11, R40):
/// nothing is written outside its folders, no program is started, no host is reached that nobody named.
@Suite(.serialized, .enabled(if: BuiltCommand.canTrace && Program.exists("python3"), "strace and python3 are needed"))
struct HostileTortureTests {
    /// Makes the archives, one by one, into the folder that is its argument.
    private static let maker = #"""
        import sys, os, io, json, tarfile, hashlib
        out = sys.argv[1]
        def tar(name, entries):
            with tarfile.open(os.path.join(out, name), 'w', format=tarfile.PAX_FORMAT) as t:
                for path, data, kind, link in entries:
                    i = tarfile.TarInfo(path); i.type = kind; i.linkname = link
                    i.size = len(data) if kind == tarfile.REGTYPE else 0
                    t.addfile(i, io.BytesIO(data) if i.size else None)
        R, S, L, F, C = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE
        def blob(b): return 'sha256:' + hashlib.sha256(b).hexdigest()
        def path(b): return 'blobs/sha256/' + hashlib.sha256(b).hexdigest()
        layout = b'{"imageLayoutVersion":"1.0.0"}'
        config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
        def image(layers):
            m = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob(config), "size": len(config)},
                "layers": layers}).encode()
            index = json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": blob(m), "size": len(m), "annotations": {"org.opencontainers.image.ref.name": "team/app:1"}}]}).encode()
            return [('oci-layout', layout, R, ''), ('index.json', index, R, ''), (path(m), m, R, ''), (path(config), config, R, '')]
        layer = b'layer bytes'
        plain = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob(layer), "size": len(layer)}]
        whole = image(plain) + [(path(layer), layer, R, '')]
        tar('sound.tar', whole)
        for name, evil in [('up', '../escaped'), ('absolute', '/tmp/lifeboat-escaped'), ('inside', 'blobs/sha256/../../../escaped')]:
            tar(name + '.tar', whole + [(evil, b'evil', R, '')])
        tar('symlink.tar', image(plain) + [(path(layer), b'', S, '/etc/passwd')])
        tar('hardlink.tar', image(plain) + [(path(layer), b'', L, '/etc/passwd')])
        tar('fifo.tar', image(plain) + [(path(layer), b'', F, '')])
        tar('device.tar', image(plain) + [(path(layer), b'', C, '')])
        tar('linkdir.tar', [('blobs', b'', S, '/tmp')] + whole)
        away = [dict(plain[0], mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar", urls=[u])
            for u in ["http://127.0.0.1:9/layer", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data"]]
        tar('foreign.tar', image(away))
        magics = {'lzop': b'\x89LZO\x00\r\n\x1a\n', 'grzip': b'GRZipII\x00\x02\x04:)', 'lrzip': b'LRZI\x00\x06', 'compress': b'\x1f\x9d\x90',
            'rpm': b'\xed\xab\xee\xdb\x03\x00', 'uu': b'begin 644 x\n', 'bzip2': b'BZh91AY&SY', 'lz4': b'\x04\x22\x4d\x18'}
        for name, magic in magics.items():
            open(os.path.join(out, name + '.tar'), 'wb').write(magic + b'\x00' * 4096)
        import zlib
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        with open(os.path.join(out, 'bomb.tar.gz'), 'wb') as f:
            for _ in range(300): f.write(bomb.compress(b'\x00' * (1 << 20)))
            f.write(bomb.flush())
        """#

    private static let watched =
        "execve,connect,open,openat,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2"
        + ",symlink,symlinkat,link,linkat,mknod,mknodat,chmod,fchmodat,chown,fchownat,truncate"

    @Test func `crafted archives reach nothing that nobody named`() async throws {
        try await withTemporaryFolder { folder in
            let (inputs, state) = (folder + "/inputs", folder + "/state")
            for path in [inputs, state] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            let made = try await Program.run("python3", "-c", Self.maker, inputs)
            try #require(made.status == 0, "\(made.errors)")
            let crafted = try FileManager.default.contentsOfDirectory(atPath: inputs).map { inputs + "/" + $0 }
            let archives =
                crafted
                + [
                    "containers_skopeo/systemtest/testdata/docker-two-images.tar.xz",
                    "google_go-containerregistry/pkg/v1/tarball/testdata/test_link.tar",
                    "google_go-containerregistry/pkg/v1/tarball/testdata/null_manifest.tar",
                ].compactMap { fixture($0) }
            let tally = Tally("hostile: archives")
            let target = MemoryStore(name: "target")
            try await TestRegistry.run(over: target) { host in
                for archive in archives.sorted() {
                    for arguments in [["verify", archive], ["list", archive], ["import", archive, "--to", host]] {
                        let log = folder + "/trace"
                        let result = try await BuiltCommand.run(
                            arguments, state: state, watching: Self.watched, log: log)
                        let faults = try Self.faults(log, host: host, folders: [state])
                        let name = archive.split(separator: "/").last.map(String.init) ?? archive
                        let story = "\(arguments[0]) \(name), exit \(result.status): \(faults)"
                        // A crash has a code of its own; everything that was made here but one is wrong somehow.
                        let isWrong =
                            archive.hasPrefix(inputs) && !name.hasPrefix("sound") && !name.hasPrefix("foreign")
                        if !faults.isEmpty || result.status >= 128 {
                            tally.add(.lost, story)
                        } else if isWrong, result.status == 0, arguments[0] == "import" {
                            tally.add(.silent, story)
                        } else {
                            tally.add(.fine, story)
                        }
                    }
                }
            }
            #expect(!FileManager.default.fileExists(atPath: "/tmp/lifeboat-escaped"))
            try tally.close()
        }
    }

    /// Lines of a trace that tell of something outside.
    private static func faults(_ log: String, host: String, folders: [String]) throws -> [String] {
        let port = host.split(separator: ":").last.map(String.init) ?? ""
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.contains("execve(") }, "the trace is empty")
        var started = false
        return lines.filter { line in
            if line.contains("execve(") {
                defer { started = true }
                return started
            }
            if line.contains("connect(") {
                return line.contains("AF_INET") && !line.contains("sin_port=htons(\(port))")
            }
            if line.contains("= -1 EEXIST") || line.contains("<... ") || line.contains("+++") || line.contains("---") {
                return false
            }
            if line.contains("open") || line.contains("creat(") {
                guard ["O_WRONLY", "O_RDWR", "O_CREAT", "creat("].contains(where: line.contains) else { return false }
            }
            let isOurs = folders.contains { line.contains("\"\($0)") } || line.contains("\"/dev/null\"")
            // The work file has no name, and stands where the command was started.
            return !isOurs && !line.contains("O_TMPFILE")
        }
    }
}
