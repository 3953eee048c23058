"""The five trusts of the region, the numbers they give out and the way their systems write.

The namespaces and identifier systems are those of the sample settings.
"""

from __future__ import annotations

from dataclasses import dataclass

IDENTIFIER_BASE = "https://weald.example/fhir/Id"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One numbering of patients: its CX.4 namespace, its identifier system, where its numbers start, how they are written."""

    namespace: str
    system: str
    start: int
    form: str = "{:07d}"

    def number(self, sequence: int) -> str:
        """The ``sequence``-th number given out, in no visible order, as a full numbering would be met.

        The two schemes of RYR give the same numbers to different people.
        """
        return self.form.format((sequence * 3_867_137 + self.start) % 10_000_000)


@dataclass(frozen=True, slots=True)
class Trust:
    """One trust: its schemes, sites, and how its feed (version, MSH-18, codec, case) and archive write."""

    ods: str
    name: str
    sites: tuple[tuple[str, str], ...]
    schemes: tuple[Scheme, ...]
    version: str
    charset: str
    codec: str
    upper: bool
    dicom_charset: str
    dicom_codec: str

    @property
    def ae_title(self) -> str:
        """The Source AE title of the trust's archive."""
        return f"{self.ods}PACS"


def _scheme(namespace: str, path: str, start: int, form: str = "{:07d}") -> Scheme:
    return Scheme(namespace, f"{IDENTIFIER_BASE}/{path}", start, form)


LATIN_1 = ("8859/1", "latin-1")
UTF_8 = ("UNICODE UTF-8", "utf-8")
ASCII = ("", "ascii")
DICOM_LATIN_1 = ("ISO_IR 100", "latin-1")
DICOM_UTF_8 = ("ISO_IR 192", "utf-8")

TRUSTS = {
    trust.ods: trust
    for trust in (
        Trust(
            "RTK", "Ashford and St Peter's Hospitals", (("RTK01", "St Peter's Hospital"), ("RTK02", "Ashford Hospital")),
            (_scheme("RTK", "RTK/mrn", 1_234_567),), "2.4", *LATIN_1, True, *DICOM_LATIN_1,
        ),
        Trust(
            "RXC", "East Sussex Healthcare", (("RXC01", "Conquest Hospital"), ("RXC02", "Eastbourne District General Hospital")),
            (_scheme("RXC", "RXC/mrn", 4_400_017, "X{:07d}"),), "2.4", *ASCII, True, *DICOM_LATIN_1,
        ),
        Trust(
            "RPC", "Queen Victoria Hospital", (("RPC01", "Queen Victoria Hospital"),),
            (_scheme("RPC", "RPC/mrn", 2_718_281),), "2.5", *UTF_8, False, *DICOM_UTF_8,
        ),
        Trust(
            "RA2", "Royal Surrey", (("RA201", "Royal Surrey County Hospital"),),
            (_scheme("RA2", "RA2/mrn", 6_180_339),), "2.5", *UTF_8, False, *DICOM_UTF_8,
        ),
        Trust(
            "RYR", "University Hospitals Sussex",
            (("RYR16", "St Richard's Hospital"), ("RYR18", "Worthing Hospital"), ("G0W1C", "Royal Alexandra Children's Hospital")),
            (_scheme("RYRW", "RYR/mrn-west", 3_141_592), _scheme("RYRB", "RYR/mrn-brighton", 3_141_592)), "2.4", *LATIN_1, False, *DICOM_LATIN_1,
        ),
    )
}  # fmt: skip

WEST, BRIGHTON = TRUSTS["RYR"].schemes
_UNACCENTED = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻáéíóúàèìòùâêîôûäëïöüñç", "acelnoszzACELNOSZZaeiouaeiouaeiouaeiounc")


def encode(text: str, codec: str) -> bytes:
    """``text`` in a trust's character set, accents dropped where that set lacks them."""
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        return text.translate(_UNACCENTED).encode(codec)
