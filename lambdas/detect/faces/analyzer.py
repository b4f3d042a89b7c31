"""What is found and measured in one frame: its faces, each aligned, read and checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.alignment import FacePart, face_part
from lambdas.detect.faces.attributes import UNREAD, Expression, ExpressionReader, expression_reader
from lambdas.detect.faces.detections import Detector, Embedder, detect_near
from lambdas.detect.faces.quality import frontal_part, quality_parts
from lambdas.detect.faces.second_opinion import confidence_again
from lambdas.detect.tracking.association import overlaps
from lambdas.detect.tracking.detection import FaceDetection

_READABLE_PX = 24
"""Smaller faces have eyes of five pixels: open or not, they look the same."""

_READABLE_FRONTAL = 0.2
"""Faces turned further away are read by nobody: the networks that read eyes and mesh know faces from the front."""
_SURELY_A_FACE = 26.0
"""Logit of a face in view from which no second opinion is asked: what is no face got 4 at most, on real film."""

_EASILY_FOUND_PX = 96.0
"""Shorter side of a face known to be there, in the detector's picture. At 64 the landmarks are coarser: with
the first release's embedder the film's nearest strangers were then 0.35 apart instead of 0.37, for 6% less time."""
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.75)
"""Sizes of the detector's picture for large faces."""


class FaceAnalyzer:
    """Finds, measures and aligns the faces of frames, one pack and one video at a time."""

    def __init__(self, detector: Detector, embedder: Embedder, context: ChunkContext) -> None:
        self._detector = detector
        self._embedder = embedder
        self._source = context.source
        self._settings = context.settings
        self._watch = context.watch
        self._size = detector.input_size(context.source.width, context.source.height)
        self._reader: ExpressionReader | None = None
        self.dimensions = embedder.size
        self.frames = 0
        """Frames that were analyzed."""

    def detect(
        self, frame: Frame, *, dense: bool = False, near: NDArray[np.float32] | None = None
    ) -> list[FaceDetection]:
        """The frame's faces, left to right.

        With `near`, (n, 4) xyxy in pixels of the full frame, only those that overlap these boxes, looked for in a
        smaller picture where they are large.
        """
        self.frames += 1
        width, height = self._size if near is None else self._size_for(near)
        scale = np.array([self._source.width / width, self._source.height / height], np.float32)
        with self._watch.step("convert"):
            picture = frame.bgr(width, height)
        with self._watch.step("detect"):
            if near is None:
                found = self._detector.detect(picture, self._settings.min_confidence)
            else:
                expected = np.asarray(near / np.tile(scale, 2), np.float32)
                found = detect_near(self._detector, picture, expected, self._settings.min_confidence)
        boxes, landmarks = found.boxes * np.tile(scale, 2), found.landmarks * scale
        large_enough = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= self._settings.min_face_px
        boxes, landmarks, confidence = boxes[large_enough], landmarks[large_enough], found.confidence[large_enough]
        order = np.argsort(boxes[:, 0], kind="stable")
        if near is not None:
            order = order[overlaps(boxes[order], near).max(axis=1) > 0]
        if not len(order):
            return []
        with self._watch.step("convert"):
            full = frame.bgr()
        with self._watch.step("measure"):
            return [
                self._detection(full, frame.pts, boxes, landmarks[row], float(confidence[row]), row, dense)
                for row in order
            ]

    def _size_for(self, near: NDArray[np.float32]) -> tuple[int, int]:
        """(width, height) at which the smallest of these faces, (n, 4) xyxy, is still easily found."""
        width, height = self._size
        smallest = float((near[:, 2:] - near[:, :2]).min()) * width / self._source.width
        share = next((share for share in _SHARES if smallest * share >= _EASILY_FOUND_PX), 1.0)
        return max(1, round(width * share)), max(1, round(height * share))

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(n, d) L2-normed embeddings of aligned crops."""
        with self._watch.step("embed"):
            return self._embedder.embed(crops)

    def _detection(
        self,
        full: NDArray[np.uint8],
        pts: int,
        boxes: NDArray[np.float32],
        landmarks: NDArray[np.float32],
        confidence: float,
        row: int,
        dense: bool,
    ) -> FaceDetection:
        others = np.delete(boxes, row, axis=0)
        part = face_part(full, landmarks)
        with self._watch.step("read"):
            expression = self._read(part, boxes[row])
            confirmed = self._confirmed(full, boxes[row], expression)
        parts, brightness = quality_parts(
            full, boxes[row], landmarks, confidence, others=others, expression=expression, part=part
        )
        crop = self._embedder.align(part.image, part.landmarks, boxes[row])
        return FaceDetection(
            pts,
            self._source.seconds(pts),
            boxes[row],
            landmarks,
            parts,
            crop,
            expression=expression,
            brightness=brightness,
            confidence=confidence,
            confirmed=confirmed,
            dense=dense,
        )

    def _read(self, part: FacePart, box: NDArray[np.float32]) -> Expression:
        if min(box[2] - box[0], box[3] - box[1]) < _READABLE_PX or frontal_part(part.landmarks) < _READABLE_FRONTAL:
            return UNREAD
        if self._reader is None:
            self._reader = expression_reader()
        return self._reader.read(part.image, part.landmarks)

    def _confirmed(self, image: NDArray[np.uint8], box: NDArray[np.float32], expression: Expression) -> bool:
        """Whether the mesh network sees a face or, in doubt, the detector does when asked again; never of tiny ones."""
        if expression.in_view >= _SURELY_A_FACE:
            return True
        if min(box[2] - box[0], box[3] - box[1]) < _READABLE_PX:
            return False
        return confidence_again(self._detector, image, box) >= self._detector.sure
