"""Code tables of the map from HL7 v2 to FHIR Patient (hl7v2.md 2; nhs.md 1 and 3)."""

from __future__ import annotations

GENDERS = {
    "1": "male", "M": "male",
    "2": "female", "F": "female",
    "9": "other", "A": "other", "O": "other",
    "0": "unknown", "U": "unknown", "X": "unknown", "N": "unknown",
}  # fmt: skip
"""PID-8, HL7 table 0001 with the NHS person gender codes."""

NAME_USES = {
    "L": "official", "PREFERRED": "usual", "D": "usual", "N": "nickname",
    "A": "anonymous", "S": "anonymous",
    "M": "maiden", "PREVIOUS-MAIDEN": "maiden",
    "B": "old",
    "T": "temp",
}  # fmt: skip
"""XPN.7; every other value that begins PREVIOUS is "old"."""

ADDRESS_USES = {
    "H": "home", "P": "home", "C": "temp", "TMP": "temp", "B": "work", "O": "work", "BA": "old",
}  # fmt: skip
"""XAD.7; M makes the address postal instead."""

POSTAL_ADDRESS = "M"

TELECOM_SYSTEMS = {
    "CP": "phone", "PH": "phone", "FX": "fax", "BP": "pager", "INTERNET": "email", "X.400": "email", "TDD": "phone", "TTY": "phone",
}  # fmt: skip
"""XTN.3, upper case."""

TELECOM_USES = {"PRN": "home", "ORN": "home", "VHN": "home", "WPN": "work", "PRS": "mobile"}
"""XTN.2, used where the field itself says neither home nor work."""

IDENTIFIER_TYPES = {"NHS": "NH", "NHSNO": "NH", "HOSP": "MR", "PI": "MR", "MRN": "MR"}
"""CX.5 synonyms that need no configuration."""

NHS_AUTHORITIES = frozenset({"NHS", "NHSNBR", "2.16.840.1.113883.2.1.4.1"})
"""CX.4 values that name the NHS number."""

OTHER_HEALTH_NUMBERS = frozenset({"CHI", "H&C", "HCN", "HSC"})
"""CX.4 values of Scottish and Northern Irish numbers, which share type NH and must stay apart (nhs.md 1)."""

VERIFICATION_STATUSES = {f"{prefix}{n:02d}": f"{n:02d}" for n in range(1, 9) for prefix in ("NSTS", "")}
"""PID-32 to the two-digit status."""

DEFAULT_BIRTH_DATE, ESTIMATED_BIRTH_DATE, DEFAULT_ADDRESS, ALIAS_NAME = "UD", "ED", "UA", "AL"

COUNTRIES = {
    "826": "GB", "GBR": "GB", "372": "IE", "IRL": "IE", "250": "FR", "FRA": "FR", "276": "DE", "DEU": "DE", "724": "ES", "ESP": "ES",
    "620": "PT", "PRT": "PT", "380": "IT", "ITA": "IT", "528": "NL", "NLD": "NL", "056": "BE", "BEL": "BE", "756": "CH", "CHE": "CH",
    "040": "AT", "AUT": "AT", "208": "DK", "DNK": "DK", "578": "NO", "NOR": "NO", "752": "SE", "SWE": "SE", "246": "FI", "FIN": "FI",
    "616": "PL", "POL": "PL", "642": "RO", "ROU": "RO", "100": "BG", "BGR": "BG", "300": "GR", "GRC": "GR", "792": "TR", "TUR": "TR",
    "356": "IN", "IND": "IN", "586": "PK", "PAK": "PK", "050": "BD", "BGD": "BD", "144": "LK", "LKA": "LK", "156": "CN", "CHN": "CN",
    "344": "HK", "HKG": "HK", "566": "NG", "NGA": "NG", "288": "GH", "GHA": "GH", "404": "KE", "KEN": "KE", "710": "ZA", "ZAF": "ZA",
    "840": "US", "USA": "US", "124": "CA", "CAN": "CA", "036": "AU", "AUS": "AU", "554": "NZ", "NZL": "NZ", "388": "JM", "JAM": "JM",
    "608": "PH", "PHL": "PH", "643": "RU", "RUS": "RU", "804": "UA", "UKR": "UA", "833": "IM", "IMN": "IM", "831": "GG", "GGY": "GG",
    "832": "JE", "JEY": "JE", "470": "MT", "MLT": "MT", "196": "CY", "CYP": "CY",
}  # fmt: skip
"""ISO 3166 numeric and alpha-3 codes often seen; others are kept as sent."""

ETHNIC_CATEGORIES = {
    "A": "White - British",
    "B": "White - Irish",
    "C": "White - Any other White background",
    "D": "Mixed - White and Black Caribbean",
    "E": "Mixed - White and Black African",
    "F": "Mixed - White and Asian",
    "G": "Mixed - Any other mixed background",
    "H": "Asian or Asian British - Indian",
    "J": "Asian or Asian British - Pakistani",
    "K": "Asian or Asian British - Bangladeshi",
    "L": "Asian or Asian British - Any other Asian background",
    "M": "Black or Black British - Caribbean",
    "N": "Black or Black British - African",
    "P": "Black or Black British - Any other Black background",
    "R": "Other Ethnic Groups - Chinese",
    "S": "Other Ethnic Groups - Any other ethnic group",
    "Z": "Not stated",
    "99": "Not known",
}
"""UKCore-EthnicCategoryEngland 1.1.1."""

MULTIPLE_BIRTH = {"Y": True, "N": False}

ENCOUNTER_CLASSES = {"E": "EMER", "I": "IMP", "O": "AMB", "P": "PRENC", "R": "AMB", "B": "IMP", "D": "SS"}
"""PV1-2 to v3-ActCode."""
