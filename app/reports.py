"""The matching report as files: a page with drawings, the drawings by themselves, the counts as JSON and as metrics lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from math import log10
from pathlib import Path

import orjson

from app.errors import InvalidValue
from app.ingest.reporting import DRIFTED, MatchingReport, Share
from app.outputs import write_text
from matching.model import GRADES

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 300, 60, 40, 24
LEAST_BIT, MOST_BIT = -30, 60
COLOURS = {GRADES[0]: "#2b7a3d", GRADES[1]: "#c98a12", GRADES[2]: "#7d8aa5", GRADES[3]: "#c9ccd4"}
ROW = 22
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1d24}
table{border-collapse:collapse;margin:.5rem 0 2rem}th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child,th.t,td.t{text-align:left}svg{max-width:100%;height:auto}.warn{color:#a33}"""


def _grade(bit: int, bounds: Sequence[float]) -> str:
    """The grade of the weights from that bit to the next, by where most of them lie."""
    return next((grade for grade, bound in zip(GRADES, bounds, strict=False) if bit + 0.5 >= bound), GRADES[-1])


def _x(weight: float) -> float:
    return LEFT + (weight - LEAST_BIT) / (MOST_BIT + 1 - LEAST_BIT) * (WIDTH - LEFT - 10)


def weights_svg(title: str, counts: Mapping[int, int], bounds: Sequence[float]) -> str:
    """A drawing of how many pairs have each weight, on a logarithmic scale, with the bounds of the grades."""
    top = max(counts.values(), default=1)
    decades = max(1, int(log10(top)) + 1)
    scale = (HEIGHT - BOTTOM - TOP) / decades

    def y(count: float) -> float:
        return HEIGHT - BOTTOM - scale * log10(max(count, 1))

    parts = [_text(LEFT, 16, title, anchor="start", bold=True)]
    for decade in range(decades + 1):
        parts += [_line(LEFT, y(10**decade), WIDTH - 10, y(10**decade), "#e3e5ea"), _text(LEFT - 6, y(10**decade) + 4, f"{10**decade:,}", anchor="end")]
    for bit, count in sorted(counts.items()):
        low = y(1) + 3
        parts.append(
            f'<rect x="{_x(bit):.1f}" y="{y(count):.1f}" width="{_x(1) - _x(0) - 1:.1f}" height="{low - y(count):.1f}" fill="{COLOURS[_grade(bit, bounds)]}">'
            f"<title>{bit} to {bit + 1} bits: {count:,} pairs</title></rect>"
        )
    for grade, bound in zip(GRADES, bounds, strict=False):
        parts += [_line(_x(bound), TOP, _x(bound), HEIGHT - BOTTOM + 4, COLOURS[grade], dashed=True), _text(_x(bound) + 4, TOP + 10 + 12 * GRADES.index(grade), f"{grade} from {bound:.2f}", anchor="start", fill=COLOURS[grade])]
    parts += [_text(_x(bit), HEIGHT - BOTTOM + 18, str(bit)) for bit in range(LEAST_BIT, MOST_BIT + 1, 10)]
    parts.append(_text(WIDTH / 2, HEIGHT - 6, "weight (bits)"))
    return _svg(WIDTH, HEIGHT, parts)


def shares_svg(title: str, shares: Sequence[Share]) -> str:
    """A drawing of the share of records linked in each group, with its 95 % interval; the first row is all records."""
    height = TOP + ROW * len(shares) + 30
    left, width = 260, WIDTH - 260 - 130
    parts = [_text(10, 16, title, anchor="start", bold=True)]
    whole = shares[0].linked / max(shares[0].records, 1) if shares else 0.0
    parts.append(_line(left + width * whole, TOP, left + width * whole, height - 24, "#2b7a3d", dashed=True))
    for place, one in enumerate(shares):
        y, share = TOP + ROW * place + ROW / 2, one.linked / max(one.records, 1)
        parts += [
            _text(left - 8, y + 4, one.group if one.kind == "all" else f"{one.kind}: {one.group}", anchor="end"),
            _line(left + width * one.low, y, left + width * one.high, y, "#7d8aa5"),
            f'<circle cx="{left + width * share:.1f}" cy="{y:.1f}" r="4" fill="#1f4e8c"/>',
            _text(left + width + 8, y + 4, f"{share:.1%} of {one.records:,}", anchor="start"),
        ]
    parts += [_text(left + width * tenth / 10, height - 8, f"{tenth * 10} %") for tenth in range(0, 11, 2)]
    return _svg(WIDTH, height, parts)


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" font-family="system-ui,sans-serif" font-size="11">'
    return "".join([head, f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>', *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, anchor: str = "middle", fill: str = "#1a1d24", *, bold: bool = False) -> str:
    weight = ' font-weight="600" font-size="13"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{dash}/>'


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(f'{cell:,}' if isinstance(cell, int) else str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def drawings(report: MatchingReport) -> dict[str, str]:
    """The drawings, by file name."""
    sampled = f"Pairs of {report.sample:,} records drawn at random with their candidates"
    return {
        "sampled-weights.svg": weights_svg(sampled, report.sampled, report.bounds),
        "stored-weights.svg": weights_svg("Open scored edges", report.stored, report.bounds),
        "shares.svg": shares_svg("Records linked to another, by source and subgroup", report.shares),
    }


def page(report: MatchingReport, drawn: Mapping[str, str]) -> str:
    """The page: every drawing and every count."""
    totals = [
        ("records", report.records), ("persons", report.persons), ("records linked to another", report.linked), ("records whose search waits", report.pending),
        ("edges that another model scored", report.other_models),
    ]  # fmt: skip
    warnings = [f"{one.field} agrees among links {abs(one.bits):.1f} bits {'more' if one.bits > 0 else 'less'} than the model expects" for one in report.drifts if abs(one.bits) >= DRIFTED]
    warnings += [f"{one.persons:,} persons: {one.reason}" for one in report.suspicions if one.persons]
    parts = [
        f"<h1>Matching</h1><p>{escape(report.at)}, model {escape(report.model[:12])}. It holds counts and ids of persons, no values.</p>",
        "<ul>" + "".join(f'<li class="warn">{escape(one)}</li>' for one in warnings) + "</ul>" if warnings else "",
        _table(("", "count"), totals), "<h2>Weights</h2>", drawn["sampled-weights.svg"], drawn["stored-weights.svg"],
        _table(("veto on a pair that would be certain", "pairs of the sample"), sorted(report.vetoed.items())),
        "<h2>Edges</h2>", _table(("kind", "grade", "open edges"), [(*name, count) for name, count in sorted(report.edges.items())]),
        "<h2>Review items</h2>", _table(("kind", "state", "items"), [(*name, count) for name, count in sorted(report.reviews.items())]),
        "<h2>Sources and subgroups</h2>", drawn["shares.svg"],
        _table(
            ("", "group", "records", "linked", "asked about", "share linked", "from", "to"),
            [(s.kind, s.group, s.records, s.linked, s.asked, f"{s.linked / max(s.records, 1):.3f}", f"{s.low:.3f}", f"{s.high:.3f}") for s in report.shares],
        ),
        "<h2>Persons that may be several</h2>",
        _table(("why", "persons", "for example"), [(s.reason, s.persons, ", ".join(s.examples)) for s in report.suspicions]),
        "<h2>Drift of the weights</h2>",
        _table(("field", "links", "agreeing", "m of the model", "bits"), [(d.field, d.pairs, f"{d.agreeing:.4f}", f"{d.m:.4f}", f"{d.bits:+.2f}") for d in report.drifts]),
        "<h2>Blocks</h2>",
        _table(("key family", "blocks", "mean size", "largest", "over the cap"), [(b.family, b.blocks, f"{b.mean:.2f}", b.largest, b.over_cap) for b in report.blocks]),
    ]  # fmt: skip
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Matching</title><style>{_STYLE}</style></head><body>{"".join(parts)}</body></html>\n'


def _metric(name: str, value: float, **labels: str) -> str:
    said = ",".join(f"{key}={orjson.dumps(text).decode()}" for key, text in labels.items())
    return f"weald_matching_{name}{f'{{{said}}}' if said else ''} {value:g}" if isinstance(value, float) else f"weald_matching_{name}{f'{{{said}}}' if said else ''} {value}"


def metrics(report: MatchingReport) -> str:
    """The counts as gauges in Prometheus text form."""
    groups: dict[str, list[str]] = {
        "records": [_metric("records", report.records)],
        "persons": [_metric("persons", report.persons)],
        "pending": [_metric("pending", report.pending)],
        "edges": [_metric("edges", count, kind=kind, grade=grade) for (kind, grade), count in sorted(report.edges.items())],
        "edges_of_other_models": [_metric("edges_of_other_models", report.other_models)],
        "reviews": [_metric("reviews", count, kind=kind, state=state) for (kind, state), count in sorted(report.reviews.items())],
        "linked_share": [_metric("linked_share", s.linked / max(s.records, 1), by=s.kind, group=s.group) for s in report.shares],
        "asked_share": [_metric("asked_share", s.asked / max(s.records, 1), by=s.kind, group=s.group) for s in report.shares],
        "suspect_persons": [_metric("suspect_persons", s.persons, reason=s.reason) for s in report.suspicions],
        "drift_bits": [_metric("drift_bits", d.bits, field=d.field) for d in report.drifts],
        "sampled_vetoes": [_metric("sampled_vetoes", count, veto=veto) for veto, count in sorted(report.vetoed.items())],
        "largest_block": [_metric("largest_block", b.largest, family=b.family) for b in report.blocks],
        "blocks_over_cap": [_metric("blocks_over_cap", b.over_cap, family=b.family) for b in report.blocks],
    }
    return "".join(f"# TYPE weald_matching_{name} gauge\n" + "\n".join(lines) + "\n" for name, lines in groups.items() if lines)


def as_json(report: MatchingReport) -> bytes:
    """The report as JSON."""
    said = asdict(report)
    for name in ("edges", "reviews"):
        said[name] = [[*key, count] for key, count in sorted(getattr(report, name).items())]
    for name in ("sampled", "stored"):
        said[name] = sorted(getattr(report, name).items())
    for name in ("shares", "drifts", "blocks", "suspicions"):
        said[name] = [one._asdict() for one in getattr(report, name)]
    return orjson.dumps(said, option=orjson.OPT_INDENT_2)


def write_report(folder: Path, report: MatchingReport) -> tuple[Path, ...]:
    """Write all files of the report into the folder, made where it is missing; returns them, the page first."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValue(f"{folder} cannot be made: {error.strerror}.") from None
    drawn = drawings(report)
    texts = {"matching.html": page(report, drawn), "matching.json": as_json(report).decode() + "\n", "matching.prom": metrics(report), **drawn}
    for name, text in texts.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in texts)
