"""Records put into a store as the matcher keeps them, without the messages that would have made them."""

from app.ingest.identity import mint_id
from app.ingest.linking import packed_record
from app.ingest.records import Record, save_record
from app.principal import SYSTEM
from app.store.contract import Failed
from mappers.patient import PatientState
from matching.blocking import blocking_keys

TRUSTS = ("RTK", "RA2", "RXC")


def hold(services, demographics, names=None):
    """Save a record of each of the demographics, no two linked; their ids in order. ``names``: of each, what its key ends in."""
    ids = []

    def change(tx):
        for place, one in enumerate(demographics):
            name = str(place) if names is None else names[place]
            trust = TRUSTS[int(name) % len(TRUSTS)]
            id, person = mint_id(b"held", name), mint_id(b"held", f"person {name}")
            record = Record(id, tx.next_number("record"), trust, f"{trust}|https://weald.example/{name}", "2020", person, person, PatientState.empty())
            record.stored = record.state.to_json()
            save_record(tx, record)
            tx.put_blocks(record.number, blocking_keys(one), packed_record(record, one))
            ids.append(id)

    [result] = services.store.apply(SYSTEM, [change])
    assert not isinstance(result, Failed)
    return ids
