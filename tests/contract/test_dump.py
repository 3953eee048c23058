"""The dump: everything durable, in an order and form that two stores can be compared by."""

from __future__ import annotations

from app.principal import SYSTEM
from app.search.criteria import Entries
from app.store.contract import RECORD, SETTING, Store, Transaction
from tests.contract.conftest import NewStore
from tests.contract.making import applied, content, deleting, saving, token

ENTRIES = Entries(
    tokens=(("gender", "", "female"), ("identifier", "urn:nhs", "1")),
    strings=(("family", "smith", "Smith"), ("family", "smith", "SMITH"), ("family", "smith", "Šmith")),
    dates=(("birthdate", 0, 10),),
    references=(("organization", "Organization/rtk"),),
    typed=(("identifier", "urn:v2", "mr", "1"),),
    texts=(("language", "english"),),
)


def changes() -> list[object]:
    def documents(tx: Transaction) -> None:
        tx.put(SETTING, "b", b"2")
        tx.put(RECORD, "é", b"\n\x00", {"identifier": ["2", "1"], "person": []})
        tx.put_blocks(tx.next_number("record"), [5, -5], b"\xffpacked")

    def study(tx: Transaction) -> None:
        full, short = content("ImagingStudy", "ct", series=[1, 2]), content("ImagingStudy", "ct")
        tx.save("ImagingStudy", "ct", full, Entries(), custodian=None, summary=short)

    return [saving("Patient", "alice", ENTRIES), documents, study, saving("Patient", "anna"), deleting("Patient", "anna"), saving("Patient", "alice", ENTRIES, n=2)]


DUMP = [
    ("blocks", "00000000000000000001", b"[-5,5]\n\xffpacked"),
    ("document/record", "é", b'{"identifier":["1","2"]}\n\n\x00'),
    ("document/setting", "b", b"{}\n2"),
    ("entries/ImagingStudy", "ct", b"{}"),
    (
        "entries/Patient", "alice",
        '{"dates":[["birthdate",0,10]],"exact":[["family","SMITH"],["family","Smith"],["family","Šmith"]],'
        '"references":[["organization","Organization/rtk"]],"strings":[["family","smith"]],"texts":[["language","english"]],'
        '"tokens":[["gender","","female"],["identifier","urn:nhs","1"]],"typed":[["identifier","urn:v2","mr","1"]]}'.encode(),
    ),
    ("number", "record", b"1"),
    (
        "resource/ImagingStudy", "ct/0000000001",
        (b'{"custodian":null,"deleted":false,"last_updated":"2026-01-01T12:00:00.000Z","summary":true}\n'
        b'{"resourceType":"ImagingStudy","id":"ct","meta":{"versionId":"1","lastUpdated":"2026-01-01T12:00:00.000Z"}}\n'
        b'{"resourceType":"ImagingStudy","id":"ct","meta":{"versionId":"1","lastUpdated":"2026-01-01T12:00:00.000Z"},"series":[1,2]}'),
    ),
    (
        "resource/Patient", "alice/0000000001",
        (b'{"custodian":"RTK","deleted":false,"last_updated":"2026-01-01T12:00:00.000Z","summary":false}\n\n'
        b'{"resourceType":"Patient","id":"alice","meta":{"versionId":"1","lastUpdated":"2026-01-01T12:00:00.000Z"}}'),
    ),
    (
        "resource/Patient", "alice/0000000002",
        (b'{"custodian":"RTK","deleted":false,"last_updated":"2026-01-01T12:00:00.002Z","summary":false}\n\n'
        b'{"resourceType":"Patient","id":"alice","meta":{"versionId":"2","lastUpdated":"2026-01-01T12:00:00.002Z"},"n":2}'),
    ),
    (
        "resource/Patient", "anna/0000000001",
        (b'{"custodian":"RTK","deleted":false,"last_updated":"2026-01-01T12:00:00.000Z","summary":false}\n\n'
        b'{"resourceType":"Patient","id":"anna","meta":{"versionId":"1","lastUpdated":"2026-01-01T12:00:00.000Z"}}'),
    ),
    (
        "resource/Patient", "anna/0000000002",
        b'{"custodian":"RTK","deleted":true,"last_updated":"2026-01-01T12:00:00.001Z","summary":false}\n\n',
    ),
]  # fmt: skip


def test_the_dump_has_everything_in_its_order_and_form(store: Store) -> None:
    applied(store, *changes()[:4])
    applied(store, changes()[4])
    applied(store, changes()[5])
    assert list(store.dump()) == DUMP


def test_two_stores_that_were_told_the_same_have_equal_dumps(new_store: NewStore) -> None:
    one, other = new_store(), new_store()
    for store in (one, other):
        applied(store, *changes())
    assert list(one.dump()) == list(other.dump())


def test_the_dump_leaves_the_order_of_arrival_out(new_store: NewStore) -> None:
    one, other = new_store(), new_store()
    saves = [saving("Patient", f"p{n}", token("gender", f"urn:{n}", "x")) for n in range(5)]
    applied(one, *saves)
    applied(other, *reversed(saves))
    assert list(one.dump()) == list(other.dump())


def test_an_empty_store_has_an_empty_dump(store: Store) -> None:
    assert list(store.dump()) == []
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.commit == 0
