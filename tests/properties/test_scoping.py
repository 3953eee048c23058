"""What a caller is answered holds nothing that only trusts it may not see hold (security.md 1, fhir.md 3).

A small region of three trusts is drawn: records, merges, stewards' links and unlinks, studies, some at two archives. Then
every caller that sees some of the trusts asks all it can, also about what it may not see: that is as if it did not exist.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import combinations, count
from unittest import mock

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.errors import WealdError
from app.ingest import dicom
from app.ingest.adt import receive_group
from app.ingest.configured import save_configured
from app.ingest.stewardship import act
from app.principal import SYSTEM, Principal
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import RECORD, STUDY
from app.web import application
from mappers.dicom.dataset import facts_from_bytes
from tests.contract.mongo_server import database_uri
from tests.flow.doors import NHS_NUMBER, mrn
from tests.flow.images import ROOT, image
from tests.flow.messages import ALICE, ANNA, BEA, NUMBERS, adt, cx, mrg, pid

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRUSTS = ("RTK", "RXC", "RPC")
PEOPLE = {"alice": ALICE, "anna": ANNA, "bea": BEA}
CALLERS = [frozenset(seen) for size in range(len(TRUSTS) + 1) for seen in combinations(TRUSTS, size)]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
TYPES = ("Patient", "ImagingStudy", "Linkage", "Provenance", "Task")
EXAMPLES = count()

trust, person, turn = st.sampled_from(TRUSTS), st.sampled_from(sorted(PEOPLE)), st.integers(0, 1)
place = st.integers(0, 11)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), trust, person, turn),
        st.tuples(st.just("study"), trust, person, st.integers(1, 3)),
        st.tuples(st.just("merge"), trust, person, st.just(0)),
        st.tuples(st.sampled_from(["link", "unlink"]), place, place, st.just(0)),
        st.tuples(st.just("undo"), place, st.just(0), st.just(0)),
    ),
    max_size=14,
)
ALWAYS = [("admit", trust, "alice", 0) for trust in TRUSTS] + [("study", "RTK", "alice", 1), ("study", "RXC", "alice", 1), ("study", "RPC", "alice", 2)]
"""Alice is at each trust, one person by her number; one study is at two archives."""


class Region:
    """Weald over one store, and which trusts hold each word, number and id that must not get out."""

    def __init__(self, uri, folder):
        seconds = count()
        self.services = services_from_settings(load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": uri}), clock=lambda: START + timedelta(seconds=next(seconds)))
        save_configured(self.services)
        self.folder = folder
        self.held = defaultdict(set)
        self.numbers = set()
        self.archives = defaultdict(set)
        self.decisions = []
        self.http = application.create_app(self.services).test_client()

    # what happens

    def take(self, step):
        action, first, second, third = step
        {"admit": self.admit, "study": self.study, "merge": self.merge}.get(action, lambda *_: self.decide(action, first, second))(first, second, third)

    def _send(self, message, trust, control_id):
        self.held[control_id].add(trust)
        assert b"MSA|A" in receive_group(self.services, [message], SYSTEM)[0][0]

    def admit(self, trust, person, turn):
        """A record with a middle name, a street and a number that no other trust has."""
        own, who = f"{trust}{person}{turn}".upper(), PEOPLE[person]
        middle, street, control_id = f"Mid{own}".capitalize(), f"{own} COTTAGE", f"MSG{own}"
        for word in (own, middle, street):
            self.held[word].add(trust)
        name = who[5].split("^")
        fields = {**who, 5: "^".join([*name[:2], middle, *name[3:]]), 11: f"{street}^{who[11]}"}
        message = adt("A28", pid(cx(own, trust), number=NUMBERS[person], who=fields), trust=trust, control_id=control_id)
        self._send(message, trust, control_id)
        self.numbers.update((mrn(own, trust), f"{NHS_NUMBER}|{NUMBERS[person]}"))

    def merge(self, trust, person, _):
        own, control_id = f"{trust}{person}".upper(), f"MSGMERGE{trust}{person}".upper()
        message = adt("A40", pid(cx(f"{own}0", trust), who=PEOPLE[person]), mrg(cx(f"{own}1", trust)), trust=trust, control_id=control_id, at="20250401120000")
        self._send(message, trust, control_id)
        for number in (f"{own}0", f"{own}1"):
            self.held[number].add(trust)
            self.numbers.add(mrn(number, trust))

    def study(self, trust, person, number):
        """An instance of the study at the trust's archive, in a series of its own, under an accession number of its own."""
        own, archive = f"{trust}{person}0".upper(), f"{trust}-PACS"
        series, accession = f"{TRUSTS.index(trust) + 1}{sorted(PEOPLE).index(person) + 1}", f"ACC{trust}{number}"
        path = image(self.folder / trust, patient=own, study=number, series=series, AccessionNumber=accession)
        dicom.receive(self.services, [facts_from_bytes(path.read_bytes(), self.services.sources.contexts()[archive])], SYSTEM)
        for word in (own, accession, f"{ROOT}.{number}.{series}"):
            self.held[word].add(trust)
        self.numbers.add(mrn(own, trust))
        self.archives[number].add((trust, f"{ROOT}.{number}.{series}"))

    def decide(self, action, first, second):
        """A steward's decision; one that is refused is none."""
        with self.services.store.snapshot(SYSTEM) as snapshot:
            held = [key for key, _ in snapshot.scan(RECORD)]
        about = (held[first % len(held)], held[second % len(held)]) if action != "undo" else (self.decisions[first % len(self.decisions)],) if self.decisions else None
        try:
            decided = act(self.services, SYSTEM, "jo", "A walk.", action, *about) if about else None
        except WealdError:
            return
        self.decisions += [decided.provenance] if decided else []

    def shown(self, number):
        """The studies of that number as a caller finds them who sees all."""
        _, text, _ = self.ask(f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{ROOT}.{number}")
        return orjson.loads(text)["entry"]

    # what must stay hidden

    def learn_ids(self):
        """The id of each record and person is held by the trusts of the records that ever were it; that of a study, by its archives."""
        with self.services.store.snapshot(SYSTEM) as snapshot:
            heads = [orjson.loads(body.partition(b"\n")[0]) for _, body in snapshot.scan(RECORD)]
            for head in heads:
                for id in {head["id"], head["person"], head["birth_person"], *head["former"]}:
                    self.held[id].add(head["organisation"])
            for _, body in snapshot.scan(STUDY):
                document = orjson.loads(body)
                trusts = {key.partition("|")[0] for key in document["keys"]}
                for id in (*document["published"], *document["parts"]):
                    self.held[id] |= trusts
            self.versions = {(one.type, one.id, one.version) for type in TYPES for one in snapshot.history(type, limit=10_000)}
        self.records = sorted(head["id"] for head in heads)

    def hidden_from(self, seen):
        return sorted(word for word, trusts in self.held.items() if not trusts & seen)

    # what is asked

    def ask(self, path, body=None):
        """(status, text) of a request under /fhir; the request has always the same id."""
        headers = {"X-Request-ID": "same"} | ({"Content-Type": "application/fhir+json"} if body else {})
        response = self.http.post(f"/fhir/{path}", data=body, headers=headers) if body else self.http.get(f"/fhir/{path}", headers=headers)
        assert response.status_code < 500, path
        return response.status_code, response.text, response.headers.get("ETag")

    def questions(self):
        """Requests, each as what it names (``None``: nothing) and how it is asked."""
        ids = sorted({(type, id) for type, id, _ in self.versions})
        yield from ((None, (path,)) for type in TYPES for path in (type, f"{type}/_history", f"{type}?_sort=-_lastUpdated&_summary=true"))
        yield from ((None, (path,)) for path in ("_history", "ImagingStudy?_include=ImagingStudy:patient", "Patient?_revinclude=ImagingStudy:patient", "Patient?name=h"))
        for type, id, version in sorted(self.versions):
            yield id, (f"{type}/{id}/_history/{version}",)
        for type, id in ids:
            yield from ((id, (path,)) for path in (f"{type}/{id}", f"{type}/{id}/_history", f"{type}?_id={id}"))
        for id in (id for type, id in ids if type == "Patient"):
            yield id, (f"ImagingStudy?patient={id}&-min-grade=possible&_include=ImagingStudy:patient",)
            yield id, (f"Patient/{id}/ImagingStudy",)
            yield from ((id, (path,)) for path in (f"Linkage?item=Patient/{id}", f"Task?patient={id}", f"Provenance?target=Patient/{id}", f"Patient?link=Patient/{id}"))
            yield from ((id, (f"Patient/{id}/$explain?other={other}",)) for other in self.records[:4])
        for number in sorted(self.numbers):
            system, _, value = number.partition("|")
            yield value, (f"Patient?identifier={number}&_revinclude=ImagingStudy:patient",)
            yield value, (f"ImagingStudy?patient.identifier={number}&-min-grade=possible",)
            yield value, ("Patient/$match", orjson.dumps({"resourceType": "Patient", "identifier": [{"system": system, "value": value}]}))
        for name, birth_date in (("Hollis", "1970-01-15"), ("Marsh", "1985-06-30")):
            yield None, ("Patient/$match", orjson.dumps({"resourceType": "Patient", "name": [{"family": name}], "birthDate": birth_date}))


def unknown(word):
    """Another id or number of the same form that nobody has."""
    return UNKNOWN if len(word) == len(UNKNOWN) else "Q" * len(word)


def replaced(question, word):
    return tuple(part.replace(word.encode(), unknown(word).encode()) if isinstance(part, bytes) else part.replace(word, unknown(word)) for part in question)


def check(region, seen):
    """Ask as a caller who sees these trusts."""
    caller, hidden = Principal("someone", organisations=seen), region.hidden_from(seen)
    with mock.patch.object(application, "principal_for", return_value=caller):
        for word, question in region.questions():
            status, text, tag = region.ask(*question)
            if word in hidden:
                other = region.ask(*replaced(question, word))
                assert (status, text.replace(word, unknown(word)), tag) == other, (seen, question)
                text = text.replace(word, "")
            found = [one for one in hidden if one in text]
            assert not found, (sorted(seen), question, found)
        for number, archives in region.archives.items():
            status, text, _ = region.ask(f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{ROOT}.{number}")
            shown = [entry["resource"] for entry in orjson.loads(text).get("entry", [])]
            series = sorted(one["uid"] for study in shown for one in study["series"])
            assert series == sorted({series for trust, series in archives if trust in seen}), (sorted(seen), number)


def run(uri, folder, steps, callers):
    region = Region(uri, folder)
    for step in [*ALWAYS, *steps]:
        region.take(step)
    region.learn_ids()
    for seen in callers:
        check(region, seen)
    region.services.store.close()


def engine_uri(engine, folder):
    return f"sqlite:///{folder / 'weald.db'}" if engine == "sqlite" else database_uri(folder)


def form(examples):
    return settings(
        max_examples=examples, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip


def test_the_region_has_a_person_of_three_trusts_and_a_study_of_two(tmp_path):
    region = Region(engine_uri("sqlite", tmp_path), tmp_path)
    for step in ALWAYS:
        region.take(step)
    region.learn_ids()
    both = [id for type, id, _ in region.versions if type == "ImagingStudy" and len(region.held[id]) == 2]
    check(region, frozenset(TRUSTS))
    assert len(region.shown(1)) == 1
    persons = [id for type, id, _ in region.versions if type == "Patient" and region.held[id] == set(TRUSTS)]
    assert both
    assert persons
    region.services.store.close()


@form(6)
@given(steps)
def test_no_answer_holds_what_only_hidden_trusts_hold(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("scoping")
    run(engine_uri("sqlite", folder), folder, steps, CALLERS[:-1])


@form(1)
@given(steps, st.sampled_from(CALLERS[1:-1]))
def test_the_engine_past_one_machine_hides_the_same(tmp_path_factory, steps, seen):
    folder = tmp_path_factory.mktemp("scoping")
    run(engine_uri("mongo", folder), folder, steps, [seen])


@pytest.mark.long
@pytest.mark.parametrize("engine", ["mongo", "sqlite"])
@form(100)
@given(steps)
def test_no_answer_of_many_holds_what_only_hidden_trusts_hold(tmp_path_factory, engine, steps):
    folder = tmp_path_factory.mktemp("scoping")
    run(engine_uri(engine, folder), folder, steps, CALLERS[:-1])
