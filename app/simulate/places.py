"""Towns of Surrey and Sussex with their streets and postcodes; the inward parts are invented."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from app.simulate.draw import Draw, Weighted, skewed

INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"  # the Royal Mail uses no C I K M O V in the inward part


@dataclass(frozen=True, slots=True)
class Town:
    """A town: its county, its outward code, and the trusts its people go to, likeliest first."""

    name: str
    county: str
    outward: str
    trusts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """Where a household lives, as a clerk would write it."""

    line: str = ""
    town: str = ""
    county: str = ""
    postcode: str = ""
    phone: str = ""


def _towns(county: str, trusts: str, rows: str) -> list[tuple[Town, float]]:
    """Rows are ``name outward thousands``, spaces in a name written as underscores."""
    cells = rows.split()
    return [
        (Town(name.replace("_", " "), county, outward, tuple(trusts.split())), float(size))
        for name, outward, size in zip(cells[::3], cells[1::3], cells[2::3], strict=True)
    ]


TOWNS: Weighted[Town] = Weighted(
    _towns(
        "Surrey", "RA2 RTK RPC RYR",
        "Guildford GU1 40 Guildford GU2 38 Godalming GU7 22 Haslemere GU27 17 Farnham GU9 26 Cranleigh GU6 12 Woking GU21 45 "
        "Woking GU22 44 Camberley GU15 30 Dorking RH4 17",
    )
    + _towns(
        "Surrey", "RTK RA2 RPC RYR",
        "Chertsey KT16 16 Addlestone KT15 17 Weybridge KT13 20 Walton-on-Thames KT12 25 Staines-upon-Thames TW18 19 Ashford TW15 "
        "27 Egham TW20 17 Sunbury-on-Thames TW16 18 Shepperton TW17 10 Virginia_Water GU25 6 Cobham KT11 10 Leatherhead KT22 12",
    )
    + _towns(
        "Surrey", "RPC RA2 RYR RTK",
        "Redhill RH1 30 Reigate RH2 22 Horley RH6 22 Oxted RH8 11 Lingfield RH7 5",
    )
    + _towns(
        "West Sussex", "RYR RPC RXC RA2",
        "Crawley RH10 60 Crawley RH11 48 Haywards_Heath RH16 34 Burgess_Hill RH15 31 East_Grinstead RH19 27 Horsham RH12 34 "
        "Horsham RH13 22",
    )
    + _towns(
        "West Sussex", "RYR RA2 RPC RXC",
        "Chichester PO19 29 Bognor_Regis PO21 32 Bognor_Regis PO22 31 Littlehampton BN17 28 Worthing BN11 38 Worthing BN13 30 "
        "Worthing BN14 24 Shoreham-by-Sea BN43 21 Lancing BN15 19 Steyning BN44 9 Arundel BN18 7 Midhurst GU29 8 Petworth GU28 5",
    )
    + _towns(
        "East Sussex", "RYR RXC RPC RA2",
        "Brighton BN1 60 Brighton BN2 70 Hove BN3 72 Portslade BN41 20 Lewes BN7 17 Peacehaven BN10 15 Newhaven BN9 12 Seaford BN25 "
        "23",
    )
    + _towns(
        "East Sussex", "RXC RPC RYR RA2",
        "Eastbourne BN20 24 Eastbourne BN21 36 Eastbourne BN22 30 Eastbourne BN23 32 Hailsham BN27 24 Polegate BN26 10 Heathfield "
        "TN21 12 Crowborough TN6 21 Uckfield TN22 16 Hastings TN34 38 Hastings TN35 18 St_Leonards-on-Sea TN37 22 "
        "St_Leonards-on-Sea TN38 28 Bexhill-on-Sea TN39 25 Bexhill-on-Sea TN40 18 Battle TN33 10 Rye TN31 9",
    )
)  # fmt: skip

STREET_NAMES = skewed(
    str.split(
        "High Church Station Victoria London Park Green New Manor Kings Queens Mill Grange Springfield Richmond York Albert "
        "Alexandra Windsor Chestnut Oakfield Orchard School North South West East The Grove Elm Beech Cedar Willow Hawthorn "
        "Downs Downland Southdown Weald Forest Rectory Vicarage Warren Common Priory Castle Abbey Harvest Farm Meadow Brook "
        "River Bridge Canal Lower Upper Wellington Nelson Trafalgar Cavendish Devonshire Sussex Surrey Arundel Goodwood "
        "Cowdray Petworth Ashdown Hartfield Chiddingly Firle Glynde Ditchling Clayton Wolstonbury Cissbury Chanctonbury "
        "Blackdown Leith Hindhead Tillingbourne Wey Arun Adur Ouse Cuckmere Rother Medway Mole Primrose Bluebell Foxglove "
        "Larkspur Skylark Kingfisher Heron Swallow Linden Lime Maple Rowan Hazel Holly Laurel Ivy Rose Lavender Juniper "
        "Hillside Hillcrest Highview Southview Fairview Westfield Northfield Eastfield Longmead Broadmead Whitehill Redhill "
        "Blackthorn Gorse Heath Bracken Fern Birch Larch Pine Spruce Sandy Stoney Chalk Flint Quarry Forge Saddlers Coopers"
    ),
    flat=20.0,
)
STREET_KINDS = Weighted(
    [("Road", 32), ("Close", 14), ("Avenue", 12), ("Street", 8), ("Lane", 9), ("Drive", 8), ("Way", 6), ("Gardens", 4),
     ("Crescent", 4), ("Court", 3), ("Place", 2), ("Walk", 2), ("Rise", 2), ("Mews", 1), ("Terrace", 1)]
)  # fmt: skip
HOUSE_NAMES = str.split(
    "Rose Cottage;The Old Rectory;Oak House;Orchard Cottage;Mill House;Hillcrest;The Willows;Ivy Cottage;Fairholme;The Lodge;"
    "Greenways;Woodlands;The Laurels;Beechwood;Meadow View;Holly Bank;Corner House;The Cedars;Wayside;Southlands",
    ";",
)
ABBREVIATIONS = {
    "Road": "Rd", "Close": "Cl", "Avenue": "Ave", "Street": "St", "Lane": "La", "Drive": "Dr", "Gardens": "Gdns",
    "Crescent": "Cres", "Court": "Ct", "Place": "Pl", "Terrace": "Terr",
}  # fmt: skip


def postcode(outward: str, street: str) -> str:
    """The postcode of a street: a real form, the inward part made from the street's name."""
    mark = blake2b(f"{outward}/{street}".encode(), digest_size=4).digest()
    first, second = (INWARD_LETTERS[byte % len(INWARD_LETTERS)] for byte in mark[1:3])
    return f"{outward} {mark[0] % 10}{first}{second}"


def street(draw: Draw) -> str:
    """A street's name."""
    return f"{draw.weighted(STREET_NAMES)} {draw.weighted(STREET_KINDS)}"


def _house(draw: Draw) -> str:
    kind = draw.unit()
    if kind < 0.08:
        return f"Flat {draw.between(1, 24)}, {draw.between(1, 90)}"
    if kind < 0.12:
        return f"{draw.pick(HOUSE_NAMES)},"
    return str(draw.between(1, 160))


def home(draw: Draw, town: Town, phone: str) -> Home:
    """A dwelling in a town."""
    name = street(draw)
    return Home(f"{_house(draw)} {name}", town.name, town.county, postcode(town.outward, name), phone)
