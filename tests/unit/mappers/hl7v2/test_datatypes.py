from __future__ import annotations

import pytest

from mappers.context import NHS_NUMBER, Authority
from mappers.hl7v2 import datatypes
from mappers.hl7v2.er7 import delimiters

D = delimiters("|", "^~\\&", "utf-8")
LONDON = "Europe/London"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("19700311", "1970-03-11"),
        ("197003", "1970-03"),
        ("1970", "1970"),
        ("197003111530", "1970-03-11"),
        ("19700311+0000", "1970-03-11"),
        ("19700231", None),
        ("00000000", None),
        ("197013", None),
        ("1970-03-11", None),
        ("٢٠٢٤٠١٠١", None),
        ("", None),
    ],
)
def test_dates_keep_their_precision(text, date):
    assert datatypes.date_from_ts(text) == date


@pytest.mark.parametrize(
    ("text", "instant", "flags"),
    [
        ("20240115103045", "2024-01-15T10:30:45.000000Z", []),
        ("20240715103045", "2024-07-15T09:30:45.000000Z", []),
        ("20240715003045", "2024-07-14T23:30:45.000000Z", []),
        ("202407151030", "2024-07-15T09:30:00.000000Z", []),
        ("2024071510", "2024-07-15T09:00:00.000000Z", []),
        ("20240715", "2024-07-14T23:00:00.000000Z", []),
        ("2024", "2024-01-01T00:00:00.000000Z", []),
        ("20240715103045.1234", "2024-07-15T09:30:45.123400Z", []),
        ("20240715103045+0000", "2024-07-15T10:30:45.000000Z", []),
        ("20240715103045-0530", "2024-07-15T16:00:45.000000Z", []),
        ("20240715103060", "2024-07-15T09:30:59.000000Z", []),
        ("20231029013000", "2023-10-29T00:30:00.000000Z", ["time-ambiguous"]),
        ("20240331013000", "2024-03-31T01:30:00.000000Z", ["time-ambiguous"]),
        ("19690115120000", "1969-01-15T11:00:00.000000Z", []),
        ("20240715256000", None, []),
        ("20240715106000", None, []),
        ("20241315103045", None, []),
        ("00010101000000+1400", None, []),
        ("99991231235959-1200", None, []),
        ("99991231235959", "9999-12-31T23:59:59.000000Z", []),
        ("20240715103045+9900", None, []),
        ("yesterday", None, []),
    ],
)
def test_instants_are_london_time_unless_they_carry_an_offset(text, instant, flags):
    found: list[str] = []
    assert datatypes.instant_from_ts(text, LONDON, found) == instant
    assert found == flags


def test_zones_off_the_hour_are_right_too():
    assert datatypes.instant_from_ts("20240715103045", "Asia/Kolkata", []) == "2024-07-15T05:00:45.000000Z"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024", "2024"),
        ("202407", "2024-07"),
        ("20240715", "2024-07-15"),
        ("2024071510", "2024-07-15"),
        ("202407151030", "2024-07-15T10:30:00+01:00"),
        ("20240115103045", "2024-01-15T10:30:45+00:00"),
        ("20240115103045.5-0500", "2024-01-15T10:30:45.500000-05:00"),
        ("202402301030", None),
        ("20240230", None),
        ("never", None),
        ("180001011030", "1800-01-01"),
    ],
)
def test_date_times_keep_their_precision_and_offset(text, value):
    assert datatypes.date_time_from_ts(text, LONDON, []) == value


@pytest.mark.parametrize(
    ("xpn", "name"),
    [
        (
            "SMITH^ALICE^MARY JANE^JR^MRS^BSC^L",
            {"use": "official", "family": "SMITH", "given": ["ALICE", "MARY", "JANE"], "prefix": ["MRS"], "suffix": ["JR", "BSC"]},
        ),
        ("SMITH&VAN&SMITH^ALICE", {"family": "SMITH", "given": ["ALICE"]}),
        ("^ALICE", {"given": ["ALICE"]}),
        ("O\\S\\NEILL^\\T\\CO", {"family": "O^NEILL", "given": ["&CO"]}),
        ('SMITH^""', {"family": "SMITH"}),
        ("SMITH^^^^^^M", {"use": "maiden", "family": "SMITH"}),
        ("SMITH^^^^^^PREVIOUS-MAIDEN", {"use": "maiden", "family": "SMITH"}),
        ("SMITH^^^^^^PREVIOUS-BIRTH", {"use": "old", "family": "SMITH"}),
        ("SMITH^^^^^^preferred", {"use": "usual", "family": "SMITH"}),
        ("SMITH^^^^^^N", {"use": "nickname", "family": "SMITH"}),
        ("SMITH^^^^^^A", {"use": "anonymous", "family": "SMITH"}),
        ("SMITH^^^^^^??", {"family": "SMITH"}),
        ("SMITH^^^^^^L^^^^^20100101^20200229", {"use": "official", "family": "SMITH", "period": {"start": "2010-01-01", "end": "2020-02-29"}}),
        ("SMITH^^^^^^L^^^^^20200229^2010", {"use": "official", "family": "SMITH", "period": {"end": "2010"}}),
        ("SMITH^^^^^^^^^2010&2011", {"family": "SMITH", "period": {"start": "2010", "end": "2011"}}),
        ("SMITH^^^^^^^^^^x", {"family": "SMITH"}),
        ("^^^JR^MR", None),
        ('""', None),
    ],
)
def test_human_name_from_xpn(xpn, name):
    assert datatypes.human_name_from_xpn(xpn, D) == name


def test_the_first_name_without_a_type_is_official():
    assert datatypes.human_name_from_xpn("SMITH", D, first=True) == {"use": "official", "family": "SMITH"}


@pytest.mark.parametrize(
    ("xad", "address"),
    [
        (
            "12 HIGH STREET^FLAT 2^CHERTSEY^SURREY^kt16 0pz^826^H^^RUNNYMEDE",
            {
                "use": "home", "line": ["12 HIGH STREET", "FLAT 2"], "city": "CHERTSEY", "district": "RUNNYMEDE", "state": "SURREY",
                "postalCode": "KT16 0PZ", "country": "GB",
            },
        ),
        ("12 HIGH ST&HIGH ST&12^^X", {"line": ["12 HIGH ST"], "city": "X"}),
        ("&HIGH ST&12", {"line": ["12 HIGH ST"]}),
        ("^^^^TN37 7PT^^C", {"use": "temp", "postalCode": "TN37 7PT"}),
        ("^^^^TN37 7PT^^B", {"use": "work", "postalCode": "TN37 7PT"}),
        ("^^^^TN37 7PT^^BA", {"use": "old", "postalCode": "TN37 7PT"}),
        ("^^^^TN37 7PT^^M", {"type": "postal", "postalCode": "TN37 7PT"}),
        ("^^^^TN37 7PT^GBR^H^ANNEXE", {"use": "home", "line": ["ANNEXE"], "postalCode": "TN37 7PT", "country": "GB"}),
        ("^^LAHORE^^^Narnia", {"city": "LAHORE", "country": "Narnia"}),
        ("^^X^^^^H^^^^^^20100101", {"use": "home", "city": "X", "period": {"start": "2010-01-01"}}),
        ("^^X^^^^H^^^^^2010&2012", {"use": "home", "city": "X", "period": {"start": "2010", "end": "2012"}}),
        ("^^^^^826^H", None),
    ],
)  # fmt: skip
def test_address_from_xad(xad, address):
    assert datatypes.address_from_xad(xad, D) == address


@pytest.mark.parametrize(
    ("xtn", "use", "point"),
    [
        ("01932 123456^PRN^PH", "home", {"system": "phone", "value": "01932 123456", "use": "home"}),
        ("07700900123^PRN^CP", "home", {"system": "phone", "value": "07700900123", "use": "mobile"}),
        ("01932 1^WPN^FX", "work", {"system": "fax", "value": "01932 1", "use": "work"}),
        ("^NET^Internet^alice@example.org", "home", {"system": "email", "value": "alice@example.org", "use": "home"}),
        ("alice@example.org^NET", "home", {"system": "email", "value": "alice@example.org", "use": "home"}),
        ("^^^alice@example.org", "home", {"system": "email", "value": "alice@example.org", "use": "home"}),
        ("old^PRN^PH^^^^^^^^^+44 1932 123456", "home", {"system": "phone", "value": "+44 1932 123456", "use": "home"}),
        ("^PRN^PH^^44^1932^123456", "home", {"system": "phone", "value": "+44 1932 123456", "use": "home"}),
        ("^PRN^PH^^+44^^123456", "home", {"system": "phone", "value": "+44 123456", "use": "home"}),
        ("^PRN^PH^^^^123456", "home", {"system": "phone", "value": "123456", "use": "home"}),
        ("01932 1^WPN^PH", None, {"system": "phone", "value": "01932 1", "use": "work"}),
        ("01932 1", None, {"system": "phone", "value": "01932 1"}),
        ("^PRN^PH", "home", None),
    ],
)
def test_contact_point_from_xtn(xtn, use, point):
    assert datatypes.contact_point_from_xtn(xtn, D, use) == point


def test_control_characters_never_reach_a_value():
    assert datatypes.texts("SM\x00ITH^A\tB\x85", D) == ["SMITH", "A\tB"]
    assert datatypes.first_part("A\x1fB&C", 1, D) == "AB"
    assert datatypes.subcomponent("A", 4, 1, D) == ""
    assert datatypes.subcomponent('""&x', 1, 1, D) == ""


def test_a_code_is_mapped_where_the_source_has_a_map_and_text_else():
    codes = {"EN": ("urn:ietf:bcp:47", "en", "English")}
    assert datatypes.concept_from_ce("en^English", D, codes) == {
        "coding": [{"system": "urn:ietf:bcp:47", "code": "en", "display": "English"}],
        "text": "English",
    }
    assert datatypes.concept_from_ce("XX", D, codes) == {"text": "XX"}
    assert datatypes.concept_from_ce("^Welsh", D) == {"text": "Welsh"}
    assert datatypes.concept_from_ce("^", D) is None


MRN = "https://weald.example/fhir/Id/RTK/mrn"
SCOPED = "https://weald.example/fhir/Id/RTK"


@pytest.mark.parametrize(
    ("cx", "expected"),
    [
        ("9434765919^^^NHS^NH", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("943 476-5919^^^NHS", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("9434765919^^^^NH", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("9434765919^^^RTK^NHS", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("9434765919^^^SOMEWHERE^NH", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("9434765919^^^NHS^MR", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("9434765919^^^&2.16.840.1.113883.2.1.4.1&ISO", (NHS_NUMBER, "9434765919", "NH", None, [])),
        ("9434765910^^^NHS^NH", (NHS_NUMBER, "9434765910", "NH", None, ["nhs-number-check-failed"])),
        ("4444444444^^^NHS^NH", (NHS_NUMBER, "4444444444", "NH", None, ["nhs-number-dummy"])),
        ("0101701234^^^CHI^NH", ("https://weald.example/fhir/Id/CHI", "0101701234", "NH", "CHI", [])),
        ("3200000012^^^H&C^NH", ("https://weald.example/fhir/Id/H%26C", "3200000012", "NH", "H&C", [])),
        ("3200000012^^^H\\T\\C^NH", ("https://weald.example/fhir/Id/H%26C", "3200000012", "NH", "H&C", [])),
        ("00123^^^RTK^MR", (MRN, "00123", "MR", "RTK", [])),
        ("00123^^^rtk^HOSP", (MRN, "00123", "MR", "RTK", [])),
        ("00123^^^RTK^PI", (MRN, "00123", "MR", "RTK", [])),
        ("00123^^^RTK", (MRN, "00123", "MR", "RTK", [])),
        ("00123^^^PAS&1.2.3&ISO^MR", (MRN, "00123", "MR", "RTK", [])),
        ("00123^^^RTK&9.9.9&ISO^MR", (MRN, "00123", "MR", "RTK", [])),
        ("00123", (MRN, "00123", "MR", "RTK", ["authority-assumed"])),
        ("00123^CPD", (MRN, "00123", "MR", "RTK", ["authority-assumed"])),
        ("00123^^^^MR^RTK", (MRN, "00123", "MR", "RTK", [])),
        ("00123^^^RTK^XX", (f"{MRN}/XX", "00123", "XX", "RTK", [])),
        ("1^^^RTK^a  b", (f"{MRN}/A%20B", "1", "A B", "RTK", [])),
        ("77^^^HISID^CPD", (f"{SCOPED}/HISID", "77", "CPD", "RTK", [])),
        ("77^^^A B", (f"{SCOPED}/A%20B", "77", "MR", "RTK", [])),
        (" A\\F\\1 ^^^RTK^MR", (MRN, "A|1", "MR", "RTK", [])),
    ],
)
def test_identifier_from_cx(context_with, cx, expected):
    rtk = Authority("RTK", MRN, "MR", "RTK")
    context = context_with(authorities={"RTK": rtk, "1.2.3": rtk})
    found: list[str] = []
    fact = datatypes.identifier_from_cx(cx, D, context, found, day="2024-05-01")
    assert fact is not None
    assert (fact.system, fact.value, fact.type_code, fact.owner, found) == expected
    assert fact.assumed == ("authority-assumed" in found)
    assert not fact.ended


def test_a_configured_authority_keeps_its_own_type(context_with):
    chi = Authority("CHI", "https://example.scot/chi", "NH", "CHI")
    context = context_with(authorities={"CHI": chi}, type_synonyms={"LOCAL": "MR"})
    fact = datatypes.identifier_from_cx("1^^^CHI^NH", D, context, [], day="2024-05-01")
    assert fact is not None
    assert (fact.system, fact.type_code) == ("https://example.scot/chi", "NH")
    assert datatypes.identifier_from_cx("1^^^^LOCAL", D, context, [], day="2024-05-01").type_code == "MR"


def test_without_a_default_authority_the_number_is_local_to_the_trust(context_with):
    fact = datatypes.identifier_from_cx("1", D, context_with(default_authority=None), [], day="2024-05-01")
    assert fact is not None
    assert (fact.system, fact.owner, fact.assumed) == ("https://weald.example/fhir/Id/RTK/local", "RTK", True)


def test_a_deleted_identifier_has_no_value_and_an_expired_one_keeps_it(context):
    gone = datatypes.identifier_from_cx('""^^^RTK^MR', D, context, [], day="2024-05-01")
    assert gone is not None
    assert (gone.value, gone.ended) == ("", True)
    old = datatypes.identifier_from_cx("1^^^RTK^MR^^20200101^20240430", D, context, [], day="2024-05-01")
    assert old is not None
    assert (old.start, old.end, old.ended) == ("2020-01-01", "2024-04-30", True)
    now = datatypes.identifier_from_cx("1^^^RTK^MR^^^20240501", D, context, [], day="2024-05-01")
    assert now is not None
    assert not now.ended
    assert datatypes.identifier_from_cx("^^^RTK^MR", D, context, [], day="2024-05-01") is None


def test_an_identifier_that_ends_before_it_starts_is_flagged_and_ended(context):
    flags: list[str] = []
    fact = datatypes.identifier_from_cx("1^^^RTK^MR^^20240101^2023", D, context, flags, day="2024-05-01")
    assert fact is not None
    assert (fact.start, fact.end, fact.ended, flags) == ("2024-01-01", "2023", True, ["period-invalid"])


def test_the_deleted_nhs_number_is_not_called_a_bad_one(context):
    flags: list[str] = []
    datatypes.identifier_from_cx('""^^^NHS^NH', D, context, flags, day="2024-05-01")
    assert flags == []
