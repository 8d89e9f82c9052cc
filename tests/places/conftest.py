"""Real servers for the tests of places: PostgreSQL, a store that speaks S3, a web server."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from servers import SECRET, Postgres, Site, free_port, programs


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started for these tests; they skip where it is not installed."""
    pytest.importorskip("adbc_driver_postgresql", reason="the extra assay[sql] is not installed")
    bin = programs()
    if bin is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # It refuses to run as root, and its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    who: dict[str, Any] = {}
    if os.getuid() == 0:
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody")
    run = functools.partial(
        subprocess.run, check=True, capture_output=True, timeout=60, cwd=folder, **who
    )
    secret = folder / "secret"
    secret.write_text(SECRET)
    data, port = str(folder / "data"), free_port()
    asked = ["-U", "keeper", f"--pwfile={secret}", "-A", "scram-sha-256"]
    run([bin / "initdb", "-D", data, *asked, "-N", "--locale=C", "-E", "UTF8"])
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -F"
    start = [bin / "pg_ctl", "-w", "-D", data, "-o", options, "-l", str(folder / "log")]
    run(
        [*start, "start"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        capture_output=False,
    )
    try:
        yield Postgres(port)
    finally:
        run([bin / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of moto's server, which speaks S3."""
    pytest.importorskip("obstore", reason="the extra assay[places] is not installed")
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    one = server.ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    one.start()
    host, port = one.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        one.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: Any, tmp_path: Path) -> str:
    """A bucket of this test's own, with credentials in the environment."""
    import urllib.request

    settings = {
        "AWS_ACCESS_KEY_ID": "AKIAKEEPER",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "XDG_CACHE_HOME": str(tmp_path / "cache-of-this-machine"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{abs(hash(request.node.nodeid)) % 10**12}"
    made = urllib.request.Request(f"{s3_server}/{name}", method="PUT")
    urllib.request.urlopen(made).close()
    return f"s3://{name}"


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine."""
    held = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.give(with_body=False)

        def do_GET(self) -> None:
            self.give(with_body=True)

        def give(self, with_body: bool) -> None:
            held.asked.append((self.command, self.path, dict(self.headers)))
            if held.answer is not None and held.answer(self):
                return
            body = held.files.get(self.path.partition("?")[0])
            trouble = held.troubles.pop(0) if held.troubles and with_body else None
            if body is None or (trouble and trouble[0] == "status"):
                self.send_error(trouble[1] if trouble else 404)
                return
            start = 0
            if held.ranges and (asked := self.headers.get("Range")):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
            else:
                self.send_response(200)
            if held.tags:
                self.send_header("ETag", f'"{hash(body)}"')
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if with_body:
                self.wfile.write(body[start : trouble[1] if trouble else None])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[None]:
    """After the test, no file below its folder holds the secret, in whatever it was written."""
    yield
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
