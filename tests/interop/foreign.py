# SPDX-License-Identifier: Apache-2.0
"""Foreign servers and proxies on free ports, in the directory of the test and without rights; certificates for them; and
stack-client, which makes one connection to them by one stack of layers."""

import json
import os
import socket
import subprocess

from harness import Failure, World, check, need, poll, skip

BODY = b"hello from nginx\n"
GET = b"GET / HTTP/1.1\r\nHost: peer.test\r\nConnection: close\r\n\r\n"


def free_port(host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def holds_udp(process, port):
    """Whether the process is the one that has the UDP port: it might be somebody else's."""
    ours = set()
    for descriptor in os.listdir(f"/proc/{process.pid}/fd") if process.alive() else ():
        try:
            ours.add(os.readlink(f"/proc/{process.pid}/fd/{descriptor}"))
        except FileNotFoundError:
            pass  # closed meanwhile
    for family in ("udp", "udp6"):
        with open(f"/proc/{process.pid}/net/{family}", encoding="ascii") as table:
            for fields in map(str.split, table.readlines()[1:]):
                if fields[1].endswith(f":{port:04X}") and f"socket:[{fields[9]}]" in ours:
                    return True
    return False


def answers(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def has_ipv6():
    try:
        free_port("::1")
        return True
    except OSError:
        return False


class Authority:
    """Certificates by certtool, whose templates can be of any time."""

    def __init__(self, world, name="authority"):
        [self.certtool] = need("certtool")
        self.world = world
        self.file, self.key = world.path(name + ".pem"), world.path(name + ".key")
        self._key(name + ".key")
        self._run(self._template(name, 'cn = "The tests"\nca\ncert_signing_key\n'), "--generate-self-signed",
                  "--load-privkey", self.key, "--outfile", self.file)

    def _run(self, template, *arguments):
        subprocess.run([self.certtool, *arguments, "--template", template], check=True, capture_output=True)

    def _key(self, name):
        subprocess.run([self.certtool, "--generate-privkey", "--key-type", "ecdsa", "--outfile", self.world.path(name)],
                       check=True, capture_output=True)

    def _template(self, name, text, dates=""):
        path = self.world.path(name + ".template")
        with open(path, "w", encoding="ascii") as file:
            file.write(text + (dates or "expiration_days = 2\n"))
        return path

    def leaf(self, name, host="peer.test", dates="", self_signed=False):
        """(certificate, key): files of a server's certificate for host and the addresses of this machine."""
        certificate, key = self.world.path(name + ".pem"), self.world.path(name + ".key")
        self._key(name + ".key")
        template = self._template(name, f'cn = "{host}"\ndns_name = "{host}"\nip_address = "127.0.0.1"\n'
                                  'ip_address = "::1"\ntls_www_server\nsigning_key\n', dates)
        if self_signed:
            self._run(template, "--generate-self-signed", "--load-privkey", key, "--outfile", certificate)
        else:
            self._run(template, "--generate-certificate", "--load-privkey", key, "--load-ca-certificate", self.file,
                      "--load-ca-privkey", self.key, "--outfile", certificate)
        return certificate, key


class Foreign(World):
    """A world with foreign servers in it."""

    def __init__(self):
        super().__init__()
        self.stack_client = os.environ.get("HAWSER_STACK_CLIENT", "")
        if not os.access(self.stack_client, os.X_OK):
            self.close()
            skip("HAWSER_STACK_CLIENT names no program; script/test does")

    def server(self, make, host="127.0.0.1", tries=5):
        """Starts make(port) until it answers at a port that nobody else took meanwhile: (process, port)."""
        for _ in range(tries):
            port = free_port(host)
            process = make(port)
            poll(lambda p=process, at=port: not p.alive() or answers(host, at), "a server to listen")
            if process.alive():
                return process, port
        raise Failure(f"{process.argv[0]} does not start\n{process.transcript()}")

    def udp_server(self, make, tries=5):
        """As server(), for what listens at a UDP port of 127.0.0.1."""
        for _ in range(tries):
            port = free_udp_port()
            process = make(port)
            poll(lambda p=process, at=port: not p.alive() or holds_udp(p, at), "a server to listen")
            if process.alive():
                return process, port
        raise Failure(f"{process.argv[0]} does not start\n{process.transcript()}")

    def nginx(self, lines, host="127.0.0.1"):
        """One server of nginx; lines follow `listen ADDRESS:PORT` in its configuration."""
        [program] = need("nginx")
        directory = self.path(f"nginx-{len(self.processes)}")
        os.makedirs(os.path.join(directory, "html"), exist_ok=True)
        with open(os.path.join(directory, "html", "index.html"), "wb") as page:
            page.write(BODY)
        address = f"[{host}]" if ":" in host else host
        temporary = "".join(f"{what}_temp_path {directory}/{what};\n"
                            for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

        def make(port):
            with open(os.path.join(directory, "nginx.conf"), "w", encoding="ascii") as conf:
                conf.write(f"daemon off; master_process off; pid {directory}/pid; error_log stderr;\n"
                           f"{'user root;' if os.geteuid() == 0 else ''}\nevents {{}}\nhttp {{\n{temporary}"
                           f"access_log off;\nserver {{ listen {address}:{port}{lines[0]};\n"
                           + "\n".join(lines[1:]) + f"\nroot {directory}/html; }} }}\n")
            return self.command(program, "-e", "stderr", "-p", directory, "-c", os.path.join(directory, "nginx.conf"))

        return self.server(make, host)[1]

    def nginx_tls(self, certificate, *lines, host="127.0.0.1"):
        return self.nginx([" ssl", f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};", *lines],
                          host)

    def connect(self, stack, address, at, request=GET, **values):
        """(what came, how it went): one connection by stack-client. It stays open until the server ends: nginx says no
        proper goodbye to who said one first."""
        values.setdefault("open", 1)
        words = [f"{name}={value}" for name, value in values.items() if value is not None]
        done = subprocess.run([self.stack_client, stack, address, str(at), *words], input=request, check=False,
                              capture_output=True, timeout=60)
        check(done.returncode in (0, 1), f"stack-client {stack}: {done.stderr.decode(errors='replace')}")
        return done.stdout, json.loads(done.stderr.splitlines()[-1])


def check_page(answer, outcome):
    check(outcome["code"] == 0, f"{outcome}")
    check(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(BODY), f"{answer[:300]!r}, {outcome}")


def check_refused(answer, outcome, layer, name_or_code, *words):
    check(outcome["code"] != 0 and outcome["layer"] == layer, f"{outcome}")
    check(name_or_code in (outcome["code"], outcome["name"]), f"{outcome}")
    for word in words:
        check(word in outcome["reason"], f"{word!r} is not in {outcome['reason']!r}")
    check(answer == b"" or outcome["up"], f"{answer[:100]!r}")
