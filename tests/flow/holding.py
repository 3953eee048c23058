"""Records put into a store as the matcher keeps them, without the messages that would have made them."""

from dataclasses import replace
from pathlib import Path

from app.ingest.again import sweep
from app.ingest.identity import mint_id
from app.ingest.linking import packed_record
from app.ingest.load import Loader
from app.ingest.records import Record, save_record
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import Failed
from mappers.patient import PatientState
from matching.blocking import blocking_keys

REGION = Path(__file__).parents[2] / "fixtures" / "region"
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


def opened(folder):
    return services_from_settings(load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{folder / 'weald.db'}"}))


def loaded(folder, scorer=None):
    """A store of the sample region's messages, swept, under a model."""
    services = opened(folder)
    services = replace(services, scorer=scorer) if scorer else services
    for trust in sorted(path for path in REGION.iterdir() if path.is_dir()):
        assert Loader(services, SYSTEM).load([trust / "adt.hl7"]).rejected == []
    sweep(services, SYSTEM)
    return services
