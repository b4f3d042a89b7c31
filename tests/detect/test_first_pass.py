"""One pass over a chunk: what is decoded and sampled, what is skipped, and what stands for it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.accuracy.clips import write
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.first_pass import FirstPass, first_pass, standing
from lambdas.detect.tracking.detection import CarriedOver, FaceDetection
from tests.clips import ffmpeg
from tests.detect.factory import chunk_of, context_of, embeddings, face_at, source_of
from tests.detect.test_chunk_reader import facts

Image = NDArray[np.uint8]
Shown = Callable[[int], list[FaceDetection]]


def place(number: int, width: int = 160, height: int = 96) -> Image:
    """A picture of coloured shapes, another one for each number."""
    coarse = np.random.default_rng(number).integers(40, 215, (6, 10, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def detailed(number: int) -> Image:
    """The same at 640x360 and full of detail: what stays as it is takes next to nothing of a keyframe's bytes."""
    grain = np.random.default_rng(number).integers(-30, 30, (360, 640, 1))
    return np.asarray(np.clip(place(number, 640, 360) + grain, 0, 255), np.uint8)


class Known:
    """Finds in a frame who is known to be there."""

    dimensions = 8

    def __init__(self, shown: Shown, rate: float) -> None:
        self._shown, self._rate = shown, rate
        self.sampled: list[int] = []
        self.frames = 0
        self.tick: Callable[[int], float] = float

    def detect(self, frame: Frame, *, dense: bool = False, near: object = None) -> list[FaceDetection]:
        self.frames += 1
        number = round(self.tick(frame.pts) * self._rate)
        if not dense:
            self.sampled.append(number)
        return [
            FaceDetection(
                frame.pts, self.tick(frame.pts), one.box, one.landmarks, one.quality, one.crop, one.expression,
                dense=dense,
            )
            for one in self._shown(number)
        ]  # fmt: skip


def clean(number: int) -> list[FaceDetection]:
    return [face_at(number, score=0.95)]


def passed(
    clip: Path, shown: Shown = clean, *, cuts_known: int = 0, rate: float = 25.0, **settings: object
) -> tuple[FirstPass, Known, Callable[[int], int]]:
    """The pass over a clip, what was sampled, and what gives a frame's number."""
    source = facts(clip, cut_keyframes_within=cuts_known, fps=rate, duration_s=60.0)
    context = context_of(source, settings=settings)
    analyzer = Known(shown, rate)
    analyzer.tick = source.seconds
    with ChunkReader(str(clip), clip.name, source, chunk_of()) as reader:
        seen = first_pass(reader, context, cast(FaceAnalyzer, analyzer), embeddings())
    return seen, analyzer, lambda pts: round(source.seconds(pts) * rate)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 frames of one picture, a keyframe every 50."""
    clip = tmp_path_factory.mktemp("pass") / "still.mp4"
    write(clip, iter([detailed(1)] * 250), 25, gop=50)
    return clip


def two_places(folder: Path, cut: int, gop: int = 50) -> Path:
    clip = folder / "two.mp4"
    write(clip, (detailed(1 if number < cut else 2) for number in range(250)), 25, gop=gop, keyframes={cut})
    return clip


def carried_of(seen: FirstPass) -> list[CarriedOver]:
    return sorted((event for _, event in seen.events if isinstance(event, CarriedOver)), key=lambda one: one.t_s)


@pytest.mark.parametrize("scenes", [True, False])
def test_of_a_quiet_clip_few_frames_are_decoded_and_moments_carried_over_stand_for_the_rest(
    still: Path, scenes: bool
) -> None:
    seen, analyzer, _ = passed(still, scenes=scenes)
    every, _, _ = passed(still, scenes=scenes, thorough=True)
    assert len(seen.features) < 0.6 * len(every.features)
    carried = carried_of(seen)
    known = sorted({round(t_s) for t_s, _ in seen.events})
    assert known == list(range(10))
    assert carried
    assert len(analyzer.sampled) < 10
    # Each stands for the sample before it.
    assert all(moment.sampled_s < moment.t_s for moment in carried)
    assert {moment.sampled_s for moment in carried} <= {t_s for t_s, faces in seen.events}


def test_where_something_new_shows_at_the_next_keyframe_its_gop_is_decoded(tmp_path: Path, still: Path) -> None:
    # The encoder puts no keyframes at cuts, as far as is known: the change may be anywhere before.
    clip = two_places(tmp_path, 150)
    seen, _, number_of = passed(clip)
    numbers = [number_of(one.pts) for one in seen.features]
    assert sum(100 <= number < 150 for number in numbers) >= 15
    calm, _, number_in = passed(still)
    assert sum(100 <= number_in(one.pts) < 150 for one in calm.features) < 15
    assert [number_of(one.pts) for one in seen.features if one.content >= 27] == [150]
    assert seen.exact == set()


def test_a_cut_that_the_encoder_put_its_keyframe_at_is_known_without_what_lies_before(tmp_path: Path) -> None:
    clip = two_places(tmp_path, 135, gop=100)
    seen, _, number_of = passed(clip, cuts_known=100)
    assert [number_of(pts) for pts in seen.exact] == [135]
    assert [number_of(one.pts) for one in seen.features if one.content >= 27] == [135]
    assert sum(100 < number_of(one.pts) < 135 for one in seen.features) < 10


def test_a_shot_s_first_frame_decides_on_no_skip_before_the_encoder_has_recovered_from_its_cut(still: Path) -> None:
    # Where only people are wanted, a sample as good as can be is enough.
    seen, analyzer, _ = passed(still, scenes=False)
    first, after_cut = analyzer.sampled[:2]
    assert (first, 5 <= after_cut <= 7) == (0, True)
    assert carried_of(seen)[0].sampled_s == after_cut / 25


@pytest.mark.parametrize("setting", [{"thorough": True}, {"scene_detector": "adaptive"}])
def test_nothing_is_skipped_where_every_frame_is_asked_for(still: Path, setting: dict[str, Any]) -> None:
    seen, _, _ = passed(still, **setting)
    assert carried_of(seen) == []
    assert max(np.diff([one.t_s for one in seen.features])) <= 0.13


def test_who_is_never_clean_is_sampled_all_along(still: Path) -> None:
    def blinking(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.8, eyes_open=0.1)]

    seen, analyzer, _ = passed(still, blinking)
    assert carried_of(seen) == []
    assert len(analyzer.sampled) >= 10


def test_frames_that_stand_for_seconds_are_carried_over_until_the_next(tmp_path: Path) -> None:
    clip = tmp_path / "slides.mp4"
    write(clip, (place(number) for number in range(5)), Fraction(1, 4), gop=1)  # type: ignore[arg-type]
    seen, _, _ = passed(clip, rate=0.25)
    assert [one.t_s for one in seen.features] == pytest.approx([0, 4, 8, 12, 16])
    assert sorted(round(t_s) for t_s, _ in seen.events) == list(range(20))
    assert [round(moment.t_s) for moment in carried_of(seen)] == [t_s for t_s in range(20) if t_s % 4]
    assumed = [one for one in seen.features_with_carried() if one.is_assumed]
    assert [round(one.t_s) for one in assumed] == [t_s for t_s in range(20) if t_s % 4]


def test_a_standing_frame_is_carried_over_a_period_apart_and_not_without_end() -> None:
    source = source_of()
    assert [moment.t_s for moment in standing(1.0, 4.0, 1.0, source)] == [2.0, 3.0]
    assert [moment.t_s for moment in standing(1.0, 4.1, 1.0, source)] == [2.0, 3.0, 4.0]
    assert standing(1.0, 2.0, 1.0, source) == []
    assert len(standing(0.0, 1e6, 1.0, source)) == 600


def test_each_shot_is_refined_and_what_was_skipped_is_not(tmp_path: Path) -> None:
    def moving(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.8 - 0.001 * abs(number % 100 - 60))]

    clip = two_places(tmp_path, 150)
    seen, analyzer, number_of = passed(clip, moving, thorough=False, scene_detector="adaptive")
    dense = [faces[0] for _, faces in seen.events if not isinstance(faces, CarriedOver) and faces[0].dense]
    assert analyzer.frames == len(analyzer.sampled) + len(dense)
    assert {number_of(face.pts) >= 150 for face in dense} == {False, True}
    assert {number_of(pts) >= 150 for pts in seen.pictures} == {False, True}


def test_every_frame_of_a_tiny_clip_is_compared(tmp_path: Path) -> None:
    clip = tmp_path / "tiny.mp4"
    write(clip, iter([place(1)] * 20), 25)
    source = facts(clip, duration_s=0.8)
    with ChunkReader(str(clip), clip.name, source, chunk_of()) as reader:
        seen = first_pass(reader, context_of(source), cast(FaceAnalyzer, Known(lambda number: [], 25)), embeddings())
    assert len(seen.features) == 20


def test_a_chunk_without_frames_sees_nothing(still: Path) -> None:
    source = facts(still, duration_s=60.0)
    empty = chunk_of(1, start_pts=10**9, end_pts=10**9 + 9, decode_from_pts=10**9)
    with ChunkReader(str(still), still.name, source, empty) as reader:
        analyzer = Known(clean, 25)
        seen = first_pass(reader, context_of(source, empty), cast(FaceAnalyzer, analyzer), embeddings())
    assert (seen.features, seen.events, seen.frames, seen.pictures) == ([], [], {}, {})
    assert (seen.features_with_carried(), seen.first_small.shape) == ([], (0, 256, 3))


def many_cuts(folder: Path, at: tuple[int, ...], grain: float = 12) -> Path:
    """Hard cuts at frames that others may not refer to: the encoder puts no keyframe there.

    There is so much grain, in grey levels, that a cut takes no larger packets than anything else.
    """
    clip = folder / "cuts.mp4"
    noise = np.random.default_rng(7)
    raw = [place(sum(number >= cut for cut in at)) + noise.normal(0, grain, (96, 160, 1)) for number in range(200)]
    (folder / "raw").write_bytes(np.clip(raw, 0, 255).astype(np.uint8).tobytes())
    x264 = "-c:v libx264 -preset fast -g 50 -bf 3 -b_strategy 0 -x264-params scenecut=0:threads=1:b-pyramid=none"
    ffmpeg("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "160x96", "-r", "25", "-i", str(folder / "raw"),
           *x264.split(), "-pix_fmt", "yuv420p", str(clip))  # fmt: skip
    return clip
