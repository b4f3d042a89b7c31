"""What is decoded once more: frames around cuts that the first pass could not place exactly, and frames to be kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.decode.frame import Frame
from lambdas.detect.first_pass import FirstPass, timed
from lambdas.detect.selection.encode import Picture, encoded
from lambdas.detect.shots.boundaries import boundary_candidates
from lambdas.detect.shots.features import FEATURE_WIDTH, ContentScorer, FrameFeatures, feature_height, features_of

Span = tuple[int, int]
"""PTS, half open."""


def exact_features(reader: ChunkReader, seen: FirstPass, context: ChunkContext) -> list[FrameFeatures]:
    """The first pass' features with those of every frame where a cut may lie among frames that were left out."""
    if not context.settings.scenes or len(seen.features) + seen.corrupt >= (reader.frame_count or 0):
        return seen.features
    rest = [
        (before, after)
        for before, after in boundary_candidates(seen.features, context.settings.scene_threshold)
        if after not in seen.exact and reader.packets.may_hide_cut(before, after)
    ]
    features = {one.pts: one for one in seen.features}
    source, height = context.source, feature_height(context.source.width, context.source.height)
    spans = [(before, after + 1) for before, after in rest]
    scorer: ContentScorer | None = None
    for frame in timed(_frames(reader, spans, seen.keyframes), context.watch):
        while rest and rest[0][1] < frame.pts:
            rest.pop(0)
            scorer = None
        if frame.corrupt or not rest or frame.pts < rest[0][0]:
            continue
        with context.watch.step("features"):
            small = frame.bgr(FEATURE_WIDTH, height)
            if scorer is None:
                scorer = ContentScorer(small)
            else:
                features[frame.pts] = features_of(
                    frame.pts, source.seconds(frame.pts), small, scorer.score(small), context.settings.scene_detector
                )
        if frame.pts >= rest[0][1]:
            after = rest.pop(0)[1]
            if not (rest and rest[0][0] == after):
                scorer = None
    return [features[pts] for pts in sorted(features)]


def kept_pictures(
    reader: ChunkReader, seen: FirstPass, wanted: Collection[int], context: ChunkContext
) -> dict[int, Picture]:
    """The pictures encoded so far and those of the wanted PTS, decoded again where they are no longer at hand."""
    pictures = dict(seen.pictures)
    missing = {pts for pts in wanted if pts not in pictures}
    for pts in sorted(missing & seen.frames.keys()):
        pictures[pts] = encoded(seen.frames[pts], context)
        missing.remove(pts)
    for frame in timed(_frames(reader, [(pts, pts + 1) for pts in missing], seen.keyframes), context.watch):
        if frame.pts in missing:
            pictures[frame.pts] = encoded(frame, context)
    return pictures


def _frames(reader: ChunkReader, spans: Sequence[Span], keyframes: Sequence[int]) -> Iterator[Frame]:
    """Frames of all spans, ascending, each once; others between spans of one GOP may come along."""
    marks = np.array(keyframes)
    merged: list[list[int]] = []
    for low, high in sorted(spans):
        # Without a keyframe between them the decoder would start where it already was.
        if merged and (low <= merged[-1][1] or not ((marks > merged[-1][1]) & (marks <= low)).any()):
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    for low, high in merged:
        yield from reader.frames(low, high, every=spans)
