"""Shadow edges as a file, so that a relink goes on where it was broken off. It holds record numbers and weights, nothing of a patient."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from app.ingest.shadowing import ScoredEdges
from app.outputs import written_bytes

COLUMNS = ("a", "b", "kind", "grade", "weight")


def shadow_path(folder: Path, model: str) -> Path:
    """Where the shadow edges of a model lie."""
    return folder / f"relink-{model[:16]}.npz"


def write_shadow(path: Path, model: str, at: str, edges: ScoredEdges) -> None:
    """Write the shadow edges that were made under that model at that instant."""
    with written_bytes(path) as stream:
        np.savez(stream, said=np.array([model, at]), **{name: getattr(edges, name) for name in COLUMNS})


def read_shadow(path: Path, model: str) -> tuple[str, ScoredEdges] | None:
    """When the file's shadow edges were made, and they; None where there are none of that model."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            said, at = held["said"].tolist()
            return (at, ScoredEdges(*(held[name] for name in COLUMNS))) if said == model else None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
