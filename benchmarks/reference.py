"""The usual way, to measure against: OpenCV once a second, InsightFace on each frame, DBSCAN on all faces.

    python -m benchmarks.reference VIDEO --pack DIRECTORY --out DIRECTORY --scan seek|linear

`seek` asks OpenCV for each second's frame by its index, as most scripts do; `linear` reads every frame and keeps one a
second. OpenCV's decoder and onnxruntime use as many threads as they choose by themselves: all cores. Prints one line of
JSON. It finds no scenes and looks at no second moment, so it does less than we do.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

EPS = 0.5
"""DBSCAN's eps on cosine distance that suits the small test pack best (0.45 to 0.55 are all exact)."""
MIN_SAMPLES = 2
REPRESENTATIVE = 10


def seek(video: Path, period_s: float = 1.0) -> Iterator[Image]:
    """One frame a period, each sought by its index."""
    capture = cv2.VideoCapture(str(video))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS) * period_s))
    for number in range(0, count, step):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        there, frame = capture.read()
        if there:
            yield np.asarray(frame, np.uint8)
    capture.release()


def linear(video: Path, period_s: float = 1.0) -> Iterator[Image]:
    """One frame a period of all that are read."""
    capture = cv2.VideoCapture(str(video))
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS) * period_s))
    number = 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        if number % step == 0:
            yield np.asarray(frame, np.uint8)
        number += 1
    capture.release()


def worth(face: Any) -> float:
    """Confidence times pose times size; the pose by where the nose is between the eyes, 1 in the middle."""
    left, right, nose = face.kps[:3]
    half = max(1.0, abs(float(right[0] - left[0])) / 2)
    pose = 1 - min(1.0, abs(float(left[0] + right[0]) / 2 - float(nose[0])) / half)
    x1, y1, x2, y2 = face.bbox
    return float(face.det_score) * pose * math.sqrt((x2 - x1) * (y2 - y1))


def main() -> None:
    """Finds the people of one video the usual way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--pack", type=Path, required=True, help="folder of InsightFace models")
    parser.add_argument("--scan", choices=["seek", "linear"], default="seek")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()

    from insightface.app import FaceAnalysis
    from sklearn.cluster import DBSCAN

    # Every module of the pack runs on each face, as long as nobody names some.
    analysis = FaceAnalysis(name=str(given.pack), providers=["CPUExecutionProvider"])
    analysis.prepare(ctx_id=-1, det_size=(640, 640))
    frames = given.out / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    embeddings: list[NDArray[np.float32]] = []
    worths: list[float] = []
    shown_in: list[Path] = []
    pictures: list[Path] = []
    looked = 0
    for frame in (seek if given.scan == "seek" else linear)(given.video):
        looked += 1
        faces = analysis.get(frame)
        if not faces:
            continue
        # Written once, when it is at hand: to come back for the best ones would be a second seek for each.
        pictures.append(frames / f"{looked:06d}.jpg")
        cv2.imwrite(str(pictures[-1]), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
        for face in faces:
            embeddings.append(face.normed_embedding)
            worths.append(worth(face))
            shown_in.append(pictures[-1])
    people = 0
    if embeddings:
        labels = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES, metric="cosine").fit_predict(np.stack(embeddings))
        people = int(labels.max()) + 1
        for person in range(people):
            best = max(np.flatnonzero(labels == person), key=lambda row: worths[row])
            shutil.copy(shown_in[best], given.out / f"person_{person:03d}.jpg")
        for index in range(REPRESENTATIVE):
            shutil.copy(pictures[len(pictures) * index // REPRESENTATIVE], given.out / f"frame_{index}.jpg")
    print(json.dumps({"people": people, "looked": looked, "faces": len(embeddings)}))


if __name__ == "__main__":
    main()
