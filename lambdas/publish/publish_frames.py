"""Staged frames read, brought to the published shape and put in place."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from lambdas.contracts import FrameRef, Plan, SelectedPerson, frames_key
from lambdas.errors import IncompleteRun
from lambdas.publish import images, report, xmp
from lambdas.publish.frame_jobs import FrameJob
from lambdas.publish.source_uri import published_uri
from lambdas.staging import Store

FRAMES_AT_ONCE = 4
"""Frames in memory at a time: enough to hide a bucket's answer times, about 150 MB at 4K."""
FACE_QUALITY = 90
"""JPEG, of faces."""


@dataclass
class PublishedFrames:
    """What came of staged frames, by published file."""

    placements: dict[str, images.Placement] = field(default_factory=dict)
    shown: dict[str, report.Shown] = field(default_factory=dict)
    """As they stand in the report."""
    faces: dict[str, bytes] = field(default_factory=dict)
    """JPEG of each published face."""


def publish_frames(
    jobs: Sequence[FrameJob], plan: Plan, prefix: str, staging: Store, published: Store
) -> PublishedFrames:
    """Each staged frame read and decoded once, everything made of it put in place. Raises IncompleteRun where staging
    lacks one."""
    whole = PublishedFrames()
    with ThreadPoolExecutor(FRAMES_AT_ONCE, "publish") as pool:
        futures = [pool.submit(_publish_frame, job, plan, prefix, staging, published) for job in jobs]
        try:
            for future in futures:
                part = future.result()
                whole.placements.update(part.placements)
                whole.shown.update(part.shown)
                whole.faces.update(part.faces)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return whole


def _publish_frame(job: FrameJob, plan: Plan, prefix: str, staging: Store, published: Store) -> PublishedFrames:
    ref, settings = job.ref, plan.settings
    staged, frame = _staged_frame(ref, plan.run_id, staging)
    done = PublishedFrames()
    size = images.published_size(plan.source.width, plan.source.height, settings.size)
    made: dict[images.Placement, tuple[images.Image, bytes]] = {}
    for picture in job.pictures:
        placement = images.place(ref.width, ref.height, size, settings.fit, picture.faces)
        if placement not in made:
            rendered = images.render(frame, placement)
            keep = placement.is_identity and settings.published_as_staged(ref.width, ref.height)
            made[placement] = rendered, staged if keep else images.encode(rendered, settings.jpeg_quality)
        # A frame that is somebody's best and a scene's is the same picture twice, unless cropping took another part.
        rendered, data = made[placement]
        published.put(prefix + picture.file, _told(data, plan, ref, picture.person), content_type="image/jpeg")
        done.placements[picture.file] = placement
        done.shown[picture.file] = report.Shown.of(rendered, picture.shown_px)
    for face in job.faces:
        square = images.thumbnail(frame, face.box)
        data = _told(images.encode(square, FACE_QUALITY), plan, ref, face.person)
        done.faces[face.file] = data
        published.put(prefix + face.file, data, content_type="image/jpeg")
        done.shown[face.file] = report.Shown.of(square, face.shown_px)
    return done


def _staged_frame(ref: FrameRef, run_id: str, staging: Store) -> tuple[bytes, images.Image]:
    """The frame's JPEG, and it decoded."""
    where = f"run {run_id}: chunk {ref.chunk}'s frame at {ref.t_s:.2f} s"
    try:
        staged = staging.get_range(frames_key(run_id, ref.chunk), ref.offset, ref.length)
    except KeyError:
        raise IncompleteRun(f"{where} is missing") from None
    frame = images.decode(staged)
    if frame is None:
        raise IncompleteRun(f"{where} is no picture ({len(staged)} of {ref.length} bytes read)")
    height, width = frame.shape[:2]
    if (width, height) != (ref.width, ref.height):
        raise IncompleteRun(f"{where} is {width}x{height}, not {ref.width}x{ref.height}")
    return staged, frame


def _told(jpeg: bytes, plan: Plan, ref: FrameRef, person: SelectedPerson | None) -> bytes:
    """The picture with as much about it inside as the settings want."""
    told = xmp.Provenance(
        source=published_uri(plan.source.uri, whole_path=plan.settings.publish_path),
        run_id=plan.run_id,
        t_s=ref.t_s,
        pts=ref.pts,
        person=None if person is None else person.id,
        name=None if person is None else person.name,
    )
    return xmp.tagged_as_wanted(jpeg, plan.settings.xmp, told)
