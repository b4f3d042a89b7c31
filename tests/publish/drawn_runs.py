"""Small real runs in staging, drawn: frames with a coloured block where the face is said to be."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

import cv2
import numpy as np
import skimage.data

from lambdas.contracts import (
    OPEN_END,
    QUALITY_PARTS,
    Chunk,
    Distances,
    FaceFlag,
    FaceInFrame,
    FrameRef,
    PackFacts,
    PersonTrack,
    Plan,
    SelectedFrame,
    SelectedPerson,
    SelectedScene,
    Selection,
    Settings,
    SourceFacts,
    SuggestedMerge,
    UnclearAppearance,
    UnclearReason,
    frames_key,
    plan_key,
    selection_key,
)
from lambdas.publish.images import Box, Image
from lambdas.staging import Store, put_document

RUN = "0123456789ab"
GREEN = (40, 200, 40)
"""Of the block drawn at a face, BGR."""
PACK = PackFacts(
    name="open",
    licence="MIT",
    commercial_use=True,
    detector="CenterFace",
    embedder="SFace",
    embedding_size=128,
    sha256="0" * 64,
    distances=Distances(same=0.5, strict=0.3, attach=0.5, suggest=0.6, name=0.4),
)


def drawn_frame(width: int, height: int, faces: Sequence[Box] = (), shade: int = 90) -> Image:
    """Grey, with a darker grain and a green block for each face."""
    frame = np.full((height, width, 3), shade, np.uint8)
    frame[::16] -= 12
    for left, top, right, bottom in faces:
        frame[max(round(top), 0) : round(bottom), max(round(left), 0) : round(right)] = GREEN
    return frame


def astronaut(width: int, height: int) -> tuple[Image, Box]:
    """The astronaut (public domain) in the middle of a frame, and her face."""
    picture = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    side = min(width, height)
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    frame = np.full((height, width, 3), 30, np.uint8)
    left, top = (width - side) // 2, (height - side) // 2
    frame[top : top + side, left : left + side] = picture
    scale = side / 512
    return frame, (left + 177 * scale, top + 67 * scale, left + 272 * scale, top + 190 * scale)


FLAGS: dict[str, FaceFlag] = {"frontal": "side_face", "sharpness": "blurry", "eyes_open": "eyes_closed"}
"""Flags of some of the quality parts."""


class DrawnRun:
    """A plan, a selection and the frames they speak of, put together bit by bit, then written to staging."""

    def __init__(
        self, width: int, height: int, settings: Settings | None = None, uri: str = "/videos/clip.mp4"
    ) -> None:
        self.size = (width, height)
        self.settings = settings or Settings()
        self.uri = uri
        self.people: list[SelectedPerson] = []
        self.merges: list[SuggestedMerge] = []
        self.unclear: list[UnclearAppearance] = []
        self.representative: list[SelectedFrame] = []
        self.scenes: list[SelectedScene] = []
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w")  # noqa: SIM115 - closed in write()
        self._frames = 0

    def frame(self, image: Image) -> FrameRef:
        """Stages a frame, half a second after the one before."""
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        member = tarfile.TarInfo(f"{self._frames:05d}.jpg")
        member.size = len(jpeg)
        offset = self._tar.offset + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(jpeg))
        pts = 45000 * self._frames
        self._frames += 1
        height, width = image.shape[:2]
        return FrameRef(
            chunk=0, offset=offset, length=len(jpeg), width=width, height=height, pts=1000 + pts, t_s=pts / 90000
        )

    def face(self, image: Image, box: Box, **quality: float) -> FaceInFrame:
        left, top, right, bottom = box
        middle = ((left + right) / 2, (top + bottom) / 2)
        return FaceInFrame(
            frame=self.frame(image),
            box=box,
            landmarks=[middle] * 5,
            score=0.8,
            quality={part: quality.get(part, 0.9) for part in QUALITY_PARTS},
            flags=[flag for part, flag in FLAGS.items() if quality.get(part, 0.9) < 0.4],
        )

    def person(self, best: FaceInFrame, *alternatives: FaceInFrame, name: str | None = None) -> None:
        self.people.append(
            SelectedPerson(
                id=len(self.people),
                name=name,
                name_similarity=None if name is None else 0.7,
                confidence=0.9,
                best=best,
                alternatives=list(alternatives),
                screen_time_s=4.0,
                tracks=[PersonTrack(start_s=0.0, end_s=4.0, best_s=best.frame.t_s)],
            )
        )

    def unclear_one(
        self, reason: UnclearReason, face: FaceInFrame | None, *times: tuple[float, float], sightings: int = 1
    ) -> None:
        """Adds somebody who was never seen clearly, on screen at these times."""
        self.unclear.append(
            UnclearAppearance(
                reason=reason,
                face=face,
                sightings=sightings,
                screen_time_s=sum(end - start for start, end in times),
                tracks=[PersonTrack(start_s=start, end_s=end, best_s=start) for start, end in times],
            )
        )

    def stand_for_it(self, image: Image, faces: Sequence[Box] = ()) -> None:
        """Adds a representative frame, which is a scene's frame too."""
        ref = self.frame(image)
        self.representative.append(SelectedFrame(frame=ref, score=0.5, faces=list(faces)))
        index = len(self.scenes)
        self.scenes.append(
            SelectedScene(index=index, start_s=2.0 * index, end_s=2.0 * index + 2, frame=ref, faces=list(faces))
        )

    def write(self, staging: Store) -> None:
        self._tar.close()
        width, height = self.size
        source = SourceFacts(
            uri=self.uri,
            identity="identity",
            size_bytes=1_000_000,
            container="mp4",
            codec="h264",
            width=width,
            height=height,
            rotation=0,
            sample_aspect_ratio=1.0,
            interlaced=False,
            hdr="",
            fps=25.0,
            duration_s=10.0,
            start_pts=1000,
            time_base_num=1,
            time_base_den=90000,
            video_stream=0,
            segmented=False,
        )
        plan = Plan(
            pipeline_version="1",
            run_id=RUN,
            source=source,
            settings=self.settings,
            pack=PACK,
            gallery_key=None,
            chunks=[Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=1000)],
            created_at="2025-01-01T00:00:00Z",
            split_s=0.5,
        )
        selection = Selection(
            run_id=RUN,
            duration_s=10.0,
            frame_count=250,
            people=self.people,
            unclear=self.unclear,
            suggested_merges=self.merges,
            representative=self.representative,
            scenes=self.scenes,
            scenes_are_even=False,
            looked_frames=20,
            corrupt_frames=0,
            detect_seconds={"decode": 1.0, "total": 3.0},
            cluster_s=0.1,
        )
        staging.put(frames_key(RUN, 0), self._bytes.getvalue())
        put_document(staging, plan_key(RUN), plan)
        put_document(staging, selection_key(RUN), selection)
