"""PySceneDetect decides by what was kept of each frame as it does by the frames; `layout` runs in its SceneManager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenedetect
from numpy.typing import NDArray
from scenedetect import FrameTimecode

from lambdas.cluster.scenes import border_score
from lambdas.contracts import Settings
from lambdas.detect.shots.features import ContentScorer
from lambdas.shots.scene_detectors import frame_feature, library_cuts
from talent_frames.demo import CUT_FRAMES, FPS
from talent_frames.layout_detector import LayoutDetector

LIBRARY: dict[str, Any] = {
    "content": lambda: scenedetect.ContentDetector(27.0, 0.6),
    "adaptive": lambda: scenedetect.AdaptiveDetector(3.0, 0.6),
    "hash": lambda: scenedetect.HashDetector(0.35, 8, 2, 0.6),
    "histogram": lambda: scenedetect.HistogramDetector(0.2, 128, 0.6),
    "threshold": lambda: scenedetect.ThresholdDetector(12, 0.6),
}


def settings_of(name: str) -> Settings:
    return Settings.model_validate({"scene_detector": name})


def film(seed: int) -> list[NDArray[np.uint8]]:
    """400 frames of shots that move, some cut to after a frame or two, with a fade through black and a flash."""
    rng = np.random.default_rng(seed)
    frames: list[NDArray[np.uint8]] = []
    while len(frames) < 400:
        shot = rng.uniform(0, 255, (12, 16, 3)) * rng.uniform(0.3, 1.0)
        picture = np.kron(shot, np.ones((12, 16, 1)))
        for number in range(int(rng.choice([2, 8, 30, 60]))):
            moved = np.roll(picture, number, axis=1) + rng.normal(0, 3, picture.shape)
            frames.append(np.clip(moved, 0, 255).astype(np.uint8))
    frames = frames[:400]
    for step in range(41):
        share = abs(step - 20) / 20
        frames[150 + step] = (frames[150 + step] * (share if share > 0.2 else 0)).astype(np.uint8)
    frames[300] = np.full_like(frames[300], 250)
    return frames


def by_the_library(name: str, frames: list[NDArray[np.uint8]]) -> list[float]:
    detector = LIBRARY[name]()
    cuts: list[FrameTimecode] = []
    for number, frame in enumerate(frames):
        cuts += detector.process_frame(FrameTimecode(number, fps=float(FPS)), frame)
    cuts += detector.post_process(FrameTimecode(len(frames) - 1, fps=float(FPS)))
    return sorted({cut.seconds for cut in cuts})


def by_us(name: str, frames: list[NDArray[np.uint8]], border: int) -> list[float]:
    """As detect and cluster do it: what is kept of two chunks, decided at once."""
    scores: list[float] = []
    for chunk in (frames[:border], frames[border:]):
        scorer = ContentScorer()
        scores += [scorer.score(frame) for frame in chunk]
    scores[border] = border_score(frames[border - 1], frames[border])
    features = np.array([frame_feature(frame, name) for frame in frames], np.float32)
    return library_cuts(
        np.arange(len(frames)) / FPS, np.array(scores), features.reshape(len(frames), -1), settings_of(name)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", LIBRARY)
def test_cuts_are_those_the_library_finds_in_the_frames(name: str, seed: int) -> None:
    frames = film(seed)
    expected = by_the_library(name, frames)
    assert len(expected) >= (1 if name == "threshold" else 3)
    # The middle of a fade is a frame to the library, a millisecond here.
    assert by_us(name, frames, border=137) == pytest.approx(expected, abs=1 / FPS if name == "threshold" else 1e-6)


@pytest.mark.parametrize("name", LIBRARY)
def test_nothing_and_a_single_frame_have_no_cuts(name: str) -> None:
    nothing = np.zeros(0)
    assert library_cuts(nothing, nothing, np.zeros((0, 0), np.float32), settings_of(name)) == []
    frame = film(1)[0]
    one = frame_feature(frame, name)[None]
    assert library_cuts(np.zeros(1), np.zeros(1), one, settings_of(name)) == []


def test_no_more_is_kept_of_a_frame_than_its_detector_needs() -> None:
    frame = film(1)[0]
    kept = {name: len(frame_feature(frame, name)) for name in ("layout", *LIBRARY)}
    assert kept == {"layout": 0, "content": 0, "adaptive": 0, "hash": 64, "histogram": 128, "threshold": 1}


def test_each_detector_goes_by_its_own_threshold() -> None:
    frames = film(2)
    for name, blunt in (
        ("content", {"scene_threshold": 255.0}),
        ("adaptive", {"adaptive_ratio": 100.0}),
        ("hash", {"hash_distance": 1.0}),
        ("histogram", {"histogram_difference": 1.0}),
        ("threshold", {"fade_level": 0.0}),
    ):
        features = np.array([frame_feature(frame, name) for frame in frames], np.float32).reshape(len(frames), -1)
        scorer = ContentScorer()
        scores = np.array([scorer.score(frame) for frame in frames])
        usual, less = (
            len(library_cuts(np.arange(len(frames)) / FPS, scores, features, Settings.model_validate(given)))
            for given in ({"scene_detector": name}, {"scene_detector": name, **blunt})
        )
        assert less < usual, name


def test_layout_runs_in_the_librarys_scene_manager(demo_clip: Path) -> None:
    manager = scenedetect.SceneManager()
    manager.add_detector(LayoutDetector())
    manager.detect_scenes(scenedetect.open_video(str(demo_clip)))
    scenes = manager.get_scene_list()
    assert tuple(start.frame_num for start, _ in scenes[1:]) == CUT_FRAMES


def test_layout_beside_another_detector_finds_nothing_in_nothing() -> None:
    detector = LayoutDetector()
    assert isinstance(detector, scenedetect.SceneDetector)
    assert detector.post_process(FrameTimecode(0, fps=25.0)) == []
    assert detector.process_frame(FrameTimecode(0, fps=25.0), film(1)[0]) == []
    assert detector.post_process(FrameTimecode(0, fps=25.0)) == []
