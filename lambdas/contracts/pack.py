"""What a run records about its model pack."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lambdas.contracts.contract import Contract


class Distances(Contract):
    """A pack's cosine distances (0 to 2) between L2-normed embeddings."""

    same: Annotated[float, Field(gt=0, lt=2)]
    """DBSCAN's eps between tracks."""
    strict: Annotated[float, Field(gt=0, lt=2)]
    """Below it two tracks on either side of a chunk border are surely one person."""
    attach: Annotated[float, Field(gt=0, lt=2)]
    """A weak track joins its nearest person below it."""
    suggest: Annotated[float, Field(gt=0, lt=2)]
    """Two people below it are suggested as a merge."""
    name: Annotated[float, Field(gt=0, lt=2)]
    """A person takes a gallery identity's name below it."""


class PackFacts(Contract):
    """What a run records about its models."""

    name: str
    licence: str
    commercial_use: bool
    detector: str
    embedder: str
    embedding_size: Annotated[int, Field(gt=0)]
    sha256: str
    """Of the pack's files: sha256 over the sorted `name sha256` lines."""
    distances: Distances
