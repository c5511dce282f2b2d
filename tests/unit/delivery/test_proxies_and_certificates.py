"""Tests what the client takes from the environment: proxies, and certificates of a private authority."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cio_spark.config import ApiKey
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.http_client import PipelinesClient

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Recorder(http.server.ThreadingHTTPServer):
    """Answers every POST with 200 and every CONNECT with 502, and keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_port}"


class RecordingHandler(http.server.BaseHTTPRequestHandler):
    """Handles the requests of a `Recorder`."""

    server: Recorder

    def do_POST(self) -> None:  # the name that http.server looks for
        """Keep the target, and answer 200."""
        self.server.asked.append(f"POST {self.path}")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:  # the name that http.server looks for
        """Keep the target, and answer 502."""
        self.server.asked.append(f"CONNECT {self.path}")
        self.send_error(502)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def server() -> Iterator[Recorder]:
    with Recorder() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *map(str.lower, VARIABLES)):
        monkeypatch.delenv(name, raising=False)


def post(url: str) -> Answer:
    client = PipelinesClient(url, ApiKey("key"))
    try:
        return client.post_batch(b'{"batch":[]}', 10)
    finally:
        client.close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_request_goes_through_the_proxy_of_the_environment(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, server.url)
    assert post("http://api.invalid/v1").status == 200
    assert server.asked == ["POST http://api.invalid/v1/batch"]


def test_an_encrypted_request_asks_the_proxy_for_a_tunnel(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    assert post("https://api.invalid/v1").failure is Failure.CONNECTION
    assert server.asked == ["CONNECT api.invalid:443"]


def test_a_host_of_no_proxy_is_asked_directly(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert post(f"{server.url}/v1").status == 200
    assert server.asked == ["POST /v1/batch"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1 that no authority knows; its key is in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    file = tmp_path_factory.mktemp("certificate") / "private.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(file) + ".crt"]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
def encrypted(server: Recorder, certificate: Path) -> str:
    """Encrypt the server's connections, and return its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://127.0.0.1:{server.server_port}/v1"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_private_authority_is_trusted_if_the_environment_names_its_certificate(
    encrypted: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    assert post(encrypted).status == 200


def test_a_private_authority_is_not_trusted_otherwise(
    encrypted: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, server: Recorder
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # a variable of OpenSSL, which `requests` does not read
    answer = post(encrypted)
    assert answer.failure is Failure.CONNECTION
    assert "SSLCertVerificationError" in answer.reason
    assert server.asked == []
