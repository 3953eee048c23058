"""The settings: what is read, from where, and the sentence that each fault gives."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import SAMPLE_ID_SECRET, documented_keys, explain, load_settings, masked_store
from app.settings_model import Listener

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "settings.md").read_text("utf-8")
SAMPLE = {"WEALD_MODE": "sample"}
SITE_SECRET = "s" * 40

SITE = """
id_secret = "{secret}"
[organisations]
RTK = {{ name = "Ashford and St Peter's" }}
[authorities.RTK]
system = "https://site.example/Id/RTK/mrn"
owner = "RTK"
[sources.RTK-PAS]
organisation = "RTK"
msh4 = "RTK"
certificates = ["pas.rtk.example"]
default_authority = "RTK"
[archives.RTK-PACS]
organisation = "RTK"
ae_titles = ["RTKPACS"]
[tls]
certificate = "{folder}/pem"
private_key = "{folder}/pem"
client_ca = "{folder}/pem"
[auth.issuers.CIS]
issuer = "https://login.example"
audience = "https://weald.site.example"
keys = "{folder}/pem"
"""


def site(folder: Path, text: str = SITE, *, extra: str = "", secret: str = SITE_SECRET) -> Path:
    """A production file that starts, with ``extra`` at its end."""
    (folder / "pem").write_text("pem")
    path = folder / "weald.toml"
    path.write_text(text.format(folder=folder, secret=secret) + extra)
    return path


def refusal(path: Path | None = None, **env: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, env if path else SAMPLE | env)
    return caught.value.text


def test_sample_mode_needs_no_file_and_has_the_five_trusts_and_an_archive_for_any_other_file():
    settings = load_settings(env=SAMPLE)
    assert settings.mode == "sample"
    assert list(settings.organisations) == ["RTK", "RXC", "RPC", "RA2", "RYR", "SAMPLE"]
    assert list(settings.sources) == ["RTK-PAS", "RXC-PAS", "RPC-PAS", "RA2-PAS", "RYR-PAS"]
    assert settings.archives["RXC-PACS"].ae_titles == ("RXCPACS",)
    assert settings.archives["RXC-PACS"].dicomweb_base == "https://pacs.rxc.example/dicom-web"
    assert settings.default_source == "SAMPLE-PACS"
    assert settings.admit_test_numbers
    assert settings.id_secret_bytes == SAMPLE_ID_SECRET.encode()


def test_the_defaults_are_those_of_the_contract():
    settings = load_settings(env=SAMPLE)
    assert settings.store == "sqlite:///var/weald.db"
    assert settings.canonical_base == "https://weald.example/fhir"
    listeners = settings.listeners
    assert [str(one) for one in (listeners.http, listeners.mllp, listeners.dicom)] == ["127.0.0.1:8080", "127.0.0.1:2575", "127.0.0.1:11112"]
    assert listeners.ae_title == "WEALD"


def test_production_is_the_default_and_needs_a_file():
    with pytest.raises(SettingsError, match="WEALD_CONFIG is not set; production mode needs the TOML file"):
        load_settings(env={})


def test_a_complete_production_file_starts(tmp_path):
    settings = load_settings(env={"WEALD_CONFIG": str(site(tmp_path))})
    assert settings.mode == "production"
    assert settings.id_secret_bytes == SITE_SECRET.encode()
    assert not settings.admit_test_numbers


def test_http_speaks_tls_in_production_unless_a_proxy_does_and_never_in_sample_mode(tmp_path):
    assert load_settings(site(tmp_path), {}).http_has_tls
    assert not load_settings(site(tmp_path, extra="[proxy]\nterminates_tls = true"), {}).http_has_tls
    assert not load_settings(env=SAMPLE).http_has_tls


def test_a_store_is_shown_without_its_user_and_password():
    assert masked_store("mongodb://weald:s3cret@db.example/weald?tls=true") == "mongodb://********@db.example/weald?tls=true"
    assert masked_store("sqlite:////var/lib/weald.db") == "sqlite:////var/lib/weald.db"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("WEALD_STORE", "mongodb://db.example/weald", lambda s: s.store == "mongodb://db.example/weald"),
        ("WEALD_HTTP", "127.0.0.1:9000", lambda s: s.listeners.http.port == 9000),
        ("WEALD_MLLP", "off", lambda s: s.listeners.mllp is None),
        ("WEALD_DICOM", "[::1]:104", lambda s: str(s.listeners.dicom) == "[::1]:104"),
        ("WEALD_LISTENERS__HTTP", "localhost:9001", lambda s: s.listeners.http.host == "localhost"),
        ("WEALD_MLLP__GROUP_MAX", "12", lambda s: s.mllp.group_max == 12),
        ("WEALD_SOURCES__RTK_PAS__PAIRING", "positional", lambda s: s.sources["RTK-PAS"].pairing == "positional"),
        ("WEALD_SOURCES__RTK_PAS__LIMITS__SEGMENTS", "9", lambda s: s.sources["RTK-PAS"].limits.segments == 9),
        ("WEALD_SOURCES__RTK_PAS__TOLERATE_UTF8", "true", lambda s: s.sources["RTK-PAS"].tolerate_utf8 is True),
        ("WEALD_ORGANISATIONS__RTK__NAME", "Chertsey", lambda s: s.organisations["RTK"].name == "Chertsey"),
    ],
)  # fmt: skip
def test_a_scalar_key_is_overridden_by_its_variable(name, value, read):
    assert read(load_settings(env=SAMPLE | {name: value}))


def test_a_variable_with_file_at_its_end_names_a_file_that_holds_the_value(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SITE_SECRET + "\n")
    assert load_settings(env=SAMPLE | {"WEALD_ID_SECRET_FILE": str(secret)}).id_secret_bytes == SITE_SECRET.encode()
    assert refusal(WEALD_ID_SECRET_FILE=str(tmp_path / "none")) == (
        "WEALD_ID_SECRET_FILE names a file that cannot be read; name a text file that this user may read"
    )


@pytest.mark.parametrize("name", ["WEALD_TEST_MONGODB", "WEALD_PORT_8080_TCP_ADDR", "WEALD_SERVICE_HOST", "WEALDEN"])
def test_variables_of_others_are_left_alone(name):
    load_settings(env=SAMPLE | {name: "x"})


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"WEALD_MODE": "demo"}, "mode (from WEALD_MODE) is 'demo'; allowed: 'sample' or 'production'"),
        ({"WEALD_MLLP__GROUPMAX": "1"}, "WEALD_MLLP__GROUPMAX is no setting; did you mean WEALD_MLLP__GROUP_MAX?"),
        ({"WEALD_XYZZY": "1"}, "WEALD_XYZZY is no setting; docs/settings.md lists all"),
        ({"WEALD_MLLP__GROUP_MAX": "many"}, "mllp.group_max (from WEALD_MLLP__GROUP_MAX) is 'many'; allowed: a whole number"),
        ({"WEALD_MLLP__GROUP_MAX": "0"}, "mllp.group_max (from WEALD_MLLP__GROUP_MAX) is '0'; allowed: at least 1"),
        ({"WEALD_MLLP__IDLE_SECONDS": "0"}, "mllp.idle_seconds (from WEALD_MLLP__IDLE_SECONDS) is '0'; allowed: more than 0"),
        ({"WEALD_WEB__WORKERS": "300"}, "web.workers (from WEALD_WEB__WORKERS) is '300'; allowed: at most 256"),
        ({"WEALD_STORE": "oracle://me:word@h"}, "store (from WEALD_STORE) is ********; allowed: sqlite:///path, mongodb://... or mongodb+srv://..."),
        ({"WEALD_HTTP": "8080"}, "listeners.http (from WEALD_HTTP) is '8080'; allowed: \"host:port\" with a port up to 65535, or \"off\""),
        ({"WEALD_HTTP": "127.0.0.1:70000"}, "listeners.http (from WEALD_HTTP) is '127.0.0.1:70000'; allowed: \"host:port\" with a port up to 65535, or \"off\""),
        ({"WEALD_HTTP": "0.0.0.0:80"}, "listeners.http is '0.0.0.0:80'; allowed in sample mode: an address of this machine alone, such as 127.0.0.1:80, or off"),
        ({"WEALD_DICOM": "pacs.example:104"}, "listeners.dicom is 'pacs.example:104'; allowed in sample mode: an address of this machine alone, such as 127.0.0.1:104, or off"),
        ({"WEALD_HTTP": "127.0.0.1:1", "WEALD_LISTENERS__HTTP": "off"}, "WEALD_LISTENERS__HTTP and WEALD_HTTP both set listeners.http; keep one"),
        ({"WEALD_SOURCES__XXX_PAS__PAIRING": "auto"}, "WEALD_SOURCES__XXX_PAS__PAIRING is no setting; did you mean WEALD_SOURCES__<CODE>__PAIRING?"),
        ({"WEALD_SOURCES__RTK_PAS__TIME_ZONE": "Mars/One"}, "sources.RTK-PAS.time_zone (from WEALD_SOURCES__RTK_PAS__TIME_ZONE) is 'Mars/One'; allowed: a time zone of the IANA database, such as Europe/London"),
        ({"WEALD_SOURCES__RTK_PAS__ORGANISATION": "RYE"}, "sources.RTK-PAS.organisation is 'RYE'; allowed: a code of [organisations], RA2 or RPC or RTK or RXC or RYR or SAMPLE"),
        ({"WEALD_DEFAULT_SOURCE": "RTK-PAS"}, "default_source is 'RTK-PAS'; allowed: a code of [archives], RA2-PACS or RPC-PACS or RTK-PACS or RXC-PACS or RYR-PACS or SAMPLE-PACS"),
        ({"WEALD_CANONICAL_BASE": "https://w.example/"}, "canonical_base (from WEALD_CANONICAL_BASE) is 'https://w.example/'; allowed: an http or https URL without a slash at its end"),
        ({"WEALD_MATCHING__MODEL": "/no/such"}, "matching.model (from WEALD_MATCHING__MODEL) is '/no/such'; allowed: the path of a file that exists"),
        ({"WEALD_ORGANISATIONS__RTK__NAME": ""}, "organisations.RTK.name (from WEALD_ORGANISATIONS__RTK__NAME) is ''; allowed: a text that is not empty"),
        ({"WEALD_LISTENERS__AE_TITLE": "A" * 17}, f"listeners.ae_title (from WEALD_LISTENERS__AE_TITLE) is '{'A' * 17}'; allowed: an AE title, up to 16 characters without backslash"),
        ({"WEALD_ARCHIVES__RTK_PACS__CHARSET": "KLINGON"}, "archives.RTK-PACS.charset (from WEALD_ARCHIVES__RTK_PACS__CHARSET) is 'KLINGON'; allowed: a defined term of DICOM (0008,0005), such as ISO_IR 100, or empty"),
    ],
)  # fmt: skip
def test_a_wrong_variable_stops_the_start_with_a_sentence(env, sentence):
    assert refusal(**env) == sentence


def test_a_list_cannot_be_set_by_a_variable():
    assert refusal(WEALD_ARCHIVES__RTK_PACS__AE_TITLES="A,B").startswith("WEALD_ARCHIVES__RTK_PACS__AE_TITLES is no setting")


def test_every_fault_of_a_file_is_told_at_once():
    text = refusal(WEALD_MLLP__GROUP_MAX="0", WEALD_WEB__THREADS="x")
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("[mlpp]\ngroup_max = 1", "mlpp is no setting; did you mean mllp?"),
        ("[mllp]\ngroup_mx = 1", "mllp.group_mx is no setting; did you mean mllp.group_max?"),
        ("[organisations.RXC]", "organisations.RXC.name is missing; give the organisation's name"),
        ("[organisations.rxc]\nname = 'x'", "organisations.rxc is no name for an entry; allowed: an ODS code, 3 to 10 capitals and digits"),
        ("[authorities.X]\nsystem = 'urn:oid:1.2'", "authorities.X.owner is missing; give the ODS code of the organisation that issues its numbers"),
        ("[authorities.X]\nsystem = 'mrn'\nowner='RTK'", "authorities.X.system is 'mrn'; allowed: a URI that begins with http://, https:// or urn:"),
        ("[authorities.X]\nsystem = 'urn:x:1'\nowner='RTK'\ntype='mrn'", "authorities.X.type is 'mrn'; allowed: a type of table v2-0203, 2 to 5 capitals"),
        ("[authorities.X]\nsystem = 'https://site.example/Id/RTK/mrn'\nowner='RTK'", "authorities.RTK.system and authorities.X.system are all 'https://site.example/Id/RTK/mrn'; allowed: a system of its own for each authority; https://fhir.nhs.uk/Id/nhs-number alone may be shared"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'\ncharset='EBCDIC'\ncertificates=['a']", "sources.X.charset is 'EBCDIC'; allowed: ASCII, 8859/1,"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'RTK'\ncertificates=['a']", "two sources have the MSH-3 and MSH-4 patterns '* / RTK'; each may stand once"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'", "sources.X.certificates is empty; production mode knows a feed by its client certificate"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'\ncertificates=['a']\nauthorities={A='Y'}", "sources.X.authorities.A is 'Y'; allowed: a code of [authorities], RTK"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'\ncertificates=['a']\ndefault_authority='Y'", "sources.X.default_authority is 'Y'; allowed: a code of [authorities], RTK"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'\nacknowledgements={AR='AA'}", "sources.X.acknowledgements.AR is 'AA'; allowed: 'AE' or 'AR'"),
        ("[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'\n[sources.X.code_maps.marital]\n", "sources.X.code_maps.marital is no name for an entry; allowed: 'language', "),
        ("[archives.X]\norganisation = 'RTK'\nae_titles=['RTKPACS']", "two archives have the AE title 'RTKPACS'; each may stand once"),
        ("[archives.RTK-PAS]\norganisation = 'RTK'", "sources and archives share the code 'RTK-PAS'; each may stand once"),
        ("[archives.X]\norganisation = 'RTK'\nae_titles='RTKPACS'", "archives.X.ae_titles is 'RTKPACS'; allowed: a list"),
        ("[archives]\nX = 3", "archives.X is 3; allowed: a table"),
        ("[listeners]\nhttp = 8080", 'listeners.http is 8080; allowed: "host:port" or "off"'),
        ("[listeners]\nhttp = '0.0.0.0:443'\nmllp='0.0.0.0:2575'\ndicom = '0.0.0.0:104'\n[proxy]\nterminates_tls = 3", "proxy.terminates_tls is 3; allowed: true or false"),
    ],
)  # fmt: skip
def test_a_wrong_file_stops_the_start_with_a_sentence(tmp_path, extra, sentence):
    assert sentence in refusal(site(tmp_path, extra=extra))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"mode = ", "is not TOML"), (b"\xff", "is not UTF-8")],
)
def test_a_file_that_is_no_toml_is_named(tmp_path, content, sentence):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    assert sentence in refusal(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert refusal(tmp_path / "none.toml").startswith(f"WEALD_CONFIG: the file {tmp_path / 'none.toml'} cannot be read")


def test_a_variable_cannot_pass_through_a_value_of_the_file(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("mode = 'sample'\nmllp = 3")
    assert refusal(path, WEALD_MLLP__GROUP_MAX="3") == "WEALD_MLLP__GROUP_MAX sets mllp.group_max, but mllp in the file is no table"


class TestProductionDoesNotStartOpen:
    """security.md 5, case 22: nothing is open by default."""

    def without(self, folder: Path, *lines: str, **env: str) -> str:
        text = SITE
        for line in lines:
            assert line in text
            text = re.sub(rf"^.*{re.escape(line)}.*$", "", text, flags=re.MULTILINE)
        return refusal(site(folder, text), **env)

    def test_without_a_secret(self, tmp_path):
        assert "id_secret is missing; production mode needs WEALD_ID_SECRET_FILE" in self.without(tmp_path, "id_secret =")

    def test_with_the_published_secret(self, tmp_path):
        assert "id_secret is the published one of the sample" in refusal(site(tmp_path, secret=SAMPLE_ID_SECRET))

    def test_with_a_short_secret_which_is_not_shown(self, tmp_path):
        text = refusal(site(tmp_path, secret="shorty"))
        assert text == "id_secret is too short; allowed: at least 32 characters"

    def test_without_tls(self, tmp_path):
        text = self.without(tmp_path, "private_key =")
        assert "tls.certificate and tls.private_key are missing; production mode needs both for listeners.http" in text
        assert "are needed for listeners.mllp in production mode" in text

    def test_without_client_certificates(self, tmp_path):
        assert "are needed for listeners.mllp in production mode: a feed is known by its client certificate" in self.without(tmp_path, "client_ca =")

    def test_without_issuers_of_tokens(self, tmp_path):
        text = self.without(tmp_path, "[auth.issuers.CIS]", "issuer =", "audience =", "keys =")
        assert text.startswith("auth.issuers is empty; production mode answers only holders of a token")

    def test_with_a_dicom_listener_open_to_others(self, tmp_path):
        text = self.without(tmp_path, "private_key =", WEALD_DICOM="0.0.0.0:104", WEALD_HTTP="off", WEALD_MLLP="off")
        assert text == "listeners.dicom is '0.0.0.0:104'; allowed without tls.certificate and tls.private_key: an address of this machine alone, or off"

    def test_a_declared_proxy_stands_for_tls_of_http(self, tmp_path):
        text = SITE.replace('certificate = "{folder}/pem"\n', "").replace('private_key = "{folder}/pem"\n', "")
        env = {"WEALD_PROXY__TERMINATES_TLS": "true", "WEALD_MLLP": "off"}
        assert load_settings(site(tmp_path, text), env).proxy.terminates_tls

    def test_an_address_for_others_may_be_bound_with_tls(self, tmp_path):
        listener = load_settings(site(tmp_path), {"WEALD_HTTP": "0.0.0.0:443"}).listeners.http
        assert listener is not None
        assert not listener.loopback


def test_settings_cannot_be_changed():
    settings = load_settings(env=SAMPLE)
    with pytest.raises(ValueError, match="frozen"):
        settings.mode = "production"


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("weald.example", False)])  # noqa: S104  # fmt: skip
def test_loopback_is_told_from_other_addresses(host, loopback):
    assert Listener(host=host, port=1).loopback is loopback


class TestExplain:
    def test_shows_what_is_in_force_and_what_is_a_default(self):
        lines = explain(load_settings(env=SAMPLE | {"WEALD_MLLP": "off", "WEALD_WEB__WORKERS": "3"})).splitlines()
        assert "mode = sample" in lines
        assert "listeners.mllp = off" in lines
        assert "web.workers = 3" in lines
        assert "mllp.group_max = 256  # default" in lines
        assert "proxy.terminates_tls = false  # default" in lines
        assert "tls.certificate = (none)  # default" in lines
        assert "sources.RTK-PAS.msh3 = PAS" in lines
        assert "archives.RTK-PACS.ae_titles = [RTKPACS]" in lines

    def test_masks_secrets(self, tmp_path):
        settings = load_settings(site(tmp_path), {"WEALD_STORE": "mongodb://weald:word@db.example/weald"})
        text = explain(settings)
        assert "id_secret = ********" in text.splitlines()
        assert "store = mongodb://********@db.example/weald" in text.splitlines()
        assert SITE_SECRET not in text
        assert "word@" not in text

    def test_shows_maps(self, tmp_path):
        extra = (
            "[sources.X]\norganisation = 'RTK'\nmsh4 = 'X'\ncertificates=['a']\nacknowledgements={AR='AE'}\n"
            "[sources.X.code_maps.religion]\nX = {system='urn:x:1', code='a'}"
        )
        text = explain(load_settings(site(tmp_path, extra=extra), {}))
        assert "sources.X.acknowledgements = {AR = AE}" in text
        assert "sources.X.code_maps = {religion = {X = {system = urn:x:1, code = a, display = }}}" in text


@pytest.mark.parametrize("key", documented_keys())
def test_every_setting_is_documented(key):
    assert f"| `{key}` |" in DOCUMENT, f"docs/settings.md lacks {key}"


def test_the_document_names_no_key_that_is_none():
    assert set(re.findall(r"^\| `([a-z0-9_.<>]+)` \|", DOCUMENT, re.MULTILINE)) <= set(documented_keys())


def test_the_defaults_of_the_document_are_true():
    settings = load_settings(env=SAMPLE)
    stated = dict(re.findall(r"^\| `((?:mllp|web|matching|listeners)\.[a-z_]+)` \| `([^`]+)` \|", DOCUMENT, re.MULTILINE))
    shown = dict(line.removesuffix("  # default").split(" = ", 1) for line in explain(settings).splitlines())
    assert stated == {key: shown[key] for key in stated}
    assert len(stated) > 15


def test_the_example_of_the_document_is_right(tmp_path):
    example = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert example is not None
    tomllib.loads(example[1])
    path = tmp_path / "weald.toml"
    path.write_text(example[1])
    load_settings(path, {"WEALD_MODE": "sample"})
