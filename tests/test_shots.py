"""Scene changes by layout, from what frames were measured to be."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import Settings
from lambdas.shots.change import Change
from lambdas.shots.columns import LAYOUT_CELLS, SceneColumns
from lambdas.shots.layouts import layout_change
from lambdas.shots.scene_changes import find_changes

FPS = 25
Front = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""How late a wipe comes to the cells at (x, y), 0 to 1."""


def place(number: int) -> NDArray[np.float64]:
    """One place's layout, 0 to 1."""
    return np.random.default_rng(number).uniform(0, 1, (LAYOUT_CELLS, LAYOUT_CELLS, 3))


def columns(seconds: float, cuts: list[float], luma: dict[tuple[float, float], float] | None = None) -> SceneColumns:
    """A new place after each cut; brightness 0.5 but in the half-open spans of `luma`."""
    t_s = np.arange(round(seconds * FPS)) / FPS
    brightness = np.full(len(t_s), 0.5)
    for (start, end), value in (luma or {}).items():
        brightness[(t_s >= start - 1e-9) & (t_s < end - 1e-9)] = value
    scores = np.full(len(t_s), 2.0) + 85 * np.abs(np.diff(brightness, prepend=brightness[:1]))
    for cut in cuts:
        scores[round(cut * FPS)] = 60.0
    shots = np.searchsorted(cuts, t_s + 1e-9, side="right")
    layout = np.array([place(shot) for shot in range(len(cuts) + 1)])[shots] * 2 * brightness[:, None, None, None]
    return SceneColumns(t_s, scores, brightness, np.clip(255 * layout, 0, 255).astype(np.uint8))


def shown(layout: NDArray[np.float64], scores: NDArray[np.float64] | None = None) -> SceneColumns:
    """Frames (k, LAYOUT_CELLS, LAYOUT_CELLS, 3) 0 to 1 as columns, content from how much they differ."""
    steps = np.abs(np.diff(layout, axis=0, prepend=layout[:1])).mean(axis=(1, 2, 3))
    return SceneColumns(
        np.arange(len(layout)) / FPS,
        170 * steps if scores is None else scores,
        layout.mean(axis=(1, 2, 3)),
        np.clip(255 * layout, 0, 255).astype(np.uint8),
    )


def find_cuts(columns: SceneColumns, settings: Settings) -> list[float]:
    return [change.at_s for change in find_changes(columns, settings)]


def test_without_frames_there_are_no_cuts() -> None:
    nothing = np.zeros(0)
    none = SceneColumns(nothing, nothing, nothing, np.zeros((0, LAYOUT_CELLS, LAYOUT_CELLS, 3), np.uint8))
    assert find_cuts(none, Settings()) == []


def test_a_single_frame_has_no_cuts() -> None:
    one = SceneColumns(
        np.zeros(1), np.zeros(1), np.full(1, 0.5), np.zeros((1, LAYOUT_CELLS, LAYOUT_CELLS, 3), np.uint8)
    )
    assert find_cuts(one, Settings()) == []


def test_hard_cuts_are_found_to_the_frame() -> None:
    assert find_cuts(columns(20, [4.0, 9.48, 15.0]), Settings()) == pytest.approx([4.0, 9.48, 15.0])


def test_the_threshold_is_a_setting() -> None:
    assert find_cuts(columns(20, [4.0]), Settings(scene_detector="content", scene_threshold=61.0)) == []


def test_cuts_closer_than_a_scene_may_be_short_are_one() -> None:
    first, last = find_cuts(columns(20, [4.0, 4.4, 15.0]), Settings(min_scene_s=0.6))
    assert first in (pytest.approx(4.0), pytest.approx(4.4))
    assert last == pytest.approx(15.0)


@pytest.mark.parametrize("length_s", [0.04, 0.12, 0.28])
def test_a_flash_is_not_a_scene(length_s: float) -> None:
    flashing = columns(20, [15.0], {(5.0, 5.0 + length_s): 0.95})
    assert find_cuts(flashing, Settings()) == pytest.approx([15.0])


@pytest.mark.parametrize("frames", [3, 12])
def test_somebody_who_passes_close_before_the_camera_makes_no_cut(frames: int) -> None:
    layout = np.concatenate([np.repeat(place(number)[None], count, axis=0) for number, count in ((1, 50), (2, frames))])
    assert find_cuts(shown(np.concatenate([layout, layout[:50]])), Settings()) == []


def test_a_bright_shot_is_a_scene() -> None:
    assert find_cuts(columns(20, [], {(5.0, 7.0): 0.95}), Settings(scene_detector="content")) == pytest.approx(
        [5.0, 7.0]
    )


def test_a_fade_through_black_is_one_cut_in_its_middle() -> None:
    ramp = {(9.0 + i / FPS, 9.0 + (i + 1) / FPS): 0.5 * (1 - i / 25) for i in range(25)}
    ramp |= {(10.0, 11.0): 0.0}
    ramp |= {(11.0 + i / FPS, 11.0 + (i + 1) / FPS): 0.5 * i / 25 for i in range(25)}
    assert find_cuts(columns(20, [], ramp), Settings()) == pytest.approx([10.5], abs=0.1)


def test_hard_cuts_to_and_from_black_are_one_cut() -> None:
    assert find_cuts(columns(20, [], {(10.0, 11.0): 0.0}), Settings()) == pytest.approx([10.5], abs=0.05)


def test_black_at_the_ends_and_a_dropped_picture_are_no_cuts() -> None:
    dark = {(0.0, 1.0): 0.0, (10.0, 10.04): 0.0, (19.0, 20.0): 0.0}
    assert find_cuts(columns(20, [], dark), Settings()) == []


def test_dark_that_is_not_quite_black_at_the_ends_makes_no_cut() -> None:
    trace = np.random.default_rng(9).normal(0.02, 0.004, (LAYOUT_CELLS, LAYOUT_CELLS, 1)) * np.ones(3)
    layout = np.concatenate([np.repeat(one[None], 50, axis=0) for one in (trace, place(1), trace)])
    assert find_cuts(shown(layout), Settings()) == []


def test_a_fade_that_turns_before_it_is_black_is_one_change_from_its_beginning_to_its_end() -> None:
    light = np.interp(np.arange(200), [88, 100, 112], [1.0, 0.1, 1.0])[:, None, None, None]
    (found,) = find_changes(shown(two_places() * light), Settings())
    assert found.ends == pytest.approx((3.52, 4.48), abs=0.1)


@pytest.mark.parametrize(("light", "cuts"), [(0.16, []), (1.0, [2.0])])
def test_in_the_dark_a_high_content_value_alone_makes_no_cut(light: float, cuts: list[float]) -> None:
    layout = np.repeat([place(1), 0.6 * place(1) + 0.4 * place(2)], 50, axis=0) * light
    # Hue is noise there: content goes up while the layout hardly changes.
    assert find_cuts(shown(layout, np.where(np.arange(100) == 50, 60.0, 2.0)), Settings()) == cuts


@pytest.mark.parametrize(("around", "cuts"), [(30.0, []), (2.0, [2.0])])
def test_content_that_changes_as_much_all_around_makes_no_cut(around: float, cuts: list[float]) -> None:
    layout = np.repeat([place(1), 0.5 * place(1) + 0.5 * place(2)], 50, axis=0)
    assert find_cuts(shown(layout, np.where(np.arange(100) == 50, 50.0, around)), Settings()) == cuts


def test_light_that_changes_for_good_is_no_scene() -> None:
    assert find_cuts(columns(20, [], {(5.0, 7.0): 0.65, (9.0, 12.0): 0.3}), Settings()) == []


def test_a_cut_between_pale_pictures_is_found() -> None:
    layout = 0.5 + 0.08 * (np.concatenate([np.repeat(place(n)[None], 50, axis=0) for n in (1, 2)]) - 0.5)
    assert find_cuts(shown(layout), Settings()) == [2.0]


def test_noise_on_a_blank_wall_is_no_scene() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.004, (200, LAYOUT_CELLS, LAYOUT_CELLS, 3))
    assert find_cuts(shown(noise), Settings()) == []


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.6, 2.4])
def test_a_dissolve_is_one_change_in_its_middle(seconds: float) -> None:
    t_s = np.arange(8 * FPS) / FPS
    share = np.clip((t_s - (4 - seconds / 2)) / seconds, 0, 1)[:, None, None, None]
    found = find_changes(shown(place(1) * (1 - share) + place(2) * share), Settings())
    assert [change.at_s for change in found] == [pytest.approx(4.0, abs=0.1 + seconds / 10)]
    assert found[0].end_s > found[0].start_s


def test_a_title_fading_in_is_no_scene() -> None:
    t_s = np.arange(8 * FPS) / FPS
    share = np.clip(np.minimum(t_s - 3, 6 - t_s) / 0.5, 0, 1)[:, None, None, None]
    title = np.zeros((LAYOUT_CELLS, LAYOUT_CELLS, 1))
    title[6:10, 2:14] = 1.0
    assert find_cuts(shown(place(1) * (1 - share * title) + share * title), Settings()) == []


def test_a_board_that_fades_in_over_half_of_the_picture_is_no_scene() -> None:
    board = np.arange(LAYOUT_CELLS)[:, None] >= LAYOUT_CELLS // 2
    assert find_cuts(shown(between(np.where(board, over(0.5), 0.0))), Settings()) == []


def test_a_picture_that_goes_on_changing_is_no_dissolve() -> None:
    # Another place every third of a second, little by little: water, smoke or a turning wheel.
    way = np.clip((np.arange(200) - 50) / 8, 0, 12)
    layout = [place(int(at)) * (1 - at % 1) + place(int(at) + 1) * (at % 1) for at in way]
    assert find_cuts(shown(np.array(layout)), Settings()) == []


def test_a_thrown_camera_is_no_scene() -> None:
    wide = np.random.default_rng(3).uniform(0, 1, (LAYOUT_CELLS, 128, 3))
    wide = np.stack([np.roll(wide, shift, axis=1) for shift in range(8)]).mean(axis=0)
    left = np.concatenate([np.zeros(40), np.linspace(0, 80, 9), np.full(40, 80)])
    layout = [np.roll(wide, -int(at), axis=1)[:, :LAYOUT_CELLS] for at in left]
    assert find_cuts(shown(np.array(layout)), Settings()) == []


def test_strobing_to_black_is_no_scene() -> None:
    dark = {(5 + n * 0.24, 5 + n * 0.24 + 0.12): 0.0 for n in range(8)}
    assert find_cuts(columns(20, [15.0], dark), Settings()) == pytest.approx([15.0])


def in_bars(
    layout: NDArray[np.float64], width: float, height: float = LAYOUT_CELLS, level: float = 0.0
) -> NDArray[np.float64]:
    """Frames (k, rows, columns, 3) shrunk to so many cells and put between bars, whose borders may cross cells."""
    fine = 8
    result = []
    for frame in layout:
        size = round(width * fine), round(height * fine)
        picture = np.full((LAYOUT_CELLS * fine, LAYOUT_CELLS * fine, 3), level)
        top, left = (LAYOUT_CELLS * fine - size[1]) // 2, (LAYOUT_CELLS * fine - size[0]) // 2
        shrunk = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        picture[top : top + size[1], left : left + size[0]] = shrunk
        result.append(cv2.resize(picture, (LAYOUT_CELLS, LAYOUT_CELLS), interpolation=cv2.INTER_AREA))
    return np.array(result)


def two_places(seconds: float = 8.0) -> NDArray[np.float64]:
    """One place for half of the time, then another."""
    half = round(seconds * FPS / 2)
    return np.concatenate([np.repeat(place(number)[None], half, axis=0) for number in (1, 2)])


def between(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames that show the second place by so much; `share` (k, rows, columns) or (k, 1, 1)."""
    return place(1) * (1 - share[..., None]) + place(2) * share[..., None]


def over(seconds: float, middle_s: float = 4.0) -> NDArray[np.float64]:
    """(k, 1, 1) how much of a transition is over, in 8 s."""
    t_s = np.arange(8 * FPS) / FPS
    return np.clip((t_s - (middle_s - seconds / 2)) / seconds, 0, 1)[:, None, None]


BARS = {"pillars": (8.6, 16, 0.0), "letterbox": (16, 9.3, 0.0), "window": (11, 10.5, 0.0), "gray": (9.4, 11, 0.3)}


@pytest.mark.parametrize("bars", BARS.values(), ids=BARS)
def test_bars_of_any_shape_do_not_make_pictures_alike(bars: tuple[float, float, float]) -> None:
    one, two = ((255 * in_bars(place(number)[None], *bars)).astype(np.uint8).reshape(1, -1, 3) for number in (1, 2))
    # Drawn places have nothing in common: without the bars, their change is 1.
    assert layout_change(one, two)[0] > 0.75
    assert layout_change(one, one)[0] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("bars", BARS.values(), ids=BARS)
def test_a_dissolve_between_bars_is_found(bars: tuple[float, float, float]) -> None:
    found = find_changes(shown(in_bars(between(over(0.8)), *bars)), Settings())
    assert [change.at_s for change in found] == [pytest.approx(4.0, abs=0.2)]


def test_a_fade_to_white_between_black_bars_is_found() -> None:
    t_s = np.arange(8 * FPS) / FPS
    white = np.clip(1 - np.abs(t_s - 4) / 0.5, 0, 1)[:, None, None, None]
    found = find_changes(shown(in_bars(two_places() * (1 - white) + white, 8.6)), Settings())
    assert [change.at_s for change in found] == [pytest.approx(4.0, abs=0.1)]


def test_a_cut_between_black_and_white_pictures_in_bars_is_found() -> None:
    gray = np.repeat(two_places().mean(axis=3, keepdims=True), 3, axis=3)
    # A third of what colours would give: hue and saturation are the same.
    scores = np.where(np.arange(len(gray)) == len(gray) // 2, 9.0, 0.3)
    assert find_cuts(shown(in_bars(gray, 8.6), scores), Settings()) == [4.0]


def test_a_cut_between_pale_portraits_is_found_amid_calm() -> None:
    same = place(3)
    pictures = [0.5 + 0.1 * (0.62 * same + 0.38 * place(number) - 0.5) for number in (1, 2)]
    layout = np.concatenate([np.repeat(picture[None], 50, axis=0) for picture in pictures])
    change = layout_change(*((255 * layout[[at]]).astype(np.uint8).reshape(1, -1, 3) for at in (0, -1)))[0]
    assert 0.25 < change < 0.45
    scores = np.where(np.arange(100) == 50, 8.0, 0.2)
    assert find_cuts(shown(layout, scores), Settings()) == [2.0]


def test_a_cut_to_writing_on_black_is_no_fade() -> None:
    card = np.zeros((LAYOUT_CELLS, LAYOUT_CELLS, 3))
    card[7:9, 5:11] = 0.12
    layout = np.concatenate([np.repeat(place(1)[None], 50, axis=0), np.repeat(card[None], 50, axis=0)])
    assert float(layout[-1].mean()) < 0.04
    assert find_cuts(shown(layout), Settings()) == [2.0]


FRONTS = {
    "from the left": lambda x, y: x,
    "from the bottom": lambda x, y: 1 - y,
    "aslant": lambda x, y: (x + y) / 2,
    "iris": lambda x, y: np.hypot(x - 0.5, y - 0.5) / np.hypot(0.5, 0.5),
    "blinds": lambda x, y: (4 * x) % 1,
}


@pytest.mark.parametrize("soft", [0.05, 0.3])
@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
def test_a_wipe_is_one_change_from_its_first_frame_to_its_last(front: Front, soft: float) -> None:
    y, x = np.mgrid[0.5:LAYOUT_CELLS, 0.5:LAYOUT_CELLS] / LAYOUT_CELLS
    place_of_front = over(0.8) * (1 + soft)
    share = np.clip((place_of_front - front(x, y)) / soft, 0, 1)
    found = find_changes(shown(between(share)), Settings())
    assert [change.at_s for change in found] == [pytest.approx(4.0, abs=0.12)]
    assert found[0].start_s == pytest.approx(3.6, abs=0.2)
    assert found[0].end_s == pytest.approx(4.4, abs=0.2)


def slid(way: str, side: int, seconds: float) -> NDArray[np.float64]:
    frames = []
    for share in over(seconds)[:, 0, 0]:
        at = share * LAYOUT_CELLS
        one, two = (np.rot90(place(number), side) for number in (1, 2))
        strip = np.concatenate([two, one], axis=1)
        x = np.arange(LAYOUT_CELLS, dtype=np.float64)
        both = np.array([_columns(strip, LAYOUT_CELLS - at + x), _columns(one, x), _columns(two, x)])
        covered = (x < at)[None, :, None]
        pushed = both[0]
        frame = {
            "push": pushed,
            "cover": np.where(covered, pushed, both[1]),
            "reveal": np.where(covered, both[2], pushed),
        }
        frames.append(np.rot90(frame[way], -side))
    return np.array(frames)


def _columns(picture: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of a picture, between whole numbers mixed of both."""
    low = np.clip(np.floor(at).astype(int), 0, picture.shape[1] - 1)
    high = np.minimum(low + 1, picture.shape[1] - 1)
    share = (at - np.floor(at))[None, :, None]
    return picture[:, low] * (1 - share) + picture[:, high] * share


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("way", ["push", "cover", "reveal"])
def test_a_slide_is_one_change(way: str, side: int) -> None:
    found = find_changes(shown(slid(way, side, 1.0)), Settings())
    assert [change.at_s for change in found] == [pytest.approx(4.0, abs=0.2)]
    assert found[0].end_s - found[0].start_s > 0.5


def test_somebody_who_walks_in_and_stays_is_no_wipe() -> None:
    x = (np.arange(LAYOUT_CELLS) / LAYOUT_CELLS)[None, None, :]
    share = np.broadcast_to((x < 0.4 * over(0.8)).astype(float), (8 * FPS, LAYOUT_CELLS, LAYOUT_CELLS))
    assert find_cuts(shown(between(share)), Settings()) == []


def test_a_camera_that_jerks_amid_motion_makes_no_cut() -> None:
    wide = cv2.GaussianBlur(np.random.default_rng(3).uniform(0, 1, (64, 64, 3)), (0, 0), 2)
    wide = (wide - wide.mean()) * 6 + 0.5
    # It trembles by a cell all the time, and once by three.
    at = 20 + np.arange(100) % 2 + np.where(np.arange(100) >= 50, 4, 0)
    jerk, scores = [wide[20:36, left : left + 16] for left in at], np.where(np.arange(100) == 50, 60.0, 8.0)
    assert find_cuts(shown(np.clip(np.array(jerk), 0, 1), scores), Settings()) == []
    elsewhere = [wide[40:56, left : left + 16] for left in at[50:]]
    assert find_cuts(shown(np.clip(np.array(jerk[:50] + elsewhere), 0, 1), scores), Settings()) == [2.0]


def test_changes_are_ordered_and_at_least_a_scene_apart() -> None:
    rng = np.random.default_rng(5)
    cuts = np.sort(rng.uniform(1, 59, 60)).round(2).tolist()
    found = find_changes(columns(60, cuts), Settings(min_scene_s=0.6))
    assert found == sorted(found)
    assert np.diff([change.at_s for change in found]).min() >= 0.6


def test_the_time_taken_grows_as_the_film_does() -> None:
    """A search that looked back over the whole film would take sixteen times as long for four times the film."""

    def cpu_s(length_s: int) -> float:
        film = columns(length_s, np.arange(5, length_s, 7.0).tolist())
        started = time.process_time()
        assert len(find_changes(film, Settings())) == len(range(5, length_s, 7))
        return time.process_time() - started

    quarter = min(cpu_s(900) for _ in range(2))
    assert cpu_s(3600) < 8 * quarter


def test_a_change_lies_in_the_middle_of_its_span() -> None:
    assert Change(1.0, 2.0).at_s == 1.5
