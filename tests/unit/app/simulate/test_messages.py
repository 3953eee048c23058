"""The feeds of a region, read by python-hl7."""

from collections import Counter, defaultdict

import hl7
import pytest

from app.simulate.trusts import TRUSTS, encode

TRIGGERS = {"A01", "A03", "A04", "A05", "A08", "A24", "A28", "A31", "A37", "A40"}


@pytest.fixture(scope="module")
def feeds(region):
    """Each trust's messages, parsed by python-hl7."""
    found = {}
    for ods, messages in region.raw().items():
        found[ods] = [hl7.parse(message.decode(TRUSTS[ods].codec)) for message in messages]
    return found


def field(message, segment, place):
    found = message.segment(segment)
    return str(found[place]) if len(found) > place else ""


def test_a_whole_file_is_split_by_python_hl7(region, feeds):
    for ods, messages in feeds.items():
        text = (region.folder / ods / "adt.hl7").read_bytes().decode(TRUSTS[ods].codec)
        assert len(hl7.split_file(text)) == len(messages)


def test_each_segment_ends_with_a_carriage_return(region):
    for messages in region.raw().values():
        for message in messages:
            assert message.startswith(b"MSH|^~\\&|PAS|")
            assert message.endswith(b"\r")
            assert b"\r\r" not in message


def test_headers_name_the_sender_as_the_sample_settings_do(feeds):
    for ods, messages in feeds.items():
        for message in messages:
            assert (field(message, "MSH", 3), field(message, "MSH", 4)) == ("PAS", ods)
            assert field(message, "MSH", 11) == "P"
            assert field(message, "MSH", 12) == TRUSTS[ods].version
            assert field(message, "MSH", 18) == TRUSTS[ods].charset


def test_control_ids_are_unique(feeds):
    found = [field(message, "MSH", 10) for messages in feeds.values() for message in messages]
    assert len(set(found)) == len(found)


def test_messages_stand_in_time_order(feeds):
    for messages in feeds.values():
        stamps = [field(message, "MSH", 7) for message in messages]
        assert stamps == sorted(stamps)
        assert all(field(message, "EVN", 2) == stamp for message, stamp in zip(messages, stamps, strict=True))


def test_every_trigger_of_the_first_path_occurs_and_no_other(feeds):
    events = Counter(str(message.segment("MSH")[9][0][1]) for messages in feeds.values() for message in messages)
    assert set(events) == TRIGGERS
    assert events["A28"] > events["A40"] > 0


def test_the_event_type_repeats_the_trigger(feeds):
    for messages in feeds.values():
        for message in messages:
            assert field(message, "EVN", 1) == str(message.segment("MSH")[9][0][1])


def test_the_first_identifier_is_a_record_of_the_truth(region, feeds):
    truth = region.truth()
    systems = {scheme.namespace: scheme.system for trust in TRUSTS.values() for scheme in trust.schemes}
    for messages in feeds.values():
        for message in messages:
            for pid in message.segments("PID"):
                identifier = pid[3][0]
                assert str(identifier[4]) == "MR"
                assert f"{systems[str(identifier[3])]}|{identifier[0]}" in truth


def test_every_record_but_those_of_headers_alone_is_spoken_of(region, feeds):
    spoken = set()
    systems = {scheme.namespace: scheme.system for trust in TRUSTS.values() for scheme in trust.schemes}
    for messages in feeds.values():
        spoken |= {f"{systems[str(m.segment('PID')[3][0][3])]}|{m.segment('PID')[3][0][0]}" for m in messages}
    silent = {key for key, found in region.classes().items() if "header-only" in found}
    assert set(region.truth()) - spoken == silent


def test_a_merge_names_two_records_of_one_person_and_one_scheme(region, feeds):
    truth = region.truth()
    merges = 0
    for ods, messages in feeds.items():
        for message in messages:
            if field(message, "EVN", 1) == "A40":
                winner, loser = message.segment("PID")[3][0], message.segment("MRG")[1][0]
                system = next(scheme.system for scheme in TRUSTS[ods].schemes if scheme.namespace == str(winner[3]))
                assert str(winner[3]) == str(loser[3])
                assert str(winner[0]) != str(loser[0])
                assert truth[f"{system}|{winner[0]}"] == truth[f"{system}|{loser[0]}"]
                merges += 1
    assert merges > 10


def test_no_message_comes_from_a_merged_record_after_the_merge(feeds):
    for messages in feeds.values():
        gone = set()
        for message in messages:
            number, scheme = str(message.segment("PID")[3][0][0]), str(message.segment("PID")[3][0][3])
            assert (number, scheme) not in gone
            if field(message, "EVN", 1) == "A40":
                loser = message.segment("MRG")[1][0]
                gone.add((str(loser[0]), str(loser[3])))


def test_a_link_across_two_people_is_taken_back(region, feeds):
    truth = region.truth()
    systems = {scheme.namespace: scheme.system for trust in TRUSTS.values() for scheme in trust.schemes}
    linked, unlinked = set(), set()
    for messages in feeds.values():
        for message in messages:
            if field(message, "EVN", 1) in {"A24", "A37"}:
                keys = tuple(f"{systems[str(pid[3][0][3])]}|{pid[3][0][0]}" for pid in message.segments("PID"))
                (linked if field(message, "EVN", 1) == "A24" else unlinked).add(keys)
    wrong = {keys for keys in linked if truth[keys[0]] != truth[keys[1]]}
    assert wrong
    assert wrong == unlinked
    assert len(linked) > len(wrong)


def test_deaths_are_told_and_stay_told(feeds):
    dead = 0
    for messages in feeds.values():
        gone = set()
        for message in messages:
            key = str(message.segment("PID")[3][0])
            if field(message, "PID", 30) == "Y":
                assert field(message, "PID", 29)
                gone.add(key)
                dead += 1
            elif field(message, "EVN", 1) not in {"A40", "A24", "A37"}:
                assert key not in gone
    assert dead > 10


def test_most_numbers_are_sent_as_traced(feeds):
    statuses = Counter()
    for messages in feeds.values():
        for message in messages:
            if "^^^NHS^NH" in field(message, "PID", 3):
                statuses[field(message, "PID", 32).partition("~")[0]] += 1
    assert statuses["NSTS01"] > 0.85 * sum(statuses.values())
    assert set(statuses) >= {"NSTS01", "NSTS02", ""}


def test_a_baby_is_registered_without_a_name_and_named_later(feeds):
    given = defaultdict(list)
    for ods, messages in feeds.items():
        for message in messages:
            key = ods, str(message.segment("PID")[3][0][0])
            given[key].append(str(message.segment("PID")[5][0][1]).upper())
    named_later = [names for names in given.values() if names[0].startswith(("BABY", "INFANT", "TWIN ")) and names[-1] != names[0]]
    assert len(named_later) > 10


def test_a_placeholder_birth_date_is_mostly_said_to_be_one(feeds):
    marked = [message for messages in feeds.values() for message in messages if "UD" in field(message, "PID", 32).split("~")]
    assert marked
    assert all(field(message, "PID", 7).endswith("0101") for message in marked)


def test_a_change_of_surname_is_seen_in_one_feed(feeds):
    bea = [message for message in feeds["RA2"] if "BEATRICE" in str(message.segment("PID")[5]).upper()]
    families = [str(message.segment("PID")[5][0][0]) for message in bea if str(message.segment("PID")[7]) == "19910908"]
    assert families[0] == "Fielding"
    assert families[-1] == "Holland"


def test_accents_are_dropped_only_where_the_character_set_lacks_them():
    assert encode("Wójcik Łukasz", "utf-8") == "Wójcik Łukasz".encode()
    assert encode("Wójcik", "latin-1") == "Wójcik".encode("latin-1")
    assert encode("Wójcik Łukasz", "latin-1") == b"Wojcik Lukasz"
    assert encode("Wójcik Łukasz", "ascii") == b"Wojcik Lukasz"
