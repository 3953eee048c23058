"""The shape of the settings, one field a key, and the rules between keys. ``app.settings`` reads them in."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from mappers.context import NHS_NUMBER
from mappers.dicom.charset import charset_from_terms
from mappers.hl7v2.charsets import CODECS

SAMPLE_ID_SECRET = "weald-sample-region-id-secret-published-for-everyone"  # noqa: S105  (published: sample ids are the same everywhere)
MIN_SECRET = 32


class Table(BaseModel):
    """A table of the file: frozen, and no key but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Listener(Table):
    """Where a listener binds."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listener(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('allowed: "host:port" or "off"')  # noqa: TRY004  (pydantic turns only ValueError into a fault)
    if value == "off":
        return None
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.\-]+)):(\d{1,5})", value)
    if not found or int(found[3]) > 65535:
        raise ValueError('allowed: "host:port" with a port up to 65535, or "off"')
    return Listener(host=found[1] or found[2], port=int(found[3]))


def _matching(pattern: str, allowed: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"allowed: {allowed}")
        return value

    return AfterValidator(check)


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError("allowed: a time zone of the IANA database, such as Europe/London") from None
    return value


def _feed_charset(value: str) -> str:
    if value.upper() not in CODECS:
        raise ValueError(f"allowed: {', '.join(CODECS)}")
    return value.upper()


def _archive_charset(value: str) -> str:
    if charset_from_terms(value).unknown:
        raise ValueError("allowed: a defined term of DICOM (0008,0005), such as ISO_IR 100, or empty")
    return value


def _readable(value: Path) -> Path:
    if not value.is_file():
        raise ValueError("allowed: the path of a file that exists")
    return value


Code = Annotated[str, _matching(r"[A-Z0-9][A-Z0-9\-]{0,31}", "up to 32 capitals, digits and hyphens")]
OdsCode = Annotated[str, _matching(r"[A-Z0-9]{3,10}", "an ODS code, 3 to 10 capitals and digits")]
Url = Annotated[str, _matching(r"https?://[^\s/?#]+(/[^\s?#]*)?(?<!/)", "an http or https URL without a slash at its end")]
SystemUri = Annotated[str, _matching(r"(https?://|urn:)\S+", "a URI that begins with http://, https:// or urn:")]
StoreUrl = Annotated[str, _matching(r"sqlite:///\S.*|mongodb(\+srv)?://\S+", "sqlite:///path, mongodb://... or mongodb+srv://...")]
AeTitle = Annotated[str, _matching(r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?", "an AE title, up to 16 characters without backslash")]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Bind = Annotated[Listener | None, BeforeValidator(_listener)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
TypeCode = Annotated[str, _matching(r"[A-Z]{2,5}", "a type of table v2-0203, 2 to 5 capitals")]
CodedField = Literal["language", "maritalStatus", "religion", "citizenship", "ethnicCategory", "relationship"]
AddedField = Literal["name", "name.alias", "address", "telecom.home", "telecom.work", "contact"]
Namespaces = Mapping[str, Code]
LONDON = "Europe/London"


def _key(description: str, default: Any = ..., **bounds: Any) -> Any:
    """A field; ``description`` ends the sentence "give ..." where the key is missing."""
    return Field(default, description=description, **bounds)


class Organisation(Table):
    name: str = _key("the organisation's name", min_length=1)


class AssigningAuthority(Table):
    system: SystemUri = _key("the FHIR identifier system of its numbers")
    type: TypeCode = _key("the v2-0203 type of its numbers", "MR")
    owner: OdsCode | None = _key("the ODS code of the organisation that issues its numbers", None)
    namespaces: tuple[str, ...] = _key("the namespaces and universal ids by which every source names it", ())


class MessageLimits(Table):
    """The largest message of a feed (hl7v2.md 6, Limits)."""

    size: int = _key("bytes", 1 << 20, ge=1024, le=64 << 20)
    segments: int = _key("segments", 500, ge=2, le=1_000_000)
    repeats: int = _key("repeats of a field", 100, ge=1, le=1_000_000)


class CodeMapping(Table):
    system: SystemUri = _key("the code system")
    code: str = _key("the code in that system", min_length=1)
    display: str = _key("the display of the code", "")


class Feed(Table):
    """One feed of HL7 v2 messages (hl7v2.md 2, per-source policy)."""

    organisation: OdsCode = _key("the ODS code of an organisation of this file")
    msh3: str = _key("the pattern of MSH-3, sending application", "*", min_length=1)
    msh4: str = _key("the pattern of MSH-4, sending facility", min_length=1)
    certificates: tuple[str, ...] = _key("the SHA-256 fingerprints or subject alternative names of its client certificates", ())
    authorities: Namespaces = _key("the authority of each namespace this feed alone sends", {})
    default_authority: Code | None = _key("the authority of identifiers sent without one", None)
    type_synonyms: Mapping[str, TypeCode] = _key("the v2-0203 type of each type this feed sends", {})
    pairing: Literal["auto", "positional", "type-authority"] = _key("how PID-3 and MRG-1 pair", "auto")
    unpaired: Literal["keep", "retire"] = _key("what becomes of an identifier of MRG-1 without a pair", "keep")
    snapshot_add: tuple[AddedField, ...] = _key("the fields whose repeats add to earlier ones", ())
    store_only: tuple[str, ...] = _key("the triggers that are kept without effect", ())
    charset: Annotated[str, AfterValidator(_feed_charset)] = _key("the character set where MSH-18 is empty", "ASCII")
    tolerate_utf8: bool = _key("whether UTF-8 that is declared 8859/x is read as UTF-8", default=False)
    time_zone: TimeZone = _key("the time zone of times without offset", LONDON)
    rank: int = _key("the rank among sources, the smallest first", 100, ge=0, le=100_000)
    code_maps: Mapping[CodedField, Mapping[str, CodeMapping]] = _key("the coding of each code this feed sends, by field", {})
    death_dispositions: tuple[str, ...] = _key("the PV1-36 codes by which a discharge says that the patient died", ())
    death_time_from_discharge: bool = _key("whether that death is dated by PV1-45", default=False)
    acknowledgements: Mapping[Literal["AE", "AR"], Literal["AE", "AR"]] = _key("the code answered instead of AE or AR", {})
    limits: MessageLimits = _key("the largest message", MessageLimits())


class Archive(Table):
    """One archive of images: a PACS or VNA (imaging.md, Source)."""

    organisation: OdsCode = _key("the ODS code of an organisation of this file")
    ae_titles: tuple[AeTitle, ...] = _key("the AE titles by which it names itself", ())
    dicomweb_base: Url | None = _key("the base URL of its DICOMweb service", None)
    authorities: Namespaces = _key("the authority of each issuer this archive alone names", {})
    default_authority: Code | None = _key("the authority of a PatientID without issuer", None)
    accession_system: SystemUri | None = _key("the identifier system of its accession numbers", None)
    study_id_system: SystemUri | None = _key("the identifier system of its study ids", None)
    charset: Annotated[str, AfterValidator(_archive_charset)] = _key("the character set of undeclared text", "")
    time_zone: TimeZone = _key("the time zone of times without offset", LONDON)
    rank: int = _key("the rank among sources, the smallest first", 100, ge=0, le=100_000)
    restores_quality: bool = _key("whether an instance rejected for its quality is shown once it is sent again", default=False)


class Listeners(Table):
    http: Bind = _key("host:port or off", Listener(host="127.0.0.1", port=8080))
    mllp: Bind = _key("host:port or off", Listener(host="127.0.0.1", port=2575))
    dicom: Bind = _key("host:port or off", Listener(host="127.0.0.1", port=11112))
    ae_title: AeTitle = _key("the AE title of the DICOM listener", "WEALD")


class Tls(Table):
    certificate: ReadableFile | None = _key("the PEM file of the server's certificate chain", None)
    private_key: ReadableFile | None = _key("the PEM file of its private key", None)
    client_ca: ReadableFile | None = _key("the PEM file of the authorities whose client certificates are accepted", None)


class Proxy(Table):
    terminates_tls: bool = _key("whether a proxy in front of HTTP terminates TLS", default=False)


class TokenIssuer(Table):
    """Who issues the access tokens that the API accepts (security.md 2)."""

    issuer: Url = _key("the iss of its tokens")
    audience: str = _key("the aud that its tokens must have", min_length=1)
    keys: ReadableFile = _key("the file of its public keys, a JWK set")


class Auth(Table):
    issuers: Mapping[Code, TokenIssuer] = _key("the issuers of access tokens", {})


class Web(Table):
    workers: int = _key("processes that answer HTTP", 2, ge=1, le=256)
    threads: int = _key("threads in each of them", 2, ge=1, le=256)


class Mllp(Table):
    """The MLLP listener (hl7v2.md 6)."""

    group_max: int = _key("the most messages that share a commit", 256, ge=1, le=10_000)
    group_window_ms: float = _key("how long a group waits for messages of other connections", 2, ge=0, le=1000)
    unanswered: int = _key("the unanswered messages of a connection at which reading stops", 64, ge=1, le=10_000)
    queue: int = _key("the unanswered messages of all connections at which reading stops", 2048, ge=1, le=1_000_000)
    buffer_size: int = _key("the bytes of messages, unfinished and unanswered, held in memory", 64 << 20, ge=1 << 20)
    connections: int = _key("connections in all", 256, ge=1, le=65_536)
    connections_per_source: int = _key("connections of one source", 16, ge=1, le=65_536)
    idle_seconds: float = _key("the idle time after which a connection gives way to a new one", 60, gt=0)
    keepalive_seconds: int = _key("the idle time after which TCP asks whether the peer lives", 60, ge=1, le=32_767)
    unfinished_seconds: float = _key("how long a message may stand unfinished without progress", 30, gt=0)
    drain_seconds: float = _key("how long a stop waits for the answers of what is being committed", 30, ge=0, le=30)
    head_size: int = _key("the bytes kept of a message that is over size", 65_536, ge=1024, le=1 << 20)


class Matching(Table):
    model: ReadableFile | None = _key("the file of a trained model", None)
    limit_ms: int = _key("the milliseconds after which the matching of a message is left to the slow lane", 25, ge=1, le=600_000)
    review_budget: int = _key("the possible links a day that stewards are asked about", 50, ge=0, le=1_000_000)
    list_entries: int = _key("the records that a do-not-link List may have", 20, ge=2, le=100)


class Load(Table):
    """What ``weald load`` keeps of what it rejects. A document of MongoDB holds 16 MiB."""

    kept_size: int = _key("the bytes kept of a rejected file", 8 << 20, ge=1024, le=15 << 20)


class Settings(Table):
    """All settings. ``app.settings.load_settings`` makes them."""

    mode: Literal["sample", "production"] = _key("sample or production", "production")
    store: StoreUrl = _key("the store's URL", "sqlite:///var/weald.db")
    work_folder: Path | None = _key("the folder of what Weald keeps beside the store", None)
    canonical_base: Url = _key("the base of the names that this site gives", "https://weald.example/fhir")
    id_secret: SecretStr | None = _key("the secret that resource ids are made with", None)
    default_source: Code | None = _key("the archive of DICOM files that name none", None)
    listeners: Listeners = _key("the listeners", Listeners())
    tls: Tls = _key("the certificates", Tls())
    proxy: Proxy = _key("the proxy in front", Proxy())
    auth: Auth = _key("who may ask", Auth())
    web: Web = _key("the HTTP server", Web())
    mllp: Mllp = _key("the MLLP listener", Mllp())
    matching: Matching = _key("the matcher", Matching())
    load: Load = _key("the loader", Load())
    organisations: Mapping[OdsCode, Organisation] = _key("the organisations by ODS code", {})
    authorities: Mapping[Code, AssigningAuthority] = _key("the assigning authorities by code", {})
    sources: Mapping[Code, Feed] = _key("the HL7 v2 feeds by code", {})
    archives: Mapping[Code, Archive] = _key("the archives of images by code", {})

    @property
    def beside_store(self) -> Path:
        """The folder of what Weald keeps beside the store: that of the SQLite file, or var, where none is set."""
        if self.work_folder is not None:
            return self.work_folder
        return Path(self.store.removeprefix("sqlite:///")).parent if self.store.startswith("sqlite:///") else Path("var")

    @property
    def counts_folder(self) -> Path:
        """The folder in which the processes of one service put their numbers together."""
        name = Path(self.store).name if self.store.startswith("sqlite:///") else "weald"
        return self.beside_store / f"{name}.counts"

    @property
    def admit_test_numbers(self) -> bool:
        """Whether NHS numbers of the test range count (nhs.md 2): in sample mode only."""
        return self.mode == "sample"

    @property
    def http_has_tls(self) -> bool:
        """Whether HTTP itself speaks TLS: in production mode, unless a proxy in front terminates it."""
        return self.mode == "production" and not self.proxy.terminates_tls

    @property
    def id_secret_bytes(self) -> bytes:
        """The secret of resource ids; the published one in sample mode where none is set."""
        return (self.id_secret.get_secret_value() if self.id_secret else SAMPLE_ID_SECRET).encode()


def problems(settings: Settings) -> list[str]:
    """What is wrong between keys, a sentence each; empty where nothing is."""
    found = [*_references(settings), *_doubles(settings)]
    return found + list(_sample_rules(settings) if settings.mode == "sample" else _production_rules(settings))


def _unknown(key: str, value: str, known: Iterable[str], table: str) -> Iterator[str]:
    names = sorted(known)
    if value not in names:
        yield f"{key} is {value!r}; allowed: a code of [{table}], {' or '.join(names) if names else 'which is empty'}"


def _references(settings: Settings) -> Iterator[str]:
    organisations, authorities = settings.organisations, settings.authorities
    for code, authority in authorities.items():
        if authority.owner is not None:
            yield from _unknown(f"authorities.{code}.owner", authority.owner, organisations, "organisations")
        elif authority.system != NHS_NUMBER:
            yield f"authorities.{code}.owner is missing; give the ODS code of the organisation that issues its numbers"
    for table, entries in (("sources", settings.sources), ("archives", settings.archives)):
        for code, source in entries.items():
            yield from _unknown(f"{table}.{code}.organisation", source.organisation, organisations, "organisations")
            if source.default_authority is not None:
                yield from _unknown(f"{table}.{code}.default_authority", source.default_authority, authorities, "authorities")
            for namespace, authority_code in source.authorities.items():
                yield from _unknown(f"{table}.{code}.authorities.{namespace}", authority_code, authorities, "authorities")
    if settings.default_source is not None:
        yield from _unknown("default_source", settings.default_source, settings.archives, "archives")


def _doubles(settings: Settings) -> Iterator[str]:
    """Names that would leave open which entry is meant."""
    yield from _shared_systems(settings)
    named = [
        ("sources and archives share the code", [*settings.sources, *settings.archives]),
        ("two sources have the MSH-3 and MSH-4 patterns", [f"{one.msh3.upper()} / {one.msh4.upper()}" for one in settings.sources.values()]),
        ("two archives have the AE title", [title for one in settings.archives.values() for title in one.ae_titles]),
        ("two authorities have the namespace", [name.upper() for one in settings.authorities.values() for name in one.namespaces]),
    ]
    for sentence, values in named:
        yield from (f"{sentence} {value!r}; each may stand once" for value, times in Counter(values).items() if times > 1)


def _shared_systems(settings: Settings) -> Iterator[str]:
    """Systems of several authorities: number 123 of two trusts would be one person's (imaging.md 2.1, never one system for all sources)."""
    holders: dict[str, list[str]] = {}
    for code, authority in settings.authorities.items():
        if authority.system != NHS_NUMBER:
            holders.setdefault(authority.system, []).append(f"authorities.{code}.system")
    for system, keys in holders.items():
        if len(keys) > 1:
            yield f"{' and '.join(keys)} are all {system!r}; allowed: a system of its own for each authority; {NHS_NUMBER} alone may be shared"


def _bound(settings: Settings) -> Iterator[tuple[str, Listener]]:
    for name in ("http", "mllp", "dicom"):
        listener = getattr(settings.listeners, name)
        if listener is not None:
            yield f"listeners.{name}", listener


def _sample_rules(settings: Settings) -> Iterator[str]:
    for key, listener in _bound(settings):
        if not listener.loopback:
            yield f"{key} is '{listener}'; allowed in sample mode: an address of this machine alone, such as 127.0.0.1:{listener.port}, or off"


def _production_rules(settings: Settings) -> Iterator[str]:
    """Production does not start open (security.md 5, case 22; hl7v2.md 6, Security)."""
    yield from _secret_rules(settings.id_secret)
    tls, listeners = settings.tls, settings.listeners
    has_tls = tls.certificate is not None and tls.private_key is not None
    if listeners.http is not None and not settings.auth.issuers:
        yield "auth.issuers is empty; production mode answers only holders of a token: give an issuer with its audience and keys, or set listeners.http off"
    if listeners.http is not None and not (has_tls or settings.proxy.terminates_tls):
        yield (
            "tls.certificate and tls.private_key are missing; production mode needs both for listeners.http, "
            "or proxy.terminates_tls = true where a proxy in front terminates TLS"
        )
    if listeners.mllp is not None and not (has_tls and tls.client_ca is not None):
        yield "tls.certificate, tls.private_key and tls.client_ca are needed for listeners.mllp in production mode: a feed is known by its client certificate"
    if listeners.mllp is not None:
        for code, feed in settings.sources.items():
            if not feed.certificates:
                yield f"sources.{code}.certificates is empty; production mode knows a feed by its client certificate: give its fingerprint or subject alternative name"
    if listeners.dicom is not None and not (listeners.dicom.loopback or has_tls):
        yield f"listeners.dicom is '{listeners.dicom}'; allowed without tls.certificate and tls.private_key: an address of this machine alone, or off"


def _secret_rules(secret: SecretStr | None) -> Iterator[str]:
    value = secret.get_secret_value() if secret else ""
    if not value:
        yield "id_secret is missing; production mode needs WEALD_ID_SECRET_FILE, a file with at least 32 random characters that is kept for ever"
    elif value == SAMPLE_ID_SECRET:
        yield "id_secret is the published one of the sample; production mode needs a secret of this site"
    elif len(value) < MIN_SECRET:
        yield f"id_secret is too short; allowed: at least {MIN_SECRET} characters"
