"""Weald's real doors over one store: a listening MLLP socket, the FHIR interface, the command line's loader."""

import asyncio
import socket
import threading
from dataclasses import dataclass
from functools import partial

import orjson

from app.ingest.adt import receive_failed, receive_group
from app.ingest.configured import save_configured
from app.ingest.load import Loader
from app.mllp.server import server_from_settings
from app.principal import SYSTEM
from app.store.contract import DEAD_LETTER, MESSAGE
from app.web.application import create_app

START, END = b"\x0b", b"\x1c\r"
W = "https://weald.example/fhir"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


def mrn(value, scheme="RTK"):
    """``system|value`` of a trust's local number; RYR has the schemes RYR-west and RYR-brighton."""
    trust, _, part = scheme.partition("-")
    return f"{W}/Id/{trust}/mrn{f'-{part}' if part else ''}|{value}"


@dataclass(frozen=True)
class Answer:
    """An acknowledgement: MSA-1, MSA-2, and ERR-3 of each error."""

    code: str
    control_id: str
    errors: tuple[str, ...]
    text: str


def answer_from_frame(frame):
    segments = [line.split("|") for line in frame.decode("latin-1").split("\r")]
    msa = next(fields for fields in segments if fields[0] == "MSA")
    errors = tuple(fields[3].partition("^")[0] for fields in segments if fields[0] == "ERR" and len(fields) > 3)
    return Answer(msa[1], msa[2] if len(msa) > 2 else "", errors, frame.decode("latin-1"))


class Listener(threading.Thread):
    """The MLLP server of some services, in a thread with its own event loop."""

    def __init__(self, services):
        super().__init__(daemon=True)
        self._services = services
        self._ready = threading.Event()
        self.port = 0

    def run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        failed = partial(receive_failed, self._services, principal=SYSTEM)
        server = server_from_settings(self._services.settings, partial(receive_group, self._services, principal=SYSTEM), failed)
        self.port = await server.start("127.0.0.1", 0)
        self._ready.set()
        await self._end.wait()
        await server.stop()

    def __enter__(self):
        self.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self.join(10)


class Doors:
    """One region: what is sent through the socket, loaded from files, and asked over HTTP."""

    def __init__(self, services, port):
        self.services = services
        self.port = port
        save_configured(services)
        self._http = create_app(services).test_client()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._read = b""

    def close(self):
        self._socket.close()

    def send(self, message):
        """One message through the socket; its answer."""
        self._socket.sendall(START + message + END)
        while END not in self._read:
            data = self._socket.recv(65536)
            assert data, "the listener closed the connection without an answer"
            self._read += data
        frame, _, self._read = self._read.partition(END)
        return answer_from_frame(frame.lstrip(START))

    def accept(self, *messages):
        """Messages that must be acknowledged AA."""
        for message in messages:
            answer = self.send(message)
            assert answer.code == "AA", answer.text

    def load(self, *paths, source=None):
        """What the loader reports of these files."""
        return Loader(self.services, SYSTEM, source).load(paths)

    def ask(self, path):
        """GET under /fhir, as (status, JSON)."""
        response = self._http.get(path if path.startswith("/fhir/") else f"/fhir/{path}")
        return response.status_code, orjson.loads(response.data)

    def get(self, path):
        status, body = self.ask(path)
        assert status == 200, body
        return body

    def found(self, query):
        """The matches of a search, all pages, in order."""
        bundle, found = self.get(query), []
        while True:
            found += [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                return found
            bundle = self.get("/fhir/" + following[0].split("/fhir/")[1])

    def patients(self, identifier):
        return self.found(f"Patient?identifier={identifier}")

    def patient(self, identifier):
        """The one record in force that holds the identifier."""
        active = [one for one in self.patients(identifier) if one["active"]]
        assert len(active) == 1, [one["id"] for one in active]
        return active[0]

    def record(self, identifier):
        """The one record, in force or replaced, that holds the identifier as its own."""
        own = [one for one in self.patients(identifier) if any(f"{i['system']}|{i['value']}" == identifier and i.get("use") != "old" for i in one["identifier"])]
        assert len(own) == 1, [one["id"] for one in own]
        return own[0]

    def golden(self, patient):
        """The golden patient of a source patient, by the Linkage-free way: the only golden one that links to it."""
        found = [one for one in self.found(f"Patient?_tag={W}/CodeSystem/record-class|golden&link=Patient/{patient['id']}") if one["active"]]
        assert len(found) == 1, [one["id"] for one in found]
        return found[0]

    def tasks(self, kind=None):
        """Open review items, of one kind if given."""
        code = f"&code={W}/CodeSystem/review|{kind}" if kind else ""
        return self.found(f"Task?status=requested{code}")

    def studies(self, identifier):
        return self.found(f"ImagingStudy?patient.identifier={identifier}")

    def kept(self, kind):
        with self.services.store.snapshot(SYSTEM) as snapshot:
            return [(orjson.loads(head), raw) for _, body in snapshot.scan(kind, limit=100_000) for head, _, raw in [body.partition(b"\n")]]

    def dead_letters(self):
        """(head, raw bytes) of each dead letter, in order."""
        return self.kept(DEAD_LETTER)

    def messages(self):
        return self.kept(MESSAGE)

    def versions(self):
        """How many versions there are of each resource but the review items and configured ones."""
        with self.services.store.snapshot(SYSTEM) as snapshot:
            return {(one.type, one.id): one.version for one in reversed(snapshot.history(limit=100_000))}
