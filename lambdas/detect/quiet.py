"""Whether the rest of a GOP need not be decoded: nothing has changed, and its packets hold nothing new.

Within a shot two looks must find the same faces in the same places of the same picture, all clean and each of them once
surely so (or three looks find them equal; or one, if only people are wanted, finds faces that could hardly be better);
then the rest of the GOP, and of each later one of the shot, is passed over
while its packets tell of nothing new. The next keyframe shows whether that was right; if it shows something else, what
was passed over is decoded after all, unless the encoder put the keyframe there for a cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings, SourceFacts
from lambdas.detect.frames import ChunkReader, Frame, Outlook
from lambdas.detect.provisional import is_nearly_best, is_surely_clean
from lambdas.detect.scenes import SceneScorer, fair_value, middle_reach_s
from lambdas.detect.tracks import Sighting, best_pairs, overlaps
from lambdas.scoring import named_flags

SAME_PICTURE = 18.0
"""Content value (0 to 255) below which two frames show the same picture; cuts start at 27, heads that move give 3 to 8,
people who walk or drive up to 18."""
_CUT = 27.0
_UNCHANGED = 8.0
"""Content value below which the keyframe after a stretch passed over shows the picture of the last look, so that no
look is needed; and below which a shot's first look shows the picture that it began with, not a dissolve on its way."""
_NO_DISSOLVE = 12.0
"""The same of two looks about a second apart where scenes are wanted: in a dissolve it is 12 to 20."""
_SAME_PLACE = 0.3
"""Intersection over union from which a face is where it was a look ago."""
_REACH_S, _SHORT_REACH_S = 10.0, 2.5
"""Longest stretch passed over: the GOP of 250 frames that most encoders make, at 25 a second; and, where keyframes need
not stand at cuts, once one had to be decoded after all, which takes its whole GOP."""
_HISTORY_S = 2.0
_SHORTEST_HISTORY_S = 0.9
_FEWEST_PACKETS = 6
"""Packets that tell what is usual: those of so many seconds, at least of so many, and no fewer."""
_LARGE_PACKET = 2.5
"""Times the 90th percentile of those before: what a cut without a keyframe mostly needs (3 to 10 times)."""
_SHORTEST_GOP_FRAMES = 25
"""So soon after a keyframe x264 and x265 put none for a cut (their `min-keyint` for usual settings)."""
_AS_LARGE_AS_KEY, _ABOVE_USUAL = 1.1, 1.15
"""Times the keyframe's bytes, and the 90th percentile of the others', from which it may be a cut then: three such took
1.15 to 1.64 and 1.19 to 2.2 times as much."""
_ONE_PEAK_S = 0.2
_BUSY_WINDOW_S = 1 / 3
_BUSY_WINDOW = 2.0
"""Times the median of the windows before: somebody coming in doubles the bits, one who talks stays below mostly."""
_RECOVERED = 3
"""Windows after which the encoder has made up for a cut: from there on, what is ahead is a measure of itself."""
_ANOTHER_PICTURE = 0.25
"""Share of a keyframe's bytes that a window of a dissolve takes at least, since it replaces the picture."""
_NOTHING = 0.005
"""Share of a keyframe's bytes below which a packet, or such a window's, tells of nothing: a still picture's noise. A
face of 40 pixels takes about as much."""
_AGAIN_S = 0.4
"""After a shot's first look the second comes so much later: blinks and head turns are over then."""
_ENOUGH_LOOKS = 3
"""Where only people are wanted, so many looks that found the same faces are enough if each was clean in one of them."""
_EQUAL_LOOKS, _AS_MUCH = 2, 0.85
"""Where faces are not surely clean, so many equal looks before tell what is usual for them; and what is equal."""
_STILL_IN_VIEW = 0.75
"""Share of the logit of a face in view below which it has turned away or is covered."""
_TRUST_S = 1.2
"""Nearest keyframe that can stand in for the second look."""
_CLOSE_S = 0.1
_OF_REACH = 0.95
"""Share of the distance from a scene's middle within which its frame is looked for."""
_IRREGULAR = 0.85
"""A keyframe sooner than this share of the encoder's longest GOP was put there for its cut."""


Activity = Literal["even", "uneven", "busy"]


@dataclass(frozen=True)
class Verdict:
    """What is to be done after a look."""

    passed_over: Outlook | None = None
    """What comes up to the next keyframe, if that may be passed over."""
    is_even: bool = False
    """Whether none of its packets stands out."""
    on_trust: bool = False
    """Whether the look at the next keyframe must show the same faces, or what was passed over is to be decoded."""
    again_s: float | None = None
    """When one more look will tell; none is needed before."""


@dataclass(frozen=True)
class Resumption:
    """What the keyframe after a stretch passed over shows."""

    shows: Literal["same shot", "cut", "change"]
    """`change` says that the stretch is to be decoded after all."""
    seen: list[Sighting] | None = None
    """The keyframe's faces where it was looked at and shows the same shot."""
    verdict: Verdict | None = None
    """Where no look was needed."""
    look_often: bool = False
    """Whether the stretch needs more looks than usual."""


@dataclass(frozen=True)
class _Look:
    """One look for faces."""

    small: NDArray[np.uint8]
    sightings: list[Sighting]

    def is_clean(self) -> bool:
        """Whether each face is fit to be published, as far as is known."""
        return all(face.absolute.is_clean for face in self.sightings)

    def is_surely_clean(self) -> bool:
        """Whether each face is, whatever may be usual for the person."""
        return all(map(is_surely_clean, self.sightings))

    def is_nearly_best(self) -> bool:
        """Whether there are faces, none of which could be shown much better."""
        return bool(self.sightings) and all(map(is_nearly_best, self.sightings))

    def has_faces_of(self, other: _Look) -> bool:
        """Whether both show as many faces in the same places."""
        return self.pairs(other.sightings) is not None

    def resembles(self, other: _Look, within: float = SAME_PICTURE) -> bool:
        """Whether both show as many faces in the same places of pictures whose content value is below `within`."""
        return self.has_faces_of(other) and difference(self.small, other.small) < within

    def assures(self, other: _Look) -> bool:
        """Whether each face is surely clean in one of two looks that resemble one another."""
        return all(any(map(is_surely_clean, pair)) for pair in self.pairs(other.sightings) or [])

    def equals(self, other: _Look) -> bool:
        """Whether eyes are as open, and faces in view as much, in two looks that resemble one another.

        Faces too small to be read don't differ.
        """
        return not any(
            min(a, b) < _AS_MUCH * max(a, b)
            for first, second in self.pairs(other.sightings) or []
            for a, b in (
                (first.expression.opening, second.expression.opening),
                (first.expression.in_view, second.expression.in_view),
            )
        )

    def pairs(self, others: list[Sighting]) -> list[tuple[Sighting, Sighting]] | None:
        """Each face with the one in its place in another look; None unless all have one."""
        if len(self.sightings) != len(others):
            return None
        found = best_pairs(overlaps(_boxes(self.sightings), _boxes(others)), _SAME_PLACE)
        if len(found) < len(self.sightings):
            return None
        return [(self.sightings[row], others[column]) for row, column in found]


class Quiet:
    """Follows one pass over a chunk and says when the rest of a GOP can be passed over."""

    def __init__(
        self,
        reader: ChunkReader,
        source: SourceFacts,
        settings: Settings,
        same_face: Callable[[Sighting, Sighting], bool],
    ) -> None:
        """`same_face` says whether two faces in one place, one after the other, are one person's."""
        self._reader = reader
        self._source = source
        self._same_face = same_face
        self._cut_at = settings.scene_threshold
        # What is told from neighbours (adaptive cuts) or asked for in full needs every frame.
        self._needs_middles = settings.scenes
        self._may = not settings.thorough and settings.scene_detector != "adaptive"
        self._shot_s = -math.inf
        self._began: NDArray[np.uint8] | None = None
        """The running shot's first picture."""
        self._look: _Look | None = None
        self._assured = False
        """Whether the running shot's faces were surely clean, or equal often enough."""
        self._equal = 0
        """Looks before the last one that equal it, one after the other."""
        self._looks = 0
        """Looks that found the faces of the last one in their places, one after the other."""
        self._clean_once: set[Sighting] = set()
        """The last look's faces that were clean in one of these."""
        self._key_pts: int | None = None
        self._gop = 0
        self._reach_s = _REACH_S

    def key(self, pts: int) -> None:
        """A keyframe came."""
        self._gop = pts - self._key_pts if self._key_pts is not None else 0
        self._key_pts = pts

    def cut(self, t_s: float, small: NDArray[np.uint8]) -> None:
        """A shot begins with this picture."""
        self._shot_s = t_s
        self._began = small
        self._look = None
        self._equal = self._looks = 0
        self._clean_once = set()
        self._assured = False

    def was_wrong(self) -> None:
        """What was passed over held something new."""
        if not self._source.cut_keyframes_within:
            self._reach_s = _SHORT_REACH_S

    def resume(
        self,
        frame: Frame,
        t_s: float,
        small: NDArray[np.uint8],
        value: float,
        passed: Verdict,
        length_s: float,
        look: Callable[[], list[Sighting]],
        *,
        dimmed: bool,
        may_go_unseen: bool,
    ) -> Resumption:
        """What a keyframe shows, in `small` and by a `look` if need be, after so many seconds were passed over.

        `value` is the content value between it and the frame before the stretch.
        """
        if value >= self._cut_at and self._is_of_cut(passed, length_s):
            return Resumption("cut")
        another = dimmed or value >= SAME_PICTURE
        of_encoder = self._is_put_there() and passed.is_even
        if self._needs_middles and not of_encoder and (dimmed or value >= self._cut_at):
            # Scenes are told by pictures: a fade or a cut has to be found.
            return Resumption("change")
        if value < _UNCHANGED and not another and may_go_unseen:
            verdict = self._unchanged(frame, t_s)
            if verdict.passed_over is not None:
                return Resumption("same shot", verdict=verdict)
        seen = look()
        if another and not self._went_on(value, seen):
            is_cut = of_encoder or (not self._needs_middles and self._is_of_cut(passed, length_s))
            return Resumption("cut" if is_cut else "change")
        if self._lost_sight(seen):
            return Resumption("change", look_often=True)
        if passed.on_trust and not self._is_confirmed_by(small, seen):
            return Resumption("change")
        return Resumption("same shot", seen)

    def _is_of_cut(self, passed: Verdict, length_s: float) -> bool:
        """Whether another picture at the keyframe that came is a cut there, though the frames before it, of so many
        seconds, were passed over.

        That is so where the encoder put the keyframe there for a cut, or would have put one at any cut before it and no
        packet tells of anything else. Without scenes a cut need not be known to the frame.
        """
        if self._is_put_there():
            return True
        near = not self._needs_middles and length_s <= _TRUST_S
        return near or (passed.is_even and self._source.cut_keyframes_within > 0)

    def _is_put_there(self) -> bool:
        """Whether the keyframe that came is one that the encoder put there for a cut."""
        most_s = self._source.cut_keyframes_within / self._source.fps if self._source.fps else 0.0
        return self._gop * float(self._source.time_base) < _IRREGULAR * most_s

    def key_follows(self, pts: int, end_pts: int) -> bool:
        """Whether a keyframe comes after `pts` and before `end_pts`."""
        outlook = self._reader.outlook(pts, max(0, end_pts - pts))
        return outlook is not None and outlook.next_key_pts is not None and outlook.next_key_pts < end_pts

    def _is_confirmed_by(self, small: NDArray[np.uint8], sightings: list[Sighting]) -> bool:
        """Whether a look shows what the one before it did, faces that are clean."""
        look = _Look(small, sightings)
        return self._look is not None and look.resembles(self._look) and look.is_clean()

    def _went_on(self, value: float, sightings: list[Sighting]) -> bool:
        """Whether the same people are where they were in the look before."""
        before = self._look
        pairs = None if before is None else before.pairs(sightings)
        if not pairs:
            # Nobody then and nobody now, in a picture that moved.
            return pairs is not None and not self._needs_middles and value < self._cut_at
        return all(self._same_face(then, now) for then, now in pairs)

    def _lost_sight(self, sightings: list[Sighting]) -> bool:
        """Whether somebody who was clean in the look before has turned away or is hidden, blurred or dark now.

        How that came about tells the tracker that it is the same person.
        """
        before = self._look
        if before is None or not before.is_clean():
            return False
        return any(
            _is_spoilt(now, then) and not self._same_face(then, now)
            for now, then in _Look(before.small, sightings).pairs(before.sightings) or []
        )

    def after_look(self, frame: Frame, t_s: float, small: NDArray[np.uint8], sightings: list[Sighting]) -> Verdict:
        """What a look for faces in this frame says about the rest of its GOP."""
        before = self._look
        within = _NO_DISSOLVE if self._needs_middles and not self._assured else SAME_PICTURE
        moved = before is not None and not _Look(small, sightings).resembles(before, within)
        if moved and self._assured and not self._needs_middles:
            assert before is not None
            moved = not self._went_on(difference(small, before.small), sightings)
        self._look = _Look(small, sightings)
        self._follow(before)
        if before is not None and moved:
            self._equal = 0
            # Whoever is new, or elsewhere, has to be seen clean as well.
            self._assured &= self._look.has_faces_of(before)
            return Verdict()
        if before is not None and not self._assured:
            both_clean = self._look.is_clean() and before.is_clean()
            self._equal = self._equal + 1 if both_clean and self._look.equals(before) else 0
            self._assured = both_clean and (self._look.assures(before) or self._equal >= _EQUAL_LOOKS)
            if not self._needs_middles:
                self._assured |= self._looks >= _ENOUGH_LOOKS and len(self._clean_once) == len(sightings)
            if not both_clean and not self._assured:
                return Verdict()
        if before is None and not self._needs_middles and self._began is not None:
            # Where no look could show anybody much better, one is enough.
            self._assured = self._look.is_nearly_best() and difference(small, self._began) < _UNCHANGED
        return self._outcome(frame, t_s, first=before is None)

    def _follow(self, before: _Look | None) -> None:
        """Counts the looks, and the clean ones of each face, that found what the latest does."""
        assert self._look is not None
        pairs = None if before is None else self._look.pairs(before.sightings)
        if pairs is None:
            self._looks = 1
            self._clean_once = {face for face in self._look.sightings if face.absolute.is_clean}
        else:
            self._looks += 1
            self._clean_once = {now for now, then in pairs if now.absolute.is_clean or then in self._clean_once}

    def _unchanged(self, frame: Frame, t_s: float) -> Verdict:
        """The same of a frame without a look, that shows the picture of the look before."""
        return self._outcome(frame, t_s, first=False) if self._assured else Verdict()

    def _outcome(self, frame: Frame, t_s: float, *, first: bool) -> Verdict:
        if not self._may:
            return Verdict()
        outlook = self._reader.outlook(frame.pts, self._source.pts(self._reach_s) - self._source.start_pts)
        if outlook is None or outlook.next_key_pts is None:
            return Verdict()
        at_end = outlook.next_key_pts >= self._reader.chunk.end_pts
        if at_end and not self._source.cut_keyframes_within:
            # The chunk's last frame is compared with the next one's first: a cut may be anywhere before it.
            return Verdict()
        until_s = self._source.seconds(outlook.next_key_pts)
        activity = self._activity(outlook, frame.pts)
        if activity == "busy" or (at_end and activity != "even"):
            return Verdict()
        is_even = activity == "even"
        # If the shot ends with the GOP, its middle is still to come.
        length_s = until_s - self._shot_s
        middle_s = self._shot_s + length_s / 2 - _OF_REACH * middle_reach_s(length_s)
        again_s = t_s if self._assured else t_s + _AGAIN_S
        if self._needs_middles:
            again_s = max(again_s, middle_s)
        if again_s <= t_s:
            return Verdict(passed_over=outlook, is_even=is_even)
        clean = self._look is not None and self._look.is_surely_clean()
        if first and clean and until_s - t_s <= _TRUST_S and middle_s <= t_s + _CLOSE_S:
            return Verdict(passed_over=outlook, is_even=is_even, on_trust=True)
        return Verdict(again_s=again_s)

    def _activity(self, outlook: Outlook, pts: int) -> Activity:
        """Whether the packets after `pts` are larger than is usual in a way that may mean something new, or some are
        but mean nothing, or none is."""
        seconds = np.asarray((outlook.times - self._source.start_pts) * float(self._source.time_base), np.float64)
        now_s = self._source.seconds(pts)
        plain = ~outlook.keys
        ahead = plain & (seconds > now_s)
        if not ahead.any():
            return "even"
        # A shot's first frames are still recovering from the cut.
        usual = plain & (seconds <= now_s) & (seconds >= max(now_s - _HISTORY_S, self._shot_s))
        if usual.sum() < _FEWEST_PACKETS or now_s - float(seconds[usual][0]) < _SHORTEST_HISTORY_S:
            # Too few to know what is usual: what is ahead is measured by itself.
            usual = ahead
        if usual.sum() < _FEWEST_PACKETS:
            return "busy"
        nothing = _NOTHING * float(np.median(outlook.sizes[outlook.keys])) if outlook.keys.any() else 0.0
        high = float(np.percentile(outlook.sizes[usual], 90))
        large = max(nothing, _LARGE_PACKET * high)
        cuts = self._may_be_cuts(outlook, seconds) & (outlook.sizes > _ABOVE_USUAL * high)
        peaks = seconds[ahead][(outlook.sizes[ahead] > large) | cuts[ahead]]
        if len(peaks) and not self._harmless(peaks, outlook, now_s):
            return "busy"
        sizes = np.minimum(outlook.sizes, large)
        following = _windows(seconds[ahead], sizes[ahead])
        before = np.median(_windows(seconds[usual], sizes[usual]))
        if following.max() > max(nothing, _BUSY_WINDOW * before):
            return "busy"
        # After a dissolve what came before is no measure: the next one would seem usual.
        later = following[_RECOVERED:]
        another = _ANOTHER_PICTURE * float(np.median(outlook.sizes[outlook.keys])) if outlook.keys.any() else 0.0
        if len(later) and later.max() > max(another, _BUSY_WINDOW * float(np.median(following))):
            return "busy"
        return "uneven" if len(peaks) else "even"

    def _may_be_cuts(self, outlook: Outlook, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) Which packets outweigh the keyframe that they come too soon after for the encoder to put another one."""
        keys = np.flatnonzero(outlook.keys)
        if not len(keys) or not self._source.cut_keyframes_within or not self._source.fps:
            return np.zeros(len(seconds), bool)
        soon = seconds < seconds[keys[-1]] + _SHORTEST_GOP_FRAMES / self._source.fps
        return np.asarray(soon & (outlook.sizes > _AS_LARGE_AS_KEY * outlook.sizes[keys[-1]]), np.bool_)

    def _harmless(self, peaks: NDArray[np.float64], outlook: Outlook, now_s: float) -> bool:
        """Whether packets far larger than others, at these seconds, can be no cuts, or will be found out."""
        assert outlook.next_key_pts is not None
        key_s = self._source.seconds(self._key_pts) if self._key_pts is not None else -math.inf
        if self._source.cut_keyframes_within and self._source.fps:
            # The encoder would have put a keyframe there, were it a cut. What was encoded before has such peaks where
            # its own keyframes were.
            return bool(peaks[0] - key_s >= _SHORTEST_GOP_FRAMES / self._source.fps)
        near = self._source.seconds(outlook.next_key_pts) - now_s <= _TRUST_S
        # One cut leaves another picture at the keyframe; two might bring the first one back.
        return bool(near and peaks[-1] - peaks[0] <= _ONE_PEAK_S)


def _is_spoilt(now: Sighting, then: Sighting) -> bool:
    """Whether a face has turned away or is hidden, blurred or dark since a look found it clean."""
    turned = now.expression.in_view < _STILL_IN_VIEW * then.expression.in_view
    return turned or bool(set(named_flags(now.absolute.flags)) - {"eyes_closed"})


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """By how much two BGR pictures of one size differ: a content value (0 to 255), see `fair_value`."""
    scorer = SceneScorer()
    scorer.score(first)
    return fair_value(scorer.score(second), first, second, _CUT)


def _boxes(sightings: Sequence[Sighting]) -> NDArray[np.float32]:
    return np.array([one.box for one in sightings], np.float32).reshape(-1, 4)


def _windows(seconds: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bytes in each stretch of _BUSY_WINDOW_S; the last, incomplete one counts if it is the only one."""
    place = ((seconds - seconds[0]) / _BUSY_WINDOW_S).astype(int)
    sums = np.asarray(np.bincount(place, sizes), np.float64)
    return sums[:-1] if len(sums) > 1 else sums
