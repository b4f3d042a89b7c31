"""A frame of another moment than those a run kept: the video is read there once more, by detect itself."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lambdas.contracts import (
    ChooseBest,
    Chunk,
    ChunkDocument,
    Correction,
    DetectRequest,
    FaceInFrame,
    Moment,
    Moments,
    Plan,
    ScanTier,
    chunk_document_key,
    frames_key,
    moments_key,
    plan_key,
)
from lambdas.errors import BadInput, TalentFramesError
from lambdas.staging import DirectoryStaging, get_document, put_document, source_location
from lambdas.video import named_errors, open_video

AROUND_S = (0.03, 0.12, 0.3)
"""Of video read before and after the moment asked for; more where no face is found in less: blinks take 0.3 s."""
EVERY_S = 0.02
"""Every frame is looked at."""
ONE_FRAME_S = 0.02
LEAST_OVERLAP = 0.2
"""IoU with where the face is expected; between two detections it may have moved."""


if TYPE_CHECKING:
    from lambdas.cluster.footage import Footage


class NobodyThen(BadInput):
    """At the moment asked for the person's face is not found."""


class MomentOutOfReach(BadInput):
    """The video was copied to be read, and the copy is not kept."""


def staged_near(
    plan: Plan, staging: DirectoryStaging, t_s: float, *, moments_only: bool = False
) -> list[tuple[int, float]]:
    """PTS and seconds of the frames kept within one frame of `t_s`, nearest first; with `moments_only`, of those that
    were taken from the video for a correction."""
    from lambdas.cluster.footage import read_moments

    near: list[tuple[int, float]] = []
    since, until = plan.source.pts(t_s - ONE_FRAME_S), plan.source.pts(t_s + ONE_FRAME_S)
    there = [] if moments_only else [one for one in plan.chunks if one.start_pts <= until and since < one.end_pts]
    for chunk in there:
        document = get_document(staging, chunk_document_key(plan.run_id, chunk.index), ChunkDocument)
        near += [(frame.pts, frame.t_s) for frame in document.staged if abs(frame.t_s - t_s) <= ONE_FRAME_S]
    near += [(one.pts, one.t_s) for one in read_moments(plan, staging) if abs(one.t_s - t_s) <= ONE_FRAME_S]
    return sorted(near, key=lambda one: abs(one[1] - t_s))


def stage_missing(plan: Plan, staging: DirectoryStaging, pack_dir: Path, corrections: list[Correction]) -> None:
    """Takes from the video the frames that corrections ask for and that were not kept.

    Where that can't be done the frame stays missing, and cluster lists the correction as unmatched.
    """
    for correction in corrections:
        if isinstance(correction, ChooseBest):
            at_s = correction.moment.t_s
            if not staged_near(plan, staging, at_s):
                with contextlib.suppress(TalentFramesError):
                    stage_moment(plan, staging, pack_dir, at_s, correction.moment.box)


def stage_moment(
    plan: Plan,
    staging: DirectoryStaging,
    pack_dir: Path,
    t_s: float,
    box: tuple[float, float, float, float],
) -> Moment:
    """The frame nearest to `t_s` that shows a face about where `box` is, kept from now on.

    Raises NobodyThen, and what detect raises where the video can't be read any more.
    """
    chunk = next(one for one in plan.chunks if one.start_pts <= plan.source.pts(t_s) < one.end_pts)
    if chunk.segment_key is not None and not staging.exists(chunk.segment_key):
        raise MomentOutOfReach(
            f"{t_s:.2f} s: this {plan.source.container} can't be read from the middle, and the run's copy is "
            "not kept; choose a moment of which a frame was kept"
        )
    face, picture = None, b""
    for around_s in AROUND_S:
        found = _look(plan, staging, pack_dir, t_s, around_s, box)
        if found is not None:
            face, picture = found
            break
    if face is None:
        raise NobodyThen(f"{t_s:.2f} s: no face is found there; choose a moment at which the face is seen")
    from lambdas.cluster.footage import read_moments

    moments = read_moments(plan, staging)
    number = len(plan.chunks) + len(moments)
    staging.put(frames_key(plan.run_id, number), picture)
    ref = face.frame.model_copy(update={"chunk": number, "offset": 0})
    moment = Moment(pts=ref.pts, t_s=ref.t_s, face=face.model_copy(update={"frame": ref}))
    put_document(staging, moments_key(plan.run_id), Moments(moments=[*moments, moment]))
    return moment


def _look(
    plan: Plan,
    staging: DirectoryStaging,
    pack_dir: Path,
    t_s: float,
    around_s: float,
    box: tuple[float, float, float, float],
) -> tuple[FaceInFrame, bytes] | None:
    """The face about where `box` is in the frame nearest to `t_s`, and the frame's JPEG; None without one."""
    from lambdas.cluster.footage import read_footage
    from lambdas.detect import handler as detect
    from talent_frames.fetched import ready_to_detect

    ready_to_detect()
    source = plan.source
    chunk = next(one for one in plan.chunks if one.start_pts <= source.pts(t_s) < one.end_pts)
    start, end = source.pts(t_s - around_s), source.pts(t_s + around_s) + 1
    looked_at = Chunk(
        index=0,
        start_pts=max(start, chunk.start_pts),
        end_pts=min(end, chunk.end_pts),
        decode_from_pts=_keyframe_before(plan, chunk, start),
        segment_key=chunk.segment_key,
        fallback_pts=[source.pts(t_s)],
    )
    every = ScanTier(period_s=EVERY_S, dense_looks=0)
    run_id = f"{plan.run_id}-at-{source.pts(t_s)}"
    settings = plan.settings.model_copy(update={"short": every, "long": every, "thorough": False})
    narrow = plan.model_copy(update={"run_id": run_id, "chunks": [looked_at], "settings": settings})
    put_document(staging, plan_key(run_id), narrow)
    try:
        detect.run(DetectRequest(run_id=run_id, chunk=0), staging, pack_dir)
        footage = read_footage(narrow, staging)
        tar = staging.get(frames_key(run_id, 0))
    finally:
        shutil.rmtree(staging.path(f"runs/{run_id}"), ignore_errors=True)
    face = _nearest(footage, t_s, box)
    if face is None:
        return None
    return face, tar[face.frame.offset : face.frame.offset + face.frame.length]


def _nearest(footage: Footage, t_s: float, box: tuple[float, float, float, float]) -> FaceInFrame | None:
    """Of the faces in kept frames the nearest in time of those where the person is expected."""
    from lambdas.cluster.best_frames import face_in_frame
    from lambdas.cluster.tracks import overlap

    wanted, columns = np.array(box, np.float32), footage.detections[0]
    there = [
        (abs(footage.staged[staged].t_s - t_s), -overlap(columns.boxes[row], wanted), staged, row)
        for row, staged in enumerate(columns.staged.tolist())
        if staged >= 0 and overlap(columns.boxes[row], wanted) >= LEAST_OVERLAP
    ]
    if not there:
        return None
    _, _, staged, row = min(there)
    return face_in_frame(footage, staged, 0, row)


def _keyframe_before(plan: Plan, chunk: Chunk, pts: int) -> int:
    """PTS of the keyframe before `pts`, as far as the container finds it; else from where its chunk is decoded."""
    source = plan.source
    if chunk.segment_key is not None or source.container == "avi":
        return chunk.decode_from_pts
    location = source_location(source.uri, version_id=source.version_id, etag=source.etag)
    name = Path(source.uri).name
    with named_errors(location, name), open_video(location, name) as container:
        stream = container.streams[source.video_stream]
        container.seek(max(pts, source.start_pts), stream=stream, backward=True)
        for packet in container.demux(stream):
            if packet.is_keyframe and packet.pts is not None:
                return max(packet.pts, chunk.decode_from_pts) if packet.pts <= pts else chunk.decode_from_pts
    return chunk.decode_from_pts
