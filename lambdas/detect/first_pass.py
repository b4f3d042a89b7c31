"""The first pass over a chunk: every GOP once, features of its frames, faces a scan period apart, each shot refined."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import SourceFacts
from lambdas.detect.context import ChunkContext, Stopwatch
from lambdas.detect.decode.chunk_reader import ChunkReader, Gop
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.faces.sampling import FaceSampling
from lambdas.detect.refinement import Refinement
from lambdas.detect.selection.encode import Picture
from lambdas.detect.selection.frame_cache import FrameCache
from lambdas.detect.shots.feature_track import ComparedFrame, FeatureTrack
from lambdas.detect.shots.features import FrameFeatures
from lambdas.detect.shots.static_gops import Answer, Skip, StaticGops
from lambdas.detect.tracking.association import Event
from lambdas.detect.tracking.detection import CarriedOver, FaceDetection
from lambdas.detect.tracking.embeddings import Embeddings

MOST_STANDING = 600
"""Moments carried over from one frame: a time-lapse holds frames that stand for hours."""
_TINY_S = 2.0
"""Of so short a video every frame may be wanted."""

T = TypeVar("T")


@dataclass(frozen=True)
class FirstPass:
    """What the first pass saw."""

    features: list[FrameFeatures]
    """Of every compared frame, ascending."""
    exact: set[int]
    """PTS of frames after skipped ones that begin a shot for sure."""
    keyframes: list[int]
    """PTS of the keyframes met, ascending."""
    events: list[Event]
    """Faces of sampled and of refined frames, and moments carried over."""
    frames: dict[int, Frame]
    """Frames that may be wanted, still decoded, by PTS."""
    pictures: dict[int, Picture]
    """Frames encoded on the way, by PTS."""
    corrupt: int
    """Damaged frames."""
    first_small: NDArray[np.uint8]
    last_small: NDArray[np.uint8]
    """(h, 256, 3) BGR, the chunk's first and last compared frame; h is 0 if there is none."""

    def features_with_carried(self) -> list[FrameFeatures]:
        """The features, and for moments carried over what they most likely look like, ascending."""
        times = [one.t_s for one in self.features]
        assumed = []
        for _, moment in self.events:
            if isinstance(moment, CarriedOver):
                before = self.features[max(0, bisect.bisect_right(times, moment.t_s) - 1)]
                assumed.append(
                    dataclasses.replace(before, pts=moment.pts, t_s=moment.t_s, content=0.0, is_assumed=True)
                )
        return sorted([*self.features, *assumed], key=lambda one: one.pts)


def first_pass(reader: ChunkReader, context: ChunkContext, analyzer: FaceAnalyzer, embeddings: Embeddings) -> FirstPass:
    """Decodes the whole chunk but for what is static."""
    tiny = 0 < context.source.duration_s <= _TINY_S
    run = _Run(reader, context, analyzer, embeddings, every=tiny)
    skipped: Skip | None = None
    for gop in timed(reader.gops(every=tiny, exact_cuts=context.settings.scenes), context.watch):
        skipped = run.add(gop, skipped)
    return run.finish()


class _Run:
    """The pass so far."""

    def __init__(
        self,
        reader: ChunkReader,
        context: ChunkContext,
        analyzer: FaceAnalyzer,
        embeddings: Embeddings,
        *,
        every: bool,
    ) -> None:
        settings, source = context.settings, context.source
        self._reader = reader
        self._context = context
        self._analyzer = analyzer
        self._features = FeatureTrack(source, settings, context.watch, every=every)
        self._sampling = FaceSampling(context.tier.period_s, prefers_keyframes=not settings.thorough)
        self._static = StaticGops(source, settings, context.chunk.end_pts, analyzer.detect, embeddings.goes_on)
        self._refinement = Refinement(context, analyzer, embeddings)
        self._cache = FrameCache(context)
        self._keyframes: list[int] = []
        self._sampled: list[Event] = []
        self._carried: list[CarriedOver] = []
        self._latest_s: float | None = None
        """The latest compared frame's."""

    def add(self, gop: Gop, skipped: Skip | None) -> Skip | None:
        """Takes the next GOP, after one whose rest was `skipped`; what of this one is skipped."""
        for frame in timed(gop.frames(), self._context.watch):
            if skipped is None:
                compared = self._features.add(frame)
            else:
                compared = self._features.add_after_skip(frame, is_cut=skipped.is_cut)
            if frame.keyframe:
                self._keyframes.append(frame.pts)
                self._static.key(frame.pts)
            for one in compared:
                skip = self._take(gop, one, skipped)
                if skip is not None:
                    return skip
            skipped = None
        return None

    def _take(self, gop: Gop, one: ComparedFrame, skipped: Skip | None) -> Skip | None:
        """Works on one frame, the first after `skipped` ones if there are any; what may be skipped after it."""
        t_s = one.t_s
        if skipped is None and self._latest_s is not None and self._sampling.sampled_s == self._latest_s:
            self._carry_over(standing(self._latest_s, t_s, self._context.tier.period_s, self._context.source))
        if one.is_cut:
            self._refinement.cut(t_s)
            self._cache.cut(t_s)
            self._sampling.cut(t_s)
        if one.is_cut or self._latest_s is None:
            self._static.cut(t_s, one.small)
        self._latest_s = t_s
        answer, faces = self._sample(gop, one, None if one.is_cut else skipped)
        self._refinement.add(one, faces)
        self._cache.add(one, sampled=faces is not None or answer.skip is not None)
        if answer.again_s is not None:
            self._sampling.ask_again(t_s, answer.again_s)
        if answer.skip is not None:
            self._carry_over(self._missed(answer.skip))
        return answer.skip

    def _sample(self, gop: Gop, one: ComparedFrame, skipped: Skip | None) -> tuple[Answer, list[FaceDetection] | None]:
        """The frame's faces if it is to be sampled, and whether what comes after it is static."""
        t_s, frame, small = one.t_s, one.frame, one.small
        if skipped is not None and skipped.next_faces is None:
            with self._context.watch.step("skip"):
                seen = self._sampling.may_go_unseen(t_s)
                answer = self._static.unchanged(gop, frame, t_s, small, may_go_unseen=seen)
            if answer.skip is not None:
                return answer, None
        if not self._sampling.is_due(t_s, keyframe=frame.keyframe, after_skip=skipped is not None):
            return Answer(), None
        faces = skipped.next_faces if skipped is not None else None
        if faces is None:
            faces = self._analyzer.detect(frame)
        self._sampling.sampled(t_s)
        if faces:
            self._sampled.append((t_s, faces))
        if self._sampling.awaits_shot:
            return Answer(), faces
        with self._context.watch.step("skip"):
            return self._static.after_sample(gop, frame, t_s, small, faces), faces

    def _missed(self, skip: Skip) -> list[CarriedOver]:
        """The moments of the skipped stretch at which a sample was due."""
        source = self._context.source
        moments = []
        for due_s in self._sampling.skipped(source.seconds(skip.next_key_pts)):
            pts = int(skip.times[np.abs(skip.times - source.pts(due_s)).argmin()])
            moments.append(CarriedOver(self._sampling.sampled_s, source.seconds(pts), pts))
        return moments

    def _carry_over(self, moments: list[CarriedOver]) -> None:
        self._carried += moments
        self._refinement.carry_over(moments)

    def finish(self) -> FirstPass:
        """The chunk has ended."""
        if self._context.settings.scenes and not self._context.is_last:
            for one in self._features.end():
                if one.is_cut:
                    self._refinement.cut(one.t_s)
                    self._cache.cut(one.t_s)
                self._refinement.add(one, None)
                self._cache.add(one, sampled=False)
        features = self._features.features
        if features and self._sampling.sampled_s == features[-1].t_s:
            # The last frame's length is mostly filled in: it stands as long as the others do, or as long as it says.
            gaps = sorted(later.t_s - one.t_s for one, later in itertools.pairwise(features))
            usual_s = gaps[len(gaps) // 2] if gaps else 0.0
            end_pts = self._reader.end_pts
            shown_s = self._context.source.seconds(end_pts) - features[-1].t_s if end_pts is not None else 0.0
            until_s = features[-1].t_s + max(usual_s, shown_s)
            self._carry_over(standing(features[-1].t_s, until_s, self._context.tier.period_s, self._context.source))
        self._refinement.cut()
        if features:
            self._cache.finish(features[-1].t_s)
        events: list[Event] = [*self._sampled, *self._refinement.detections]
        events += [(moment.t_s, moment) for moment in self._carried]
        return FirstPass(
            features=features,
            exact=self._features.exact,
            keyframes=self._keyframes,
            events=events,
            frames=self._cache.frames,
            pictures=self._cache.pictures | self._refinement.pictures,
            corrupt=self._features.corrupt,
            first_small=self._features.first,
            last_small=self._features.last,
        )


def standing(sampled_s: float, until_s: float, period_s: float, source: SourceFacts) -> list[CarriedOver]:
    """The moments at which a sampled frame still stands, a scan period apart: slides are one frame each."""
    count = min(math.ceil((until_s - sampled_s) / period_s - 1e-3) - 1, MOST_STANDING)
    times = [sampled_s + period_s * number for number in range(1, count + 1)]
    return [CarriedOver(sampled_s, t_s, source.pts(t_s)) for t_s in times]


def timed(items: Iterable[T], watch: Stopwatch) -> Iterator[T]:
    """The items, the time that they take to come counted as decoding."""
    iterator = iter(items)
    while True:
        with watch.step("decode"):
            item = next(iterator, None)
        if item is None:
            return
        yield item
