"""The fixed subset of real film: as many people as there are, each by a picture one would publish."""

from pathlib import Path

import pytest

from benchmarks.accuracy import real
from benchmarks.accuracy.clips import MissingData
from benchmarks.accuracy.table import Part

PACKS = ("test pack", "open")


@pytest.fixture(scope="module")
def part(videos: Path, test_pack: Path) -> Part:
    if not (videos.parent / "real/truth.json").is_file():
        pytest.skip(f"needs real/truth.json in {videos.parent}")
    return real.run(quick=True)


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("video", real.QUICK)
def test_people_of_real_film_are_counted_right_and_shown_well(part: Part, video: str, pack: str) -> None:
    assert part.numbers[f"{pack}.{video}.off"] == 0
    assert part.numbers[f"{pack}.{video}.below"] == 0


def test_the_subset_is_what_is_named(part: Part) -> None:
    assert {key for key in part.numbers if key.endswith(".off")} == {
        f"{pack}.{video}.off" for pack in PACKS for video in real.QUICK
    }


def test_every_labelled_stretch_of_the_videos_is_within_them(videos: Path) -> None:
    try:
        found = real.real_videos(videos.parent)
    except MissingData as missing:
        pytest.skip(str(missing))
    labelled = {video.name: {one.person for one in video.labelled} for video in found if video.labelled}
    counts = {video.name: video.people.most for video in found}
    assert {name: len(people) for name, people in labelled.items()} == {name: counts[name] for name in labelled}
    assert all(one.start_s < one.end_s for video in found for one in video.labelled)


def test_without_real_film_the_part_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no real film"):
        real.real_videos(tmp_path)
