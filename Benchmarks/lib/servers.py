"""Servers on the loopback interface that end with the benchmark."""
import contextlib, shutil, socket, subprocess, sys, time, urllib.request
from pathlib import Path

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        limit_rate {rate};
        location / {{
            proxy_pass http://{behind}; proxy_http_version 1.1; proxy_set_header Host $http_host;
            proxy_set_header Connection ""; proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, command, port, log):
        self.host = f"127.0.0.1:{port}"
        with open(log, "w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"bench: {' '.join(map(str, command))} does not answer: {Path(log).read_text()[-1000:]}")
            time.sleep(0.01)

    def answers(self):
        try:
            return urllib.request.urlopen(f"http://{self.host}/v2/", timeout=5).status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()

    # Where it counts its requests, if it does.
    metrics = None

    def requests(self):
        """How many requests it has been sent so far."""
        if not self.metrics or self.process.poll() is not None:
            return 0
        with urllib.request.urlopen(self.metrics, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("registry_http_requests_total")))

    def figures(self):
        """CPU seconds so far and peak MiB."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        return (int(fields[11]) + int(fields[12])) / 100, peak / 1024


class Servers(contextlib.ExitStack):
    def __init__(self, work):
        super().__init__()
        self.work = work
        self.all = []

    def start(self, name, command, port):
        server = Server(command, port, self.work / f"{name}.log")
        self.callback(server.stop)
        self.all.append(server)
        return server

    def requests(self):
        """How many requests all registries together have been sent so far."""
        return sum(server.requests() for server in self.all)

    def registry(self, name):
        """docker-registry over the folder of its name, which is kept between two of them."""
        port, debug = free_port(), free_port()
        configuration = self.work / f"{name}.yml"
        configuration.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.work / name}}}}}\nhttp: {{addr: '127.0.0.1:{port}', "
            f"debug: {{addr: '127.0.0.1:{debug}', prometheus: {{enabled: true, path: /metrics}}}}}}\n")
        server = self.start(name, ["docker-registry", "serve", configuration], port)
        server.metrics = f"http://127.0.0.1:{debug}/metrics"
        return server

    def slow(self, behind, rate):
        """nginx in front of a registry, which sends so many bytes a second on each connection."""
        folder, port = self.work / "nginx", free_port()
        folder.mkdir()
        import os
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "conf").write_text(NGINX.format(folder=folder, port=port, rate=rate, behind=behind.host, user=user))
        return self.start("nginx-out", ["nginx", "-e", folder / "error.log", "-c", folder / "conf"], port)

    def far(self, behind, milliseconds):
        """A proxy in front of a registry, with so long a round trip."""
        port = free_port()
        program = Path(__file__).parent / "delay.py"
        command = [sys.executable, "-B", program, str(port), behind.host, str(milliseconds)]
        return self.start("delay", command, port)

    def lifeboat(self, program, archive):
        port = free_port()
        return self.start("serve", [program, "serve", archive, "--listen", f"127.0.0.1:{port}"], port)
