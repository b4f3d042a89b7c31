"""What is decoded once more: frames around cuts that may lie elsewhere, and frames to be kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.first_pass import first_pass
from lambdas.detect.reread import exact_features, kept_pictures
from tests.detect.factory import chunk_of, context_of, embeddings
from tests.detect.test_chunk_reader import facts
from tests.detect.test_first_pass import Known, many_cuts

CUT = 42


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames with one cut, at a frame that is left out at first."""
    return many_cuts(tmp_path_factory.mktemp("reread"), (CUT,))


class NothingToRead(ChunkReader):
    """Of whom no frame may be asked for."""

    def __init__(self) -> None:
        pass

    def frames(self, *span: object, **every: object) -> Iterator[Frame]:
        raise AssertionError(f"frames are decoded again: {span}")


def context(clip: Path, **settings: object) -> ChunkContext:
    return context_of(facts(clip, duration_s=60.0), settings=settings)


def numbers_of_cuts(clip: Path, *, reread: bool, **settings: object) -> list[int]:
    given = context(clip, **settings)
    with ChunkReader(str(clip), clip.name, given.source, chunk_of()) as reader:
        seen = first_pass(reader, given, cast(FaceAnalyzer, Known(lambda number: [], 25)), embeddings())
        features = exact_features(reader, seen, given) if reread else seen.features
    assert [one.pts for one in features] == sorted({one.pts for one in features})
    return [round(one.t_s * 25) for one in features if one.content >= 27]


def test_a_cut_among_frames_left_out_is_placed_exactly(clip: Path) -> None:
    (late,) = numbers_of_cuts(clip, reread=False)
    assert late > CUT
    assert numbers_of_cuts(clip, reread=True) == [CUT]


@pytest.mark.parametrize(("cut", "hides"), [(44, True), (50, False)], ids=["amid the GOP", "at the keyframe"])
def test_packets_left_out_tell_whether_a_cut_may_hide_among_them(cut: int, hides: bool, tmp_path: Path) -> None:
    calm = many_cuts(tmp_path, (cut,), grain=2)
    with ChunkReader(str(calm), calm.name, facts(calm), chunk_of()) as reader:
        first, second = (gop.first.pts for gop in itertools.islice(reader.gops(), 2))
        assert reader.packets.may_hide_cut(first, second) is hides


def test_where_no_scenes_are_wanted_nothing_is_decoded_again(clip: Path) -> None:
    assert numbers_of_cuts(clip, reread=True, scenes=False) == numbers_of_cuts(clip, reread=False, scenes=False)


def test_frames_wanted_are_encoded_from_what_is_at_hand_or_decoded_again(clip: Path) -> None:
    given = context(clip, scenes=False, size="1080p")
    with ChunkReader(str(clip), clip.name, given.source, chunk_of()) as reader:
        seen = first_pass(reader, given, cast(FaceAnalyzer, Known(lambda number: [], 25)), embeddings())
        every = {frame.pts: frame.bgr() for frame in reader.frames(every=True)}
        times = sorted(every)
        at_hand = sorted(seen.frames)
        wanted = [at_hand[0], times[41], times[61], times[199]]
        pictures = kept_pictures(reader, seen, wanted, given)
    assert set(wanted) <= set(pictures)
    for pts in wanted:
        shown = cv2.imdecode(np.frombuffer(pictures[pts].jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert np.abs(shown.astype(int) - every[pts]).mean() < 3
        assert (pictures[pts].pts, pictures[pts].t_s) == (pts, given.source.seconds(pts))


def test_frames_at_hand_are_not_decoded_again_and_nothing_wanted_decodes_nothing(clip: Path) -> None:
    given = context(clip)
    with ChunkReader(str(clip), clip.name, given.source, chunk_of()) as reader:
        seen = first_pass(reader, given, cast(FaceAnalyzer, Known(lambda number: [], 25)), embeddings())
    assert kept_pictures(NothingToRead(), seen, [], given) == seen.pictures
    at_hand = set(seen.frames) - set(seen.pictures)
    assert at_hand
    assert set(kept_pictures(NothingToRead(), seen, at_hand, given)) == {*seen.pictures, *at_hand}
