"""The hard clips say truly who is in them."""

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.accuracy.counting import People
from benchmarks.accuracy.hard_clips import CLIPS, FPS, HEIGHT, WIDTH, HardClip, Part, Props, make_hard, seen_in

EVERYWHERE = (0.0, 0.0, 1.0, 1.0)


def test_who_is_seen_follows_the_parts() -> None:
    def nothing(t_s: float) -> np.ndarray:
        raise AssertionError("nothing is painted")

    parts = [Part(1.0, nothing, ((EVERYWHERE, "a"),)), Part(0.6, nothing), Part(2.0, nothing, ((EVERYWHERE, "b"),))]
    assert [(one.start_s, one.end_s, one.person) for one in seen_in(parts)] == [(0.0, 1.0, "a"), (1.6, 3.6, "b")]
    assert seen_in([]) == []


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_no_more_people_are_labelled_than_counted(clip: HardClip, videos: Path) -> None:
    parts = clip.build(Props(videos.parent))
    people = {person for part in parts for _, person in part.seen}
    assert len(people) <= clip.people.most
    # Where pictures on a wall may count, and where a face is no fair question, fewer are labelled.
    assert clip.people.fewest <= len(people) or clip.name == "posters"


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_a_clip_paints_whole_frames_and_paints_them_alike_again(clip: HardClip, videos: Path) -> None:
    part = clip.build(Props(videos.parent))[-1]
    image = part.paint(0.2)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5
    np.testing.assert_array_equal(part.paint(0.2), image)


def test_a_clip_is_written_once(videos: Path, tmp_path: Path) -> None:
    def nobody(props: Props) -> list[Part]:
        return [Part(0.4, lambda t_s: np.full((HEIGHT, WIDTH, 3), 90, np.uint8))]

    clip = HardClip("nobody", People(0, 0), "a gray wall", nobody)
    (made,) = make_hard(tmp_path, videos.parent, [clip])
    first = made.video.stat().st_mtime_ns
    (again,) = make_hard(tmp_path, videos.parent, [clip])
    assert (again.video, again.video.stat().st_mtime_ns) == (made.video, first)
    with av.open(str(made.video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 0.4 * FPS
    assert made.seen == []
