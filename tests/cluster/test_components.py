"""Very many tracks: the way for them gives what the direct way gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from lambdas.cluster import components as blocks
from lambdas.cluster import identities
from lambdas.cluster.components import components
from lambdas.cluster.identities import Tracks, agglomerate, agglomerate_in_parts, identify
from tests.cluster.factory import DISTANCES, faces_of, near


def crowd(
    seed: int, count: int, people: int, distance: float, dimension: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of `people` met again and again, about `distance` apart within one person, and who each is of."""
    rng = np.random.default_rng(seed)
    who = rng.integers(people, size=count)
    noise = rng.normal(size=(count, dimension)) / np.sqrt(dimension)
    vectors = faces_of(seed, people, dimension)[who] + np.sqrt(distance / (1 - distance)) * noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), who


def same_partition(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    pairs = len({*zip(one.tolist(), other.tolist(), strict=True)})
    return pairs == len(set(one.tolist())) == len(set(other.tolist()))


def test_no_faces_have_no_components() -> None:
    assert len(components(np.zeros((0, 8), np.float32), 0.5)) == 0


def test_one_face_is_one_component() -> None:
    assert components(faces_of(0, 1), 0.5).tolist() == [0]


@pytest.mark.parametrize("limit", [0.05, 0.35, 0.5, 0.7])
def test_components_are_those_of_dbscan(monkeypatch: pytest.MonkeyPatch, limit: float) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    vectors, _ = crowd(1, 700, 40, 0.4)
    expected = DBSCAN(eps=limit, min_samples=1, metric="cosine").fit(vectors).labels_
    assert components(vectors, limit).tolist() == expected.tolist()


@pytest.mark.parametrize("dimension", [128, 512])
@pytest.mark.parametrize("count", [1, 2, 3, 17, 260, 2500])
def test_few_faces_have_the_components_of_dbscan_too(count: int, dimension: int) -> None:
    for seed in range(1 if count > 1000 else 8):
        for distance in (0.14, 0.42):
            vectors, _ = crowd(seed, count, max(1, count // 6), distance, dimension)
            # A track without an embedded face is all zeros: one apart from everything.
            vectors[seed % count] = 0
            for limit in (DISTANCES.strict, DISTANCES.same, DISTANCES.suggest):
                expected = DBSCAN(eps=limit, min_samples=1, metric="cosine").fit(vectors).labels_
                assert components(vectors, limit).tolist() == expected.tolist()


def test_a_chain_through_all_blocks_is_one_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 8)
    angle = np.random.default_rng(2).permutation(200) * 0.01
    chain = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert set(components(chain, 1e-4).tolist()) == {0}
    assert len(set(components(chain, 1e-5).tolist())) == 200


@pytest.mark.parametrize("linkage", ["average", "complete"])
def test_small_tables_give_what_one_large_one_gives(linkage: str) -> None:
    vectors, who = crowd(3, 900, 60, 0.4)
    apart = np.array([(i, i + 1) for i in range(0, 898, 2) if who[i] != who[i + 1]])
    ones = np.ones(len(vectors))
    whole = agglomerate(vectors, ones, apart, 0.5, linkage)  # type: ignore[arg-type]
    parts = agglomerate_in_parts(vectors, ones, apart, 0.5, linkage)  # type: ignore[arg-type]
    assert len(vectors) > identities.SMALL_TABLE
    assert parts.tolist() == whole.tolist()


def tracks_of(vectors: NDArray[np.float32], chunk: NDArray[np.int64], conflicts: NDArray[np.int64]) -> Tracks:
    count = len(vectors)
    return Tracks(
        chunk=chunk,
        number=np.arange(count),
        rows=[np.array([i]) for i in range(count)],
        embedding=vectors,
        weight=np.ones(count, np.float32),
        faces=np.full(count, 3),
        face_sum=vectors * 3,
        weak=np.random.default_rng(4).random(count) < 0.1,
        unclear=np.zeros(count, bool),
        conflicts=conflicts,
    )


@pytest.mark.parametrize(("distance", "dimension"), [(0.14, 128), (0.3, 128), (0.3, 512)])
def test_reducing_per_chunk_finds_the_people_that_the_direct_way_finds(
    monkeypatch: pytest.MonkeyPatch, distance: float, dimension: int
) -> None:
    vectors, who = crowd(5, 3000, 50, distance, dimension)
    conflicts = np.array([(i, i + 1) for i in range(0, 2998, 2) if who[i] != who[i + 1]])
    tracks = tracks_of(vectors, np.arange(3000) // 50, conflicts)
    direct = identify(tracks, [], DISTANCES).of_track
    monkeypatch.setattr(identities, "LARGEST_TABLE", 200)
    monkeypatch.setattr(identities, "SMALL_TABLE", 40)
    assert same_partition(identify(tracks, [], DISTANCES).of_track, direct)


def test_one_person_of_more_tracks_than_a_table_holds_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "LARGEST_TABLE", 100)
    (face,) = faces_of(6, 1)
    vectors = np.array([near(face, 0.24, seed) for seed in range(700)])
    tracks = tracks_of(vectors, np.zeros(700, np.int64), np.zeros((0, 2), np.int64))
    assert set(identify(tracks, [], DISTANCES).of_track.tolist()) == {0}
