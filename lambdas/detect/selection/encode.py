"""Full-resolution frames on their way to publishing: encoded, measured, packed into one tar."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings, StagedFrame
from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.frame import Frame
from lambdas.detect.shots.boundaries import Shots
from lambdas.detect.shots.features import sharpness

_RESIZED_QUALITY = 95
"""Of frames that will be resized and encoded again, with full colour resolution."""
_MEASURED_WIDTH = 640
"""Sharpness is measured at this width, so that frames of any size compare and slight blur still shows."""
_TRANSITION_S = 0.12


@dataclass(frozen=True)
class Picture:
    """One encoded frame."""

    pts: int
    t_s: float
    jpeg: bytes
    width: int
    height: int
    luma: float
    contrast: float
    sharpness: float
    small: NDArray[np.uint8]
    """(16, 16, 3) BGR."""


def encoded(frame: Frame, context: ChunkContext) -> Picture:
    """A decoded frame on its way to publishing."""
    with context.watch.step("stage"):
        return picture(frame.pts, context.source.seconds(frame.pts), frame.bgr(), context.settings)


def picture(pts: int, t_s: float, image: NDArray[np.uint8], settings: Settings) -> Picture:
    """Encodes and measures an upright (h, w, 3) BGR frame: as it will be published, or so that it can be resized."""
    if settings.published_as_staged(image.shape[1], image.shape[0]):
        options = [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality]
    else:
        options = [cv2.IMWRITE_JPEG_QUALITY, _RESIZED_QUALITY]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, jpeg = cv2.imencode(".jpg", image, options)
    if not done:
        raise ValueError(f"frame at {t_s:.3f} s: {image.shape} can't be encoded as JPEG")
    height, width = image.shape[:2]
    measured = image
    if width > _MEASURED_WIDTH:
        size = (_MEASURED_WIDTH, max(1, round(height * _MEASURED_WIDTH / width)))
        measured = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(measured, cv2.COLOR_BGR2GRAY)
    mean, deviation = cv2.meanStdDev(gray)
    return Picture(
        pts=pts,
        t_s=t_s,
        jpeg=jpeg.tobytes(),
        width=width,
        height=height,
        luma=float(mean[0, 0]) / 255,
        contrast=min(1.0, float(deviation[0, 0]) / 127.5),
        sharpness=sharpness(gray),
        small=cv2.resize(measured, (16, 16), interpolation=cv2.INTER_AREA),
    )


def pack_pictures(pictures: Sequence[Picture], shots: Shots) -> tuple[bytes, list[StagedFrame]]:
    """A plain tar of the pictures and where each lies in it; same pictures, same bytes."""
    buffer = io.BytesIO()
    staged = []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for one in pictures:
            member = tarfile.TarInfo(f"{one.pts}.jpg")
            member.size = len(one.jpeg)
            # addfile writes the 512-byte header, then the data: offsets are known before.
            offset = buffer.tell() + tarfile.BLOCKSIZE
            tar.addfile(member, io.BytesIO(one.jpeg))
            staged.append(
                StagedFrame(
                    pts=one.pts,
                    t_s=one.t_s,
                    offset=offset,
                    length=len(one.jpeg),
                    width=one.width,
                    height=one.height,
                    luma=one.luma,
                    contrast=one.contrast,
                    sharpness=one.sharpness,
                    in_transition=shots.cut_distance_s(one.t_s) < _TRANSITION_S,
                )
            )
    return buffer.getvalue(), staged
