"""``weald serve`` in production mode: TLS on both doors, nobody answered over HTTP without a credential, feeds known by certificate."""

import http.client
import json
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from app.mllp.client import send
from tests.flow.certificates import make_certificates
from tests.flow.messages import adt, cx, pid
from tests.flow.test_serve import WEALD, environment, free_port, read_until, stop

SETTINGS = """
id_secret = "{secret}"
store = "sqlite:///{folder}/weald.db"
[listeners]
http = "127.0.0.1:{http}"
mllp = "127.0.0.1:{mllp}"
dicom = "off"
[tls]
certificate = "{folder}/weald.pem"
private_key = "{folder}/weald.key"
client_ca = "{folder}/ca.pem"
[auth.issuers.CIS]
issuer = "https://login.example"
audience = "https://weald.example/fhir"
keys = "{folder}/keys.json"
[organisations]
RTK = {{ name = "Ashford and St Peter's" }}
[authorities.RTK]
system = "https://site.example/Id/RTK/mrn"
owner = "RTK"
namespaces = ["RTK"]
[sources.RTK-PAS]
organisation = "RTK"
msh3 = "PAS"
msh4 = "RTK"
certificates = ["pas.rtk.example"]
default_authority = "RTK"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A production site that serves: its folder and its two ports."""
    folder = make_certificates(tmp_path_factory.mktemp("site"))
    ports = {"http": free_port(), "mllp": free_port()}
    (folder / "keys.json").write_text('{"keys": []}')
    (folder / "weald.toml").write_text(SETTINGS.format(folder=folder, secret="s" * 40, **ports))
    env = environment(folder, WEALD_CONFIG=str(folder / "weald.toml"))
    del env["WEALD_MODE"], env["WEALD_STORE"]
    process = subprocess.Popen([*WEALD, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    shown = read_until(process, "Stop with Ctrl-C")
    assert f"https://127.0.0.1:{ports['http']}/fhir" in shown
    yield folder, ports["http"], ports["mllp"]
    assert stop(process) == 0


def trusting(folder: Path, certificate=None):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if certificate:
        context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    return context


def get(site, path):
    folder, port, _ = site
    connection = http.client.HTTPSConnection("localhost", port, context=trusting(folder), timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body)


def test_http_speaks_tls_alone(site):
    assert get(site, "/health/live")[0] == 200
    with socket.create_connection(("localhost", site[1]), timeout=10) as plain:
        plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            http.client.HTTPResponse(plain).begin()


def test_its_urls_are_https(site):
    status, statement = get(site, "/fhir/metadata")
    assert status == 200
    assert statement["implementation"]["url"] == f"https://localhost:{site[1]}/fhir"


@pytest.mark.parametrize("path", ["/fhir/Patient", "/fhir/Patient/x", "/metrics", "/health/ready"])
def test_nobody_is_answered_without_a_credential(site, path):
    assert get(site, path)[0] == 401


def test_a_feed_is_known_by_its_certificate(site):
    folder, _, port = site
    message = adt("A28", pid(cx("A100")))
    [known] = send("localhost", port, [message], tls=trusting(folder, "feed"))
    assert b"MSA|AA" in known.acknowledgement
    [other] = send("localhost", port, [message], tls=trusting(folder, "weald"))
    assert b"MSA|AR" in other.acknowledgement
    assert b"|207^" in other.acknowledgement
