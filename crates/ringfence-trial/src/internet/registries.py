"""Servers of the small internet that real clients are tried against: package registries, a database, a cache, and SSH.
Not the real programs but for sshd: each speaks as much of its protocol as a client needs to be content.

Arguments: the log, the address, a directory of its own. Speaks HTTP on 3000, PostgreSQL on 5432, Redis on 6379, SSH on 22022.
"""
import base64, gzip, hashlib, http.server, io, json, os, socketserver, struct, subprocess, sys, tarfile, threading, zipfile

LOG, ADDRESS, OWN = sys.argv[1:4]


def log(line):
    with open(LOG, "a") as file:
        file.write(line + "\n")


def tar(files, compress=True):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(raw.getvalue(), mtime=0) if compress else raw.getvalue()


def crate():
    manifest = b'[package]\nname = "demo"\nversion = "1.0.0"\nedition = "2021"\n'
    return tar({"demo-1.0.0/Cargo.toml": manifest, "demo-1.0.0/src/lib.rs": b"pub fn answer() -> u32 { 42 }\n"})


def wheel():
    raw = io.BytesIO()
    files = {
        "demo/__init__.py": "answer = 42\n",
        "demo-1.0.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0.0\n",
        "demo-1.0.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + "demo-1.0.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in {**files, "demo-1.0.0.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return raw.getvalue()


def deb():
    control = b"Package: demo\nVersion: 1.0.0\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: demo\n"
    members = {"debian-binary": b"2.0\n", "control.tar.gz": tar({"./control": control}), "data.tar.gz": tar({"./demo": b"42\n"})}
    out = b"!<arch>\n"
    for name, text in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(text):<10}`\n".encode() + text + b"\n" * (len(text) % 2)
    return out, control


def pages():
    base = "http://good.example:3000"
    package = crate()
    index = {"name": "demo", "vers": "1.0.0", "deps": [], "cksum": hashlib.sha256(package).hexdigest(), "features": {}, "yanked": False}
    module = tar({"package/package.json": b'{"name":"demo","version":"1.0.0"}', "package/index.js": b"module.exports = 42\n"})
    sri = "sha512-" + base64.b64encode(hashlib.sha512(module).digest()).decode()
    dist = {"tarball": base + "/npm/demo/-/demo-1.0.0.tgz", "integrity": sri, "shasum": hashlib.sha1(module).hexdigest()}
    version = {"name": "demo", "version": "1.0.0", "dist": dist}
    document = {"name": "demo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    archive, control = deb()
    packages = control + f"Filename: ./demo.deb\nSize: {len(archive)}\nSHA256: {hashlib.sha256(archive).hexdigest()}\n\n".encode()
    release = f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n".encode()
    return {
        "/cargo/config.json": json.dumps({"dl": base + "/cargo/dl/{crate}/{version}"}).encode(),
        "/cargo/de/mo/demo": json.dumps(index).encode() + b"\n",
        "/cargo/dl/demo/1.0.0": package,
        "/npm/demo": json.dumps(document).encode(),
        "/npm/demo/-/demo-1.0.0.tgz": module,
        "/pip/demo/": b'<!DOCTYPE html><a href="/pip/demo-1.0.0-py3-none-any.whl">demo-1.0.0-py3-none-any.whl</a>',
        "/pip/demo-1.0.0-py3-none-any.whl": wheel(),
        "/apt/./Packages": packages,
        "/apt/./Release": release,
        "/apt/./demo.deb": archive,
        "/go/example.org/demo/@v/list": b"v1.0.0\n",
        "/go/example.org/demo/@v/v1.0.0.info": b'{"Version":"v1.0.0","Time":"2026-01-01T00:00:00Z"}',
        "/go/example.org/demo/@v/v1.0.0.mod": b"module example.org/demo\n",
        "/go/example.org/demo/@v/v1.0.0.zip": module_zip(),
    }


def module_zip():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("example.org/demo@v1.0.0/go.mod", "module example.org/demo\n")
        archive.writestr("example.org/demo@v1.0.0/demo.go", "package demo\n\nfunc Answer() int { return 42 }\n")
    return raw.getvalue()


PAGES = pages()


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        body = PAGES.get(path, PAGES.get(path.replace("/apt/", "/apt/./")))
        log(f"registry {path}")
        self.send_response(404 if body is None else 200)
        if path == "/npm/demo":
            self.send_header("Content-Type", "application/json")
        elif path.endswith("/") or path.endswith(".whl"):
            self.send_header("Content-Type", "text/html" if path.endswith("/") else "application/zip")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


class Postgres(socketserver.StreamRequestHandler):
    def message(self):
        kind = self.rfile.read(1)
        return kind, self.rfile.read(struct.unpack(">I", self.rfile.read(4))[0] - 4)

    def handle(self):
        while True:
            length, code = struct.unpack(">II", self.rfile.read(8))
            if code == 196608:
                self.rfile.read(length - 8)
                break
            self.wfile.write(b"N")
        send = lambda kind, body: self.wfile.write(kind + struct.pack(">I", len(body) + 4) + body)
        send(b"R", struct.pack(">I", 0))
        send(b"Z", b"I")
        while True:
            kind, body = self.message()
            if kind != b"Q":
                return
            log(f"postgres {body[:-1].decode()}")
            send(b"T", struct.pack(">H", 1) + b"answer\0" + struct.pack(">IHIHIH", 0, 0, 23, 4, 0xFFFFFFFF, 0))
            send(b"D", struct.pack(">HI", 1, 2) + b"42")
            send(b"C", b"SELECT 1\0")
            send(b"Z", b"I")


class Redis(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            line = self.rfile.readline()
            if not line.startswith(b"*"):
                return
            words = []
            for _ in range(int(line[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2])
            log(f"redis {b' '.join(words).decode()}")
            self.wfile.write(b"$2\r\n42\r\n")


class Ssh(socketserver.BaseRequestHandler):
    """sshd itself, once a connection, as the user that all this runs as."""

    def handle(self):
        log("ssh")
        sshd = ["/usr/sbin/sshd", "-i", "-f", OWN + "/sshd_config"]
        if os.geteuid() == 0:
            # Its directory of privilege separation is made where only it sees it.
            sshd = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs t /run; mkdir /run/sshd; exec "$@"', "sh"] + sshd
        with open(OWN + "/sshd.log", "a") as errors:
            subprocess.run(sshd, stdin=self.request, stdout=self.request, stderr=errors, timeout=30)


def prepare_ssh():
    if not os.path.exists("/usr/sbin/sshd"):
        return
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{OWN}/{name}"], check=True)
    with open(OWN + "/sshd_config", "w") as config:
        config.write(f"HostKey {OWN}/host\nAuthorizedKeysFile {OWN}/user.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


prepare_ssh()
servers = [Server((ADDRESS, port), handler) for port, handler in ((3000, Registry), (5432, Postgres), (6379, Redis), (22022, Ssh))]
threads = [threading.Thread(target=server.serve_forever) for server in servers]
for thread in threads:
    thread.start()
log("ready")
for thread in threads:
    thread.join()
