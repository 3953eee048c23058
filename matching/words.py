"""Word lists of normalisation: titles, placeholders, abbreviations (nhs.md 3, matching.md 2)."""

from __future__ import annotations

TITLES = frozenset(["mr", "mrs", "ms", "miss", "mx", "master", "dr", "doctor", "prof", "professor", "sir", "dame", "lord", "lady", "rev", "revd", "reverend", "fr"])

SUFFIXES = {
    "jr": "jr", "jnr": "jr", "junior": "jr", "sr": "sr", "snr": "sr", "senior": "sr", "ii": "ii", "iii": "iii", "iv": "iv",
}

NAME_PLACEHOLDERS = frozenset({
    "unknown", "unk", "unkn", "unnamed", "not known", "notknown", "nk", "n k", "na", "n a", "none", "null", "nil", "anon", "anonymous",
    "not given", "not stated", "not available", "none given", "not recorded", "no middle name", "nmn", "no name", "noname",
    "no surname", "no forename", "no first name", "no last name",
    "baby", "infant", "newborn", "neonate", "boy", "girl", "male", "female", "man", "woman", "child", "twin", "triplet",
    "test", "tester", "testing", "test patient", "patient", "trauma", "major incident", "do not use", "donotuse", "duplicate",
    "dummy", "demo", "training", "unidentified", "unspecified", "not applicable", "tba", "tbc", "tbn", "nameless",
    "to be named", "to be confirmed", "not yet named", "not named", "no given name", "new born", "fetus", "foetus", "stillborn", "still born", "stillbirth",
})

NEWBORN_WORDS = frozenset({"baby", "babe", "infant", "newborn", "neonate", "boy", "girl", "male", "female", "twin", "triplet", "unborn", "daughter", "bby", "nb"})
"""Words that stand for a child without a name, also several in one: Baby of Alice, Baby Girl, Babygirl, Twin 1, Babya."""

NEWBORN_AFTER_NAMES = ("baby", "infant", "newborn", "neonate", "twin", "triplet")
"""Such words that after another name, the mother's, stand for her child: Kelly Twin 1, Kelly-Baby. Boy, Girl and Male may be surnames there."""

NEWBORN_INITIALS = frozenset({"bg", "bb", "mat"})
"""What stands for a newborn's name where it is all of it: baby girl, baby boy, the mother's ward."""

ORDINALS = {
    "1": "1", "one": "1", "i": "1", "a": "1", "2": "2", "two": "2", "ii": "2", "b": "2", "3": "3", "three": "3", "iii": "3", "c": "3",
}

NUMBERED_NEWBORNS = ("baby", "twin", "triplet", "babyboy", "babygirl")
"""Words that an ordinal in letters may end, as in Babya; not Male or Infant, for Malea and Infanta are names."""

LEADING_PLACEHOLDERS = frozenset({"unknown", "test", "trauma", "duplicate", "unidentified", "unnamed"})
"""First tokens that make the whole name a placeholder: Trauma Alpha, Test Patient, Unknown Male."""

STREET_WORDS = {
    "rd": "road", "str": "street", "av": "avenue", "ave": "avenue", "ln": "lane", "la": "lane", "cl": "close", "dr": "drive",
    "drv": "drive", "ct": "court", "crt": "court", "cres": "crescent", "cresc": "crescent", "cr": "crescent", "gdn": "gardens",
    "gdns": "gardens", "gr": "grove", "gro": "grove", "grv": "grove", "pl": "place", "sq": "square", "ter": "terrace",
    "terr": "terrace", "tce": "terrace", "pk": "park", "pde": "parade", "hse": "house", "ho": "house", "apt": "flat",
    "apartment": "flat", "flt": "flat", "fl": "flat", "unit": "flat", "bldg": "building", "bldgs": "buildings", "mt": "mount",
    "hwy": "highway", "cct": "circuit", "wlk": "walk", "gte": "gate", "est": "estate", "cott": "cottage", "cotts": "cottages",
}

STREET_PLACEHOLDERS = frozenset({
    "unknown", "not known", "nk", "no fixed abode", "nfa", "none", "na", "n a", "no address", "address unknown", "not stated",
    "homeless", "hospital", "overseas", "abroad", "refused", "not given", "withheld", "declined", "visitor", "traveller", "travellers", "temporary",
})

NO_STREET = (
    r"\b(?:no fixed (?:abode|address|home)|not (?:known|provided|given|stated|disclosed|recorded|supplied|available)"
    r"|address (?:unknown|refused|withheld|declined|tbc)|unknown address|no address|rough sleep\w*|sleep\w* rough|homeless)\b"
)
"""What says anywhere in an address that there is none."""

COMMUNAL = (
    r"\b(?:(?:hmp|hm prison|prison|yoi|hospital|hospice|surgery|medical (?:centre|practice)|health centre|hotel|hostel|premier inn|travelodge|guest house|bed and breakfast"
    r"|(?:care|nursing|residential|rest|retirement|childrens) home|halls of residence|student (?:residences?|village|accommodation)"
    r"|(?:gypsy|travell?ers?|caravan|mobile home) (?:site|park)|refuge|barracks|(?:night )?shelter|university|college)"
    r"(?! (?:road|street|lane|hill|close|avenue|drive|way|gardens|court|place|walk|crescent|terrace|grove)\b)|halls?$)"
)
"""What tells in an address that people live or stay there who are no family."""

POSTCODE_PLACEHOLDERS = frozenset({"kt160pz", "tn377pt", "rh193dz", "gu27xx", "bn112dh"})
"""The trusts' own postcodes, given where none is known; every ZZ99 is one as well."""

EMAIL_PLACEHOLDERS = frozenset({
    "none", "no", "nil", "nope", "noemail", "noemailaddress", "noaddress", "unknown", "na", "test", "null", "noreply", "nomail", "notknown", "declined",
    "notgiven", "notprovided", "notapplicable", "notavailable", "refused", "donotcontact", "donotemail", "nocontact", "patient", "email",
})
"""What stands before the @ where there is no address, punctuation left out."""

DEFAULT_BIRTH_DATES = frozenset({"19000101", "17530101", "18000101", "99991231"})

STOPPED_NUMBERS = frozenset({str(digit) * 10 for digit in range(10)} | {"0123456789", "9876543210", "1234567890"})
"""Numbers that pass mod-11 and are nobody's (nhs.md 2)."""
