"""Detectors and embedders, on real faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import insightface
import numpy as np
import pytest
import skimage

from lambdas.detect.detectors import InputBuffer, YuNetDetector
from lambdas.detect.embedders import in_usual_light
from lambdas.detect.faces.alignment import ARCFACE_TEMPLATE
from lambdas.detect.faces.detections import FaceDetections, Floats, Image, detector_size, distinct, merged
from lambdas.detect.packs import Pack, load_pack
from talent_frames.onnx_files import make_detector
from talent_frames.packs import resolve_pack

SIX_PEOPLE = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
SKIMAGE = Path(skimage.__file__).parent / "data"


def read(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None, path
    return np.asarray(image, np.uint8)


def faces_in(pack: Pack, image: Image) -> FaceDetections:
    """As the pipeline does it: found in the scaled image, in pixels of the full one."""
    height, width = image.shape[:2]
    size = pack.detector.input_size(width, height)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return pack.detector.detect(small, 0.5).scaled(width / size[0], height / size[1])


def embedded(pack: Pack, image: Image, found: FaceDetections) -> Floats:
    aligned = [pack.embedder.align(image, *face) for face in zip(found.landmarks, found.boxes, strict=True)]
    return pack.embedder.embed(aligned)


@pytest.fixture(scope="module", params=["open", "test pack"])
def pack(request: pytest.FixtureRequest) -> Pack:
    if request.param == "open":
        return load_pack(resolve_pack("open"))
    return load_pack(request.getfixturevalue("test_pack"))


def test_no_faces_are_empty_columns() -> None:
    none = FaceDetections.empty()
    assert len(none) == 0
    assert none.scaled(2, 2).boxes.shape == (0, 4)
    assert len(distinct(none)) == 0


@pytest.mark.parametrize(
    "columns",
    [
        (np.zeros((2, 4), np.float32), np.zeros((1, 5, 2), np.float32), np.zeros(1, np.float32)),
        (np.zeros((1, 4), np.float32), np.zeros((1, 10), np.float32), np.zeros(1, np.float32)),
        (np.zeros((1, 4), np.float64), np.zeros((1, 5, 2), np.float32), np.zeros(1, np.float32)),
    ],
    ids=["rows differ", "landmarks flat", "double precision"],
)
def test_columns_that_do_not_fit_are_refused(columns: tuple[Floats, Floats, Floats]) -> None:
    with pytest.raises(ValueError, match="float32"):
        FaceDetections(*columns)


def face_at(x: float, y: float, side: float, confidence: float) -> FaceDetections:
    landmarks = ARCFACE_TEMPLATE / 112 * side + np.array([x, y], np.float32)
    box = np.array([[x, y, x + side, y + side]], np.float32)
    return FaceDetections(box, landmarks[None].astype(np.float32), np.array([confidence], np.float32))


def test_the_better_of_two_overlapping_detections_is_kept() -> None:
    found = distinct(merged(face_at(10, 10, 100, 0.6), face_at(14, 12, 100, 0.9), face_at(300, 10, 100, 0.7)))
    np.testing.assert_allclose(found.confidence, [0.9, 0.7])


def test_a_part_of_a_face_with_the_same_landmarks_is_the_same_face() -> None:
    whole = face_at(0, 0, 300, 0.9)
    part = FaceDetections(np.array([[80, 100, 220, 240]], np.float32), whole.landmarks + 5, np.array([0.8], np.float32))
    assert len(distinct(merged(whole, part))) == 1


def test_a_small_face_in_front_of_a_large_one_is_another_face() -> None:
    assert len(distinct(merged(face_at(0, 0, 300, 0.9), face_at(10, 200, 60, 0.8)))) == 2


@pytest.mark.parametrize(
    ("frame", "expected"),
    [((1920, 1080), (640, 360)), ((1080, 1920), (360, 640)), ((320, 240), (320, 240)), ((4000, 1), (640, 1))],
    ids=repr,
)
def test_a_frame_is_shrunk_to_640_and_never_enlarged(frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert detector_size(*frame) == expected


@pytest.mark.parametrize("size", [None, (96, 64)], ids=["next multiples", "given size"])
@pytest.mark.parametrize(("rgb", "middle", "scale"), [(True, 127.5, 1 / 128), (True, 0, 1), (False, 0, 1)])
def test_a_networks_input_is_the_picture_and_black_right_and_below(
    size: tuple[int, int] | None, rgb: bool, middle: float, scale: float
) -> None:
    buffer = InputBuffer(rgb=rgb, middle=middle, scale=scale)
    rng = np.random.default_rng(3)
    for h, w in ((64, 96), (33, 64), (64, 65), (1, 1)):
        image = np.asarray(rng.integers(0, 256, (80, 120, 3)), np.uint8)[:h, :w]
        width, height = size or (-(-w // 32) * 32, -(-h // 32) * 32)
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[:h, :w] = image
        expected = cv2.dnn.blobFromImage(canvas, scale, mean=(middle,) * 3, swapRB=rgb)
        np.testing.assert_allclose(buffer.filled(image, size), expected, atol=1e-6)


def test_a_dark_face_is_brought_into_usual_light_and_others_are_left_alone() -> None:
    ramp = np.tile(np.linspace(40, 200, 112, dtype=np.uint8)[:, None, None], (1, 112, 3))
    dark = (ramp * 0.2).astype(np.uint8)
    assert np.median(in_usual_light(dark)) == pytest.approx(76.5, abs=2)
    assert in_usual_light(ramp) is ramp
    lamp = dark.copy()
    lamp[:10] = 250
    assert in_usual_light(lamp).max() == 255
    assert np.median(in_usual_light(lamp)) < 30
    black = np.zeros_like(ramp)
    assert not in_usual_light(black).any()


# real faces


def test_six_people_are_found_with_their_landmarks_in_order(pack: Pack) -> None:
    found = faces_in(pack, read(SIX_PEOPLE))
    assert len(found) == 6
    assert (np.diff(found.confidence) <= 0).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks.transpose(1, 0, 2)
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (left_eye[:, 1] < nose[:, 1]).all()
    assert (nose[:, 1] < right_mouth[:, 1]).all()
    inside = (found.landmarks > found.boxes[:, None, :2]) & (found.landmarks < found.boxes[:, None, 2:])
    assert inside.all()


def test_pictures_without_a_face_give_none(pack: Pack) -> None:
    for name in ("coffee.png", "brick.png"):
        assert len(faces_in(pack, read(SKIMAGE / name))) == 0
    assert len(pack.detector.detect(np.zeros((360, 640, 3), np.uint8), 0.5)) == 0


def test_nobody_embedded_is_an_empty_table(pack: Pack) -> None:
    assert pack.embedder.embed([]).shape == (0, pack.facts.embedding_size)


def test_six_people_are_strangers_and_each_is_found_again_in_the_changed_picture(pack: Pack) -> None:
    image = read(SIX_PEOPLE)
    changed = np.asarray(cv2.convertScaleAbs(cv2.GaussianBlur(image, (0, 0), 1.2), alpha=0.8, beta=15), np.uint8)
    first = embedded(pack, image, faces_in(pack, image))
    second = embedded(pack, changed, faces_in(pack, changed))
    assert first.shape == (6, pack.facts.embedding_size)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    strangers = (1 - first @ first.T)[~np.eye(6, dtype=bool)]
    assert strangers.min() > pack.facts.distances.same
    assert (1 - first @ second.T).min(axis=1).max() < pack.facts.distances.strict


@pytest.mark.parametrize("share", [1.0, 0.8], ids="{} of the face's height".format)
def test_a_face_that_fills_the_frame_is_found_once(pack: Pack, share: float) -> None:
    image = read(SKIMAGE / "astronaut.png")
    x1, y1, x2, y2 = faces_in(pack, image).boxes[0]
    half = (y2 - y1) * share / 2
    centre = round(float(x1 + x2) / 2), round(float(y1 + y2) / 2)
    close = cv2.getRectSubPix(image, (round(2 * half), round(2 * half)), centre)
    close = np.asarray(cv2.resize(close, (640, 640), interpolation=cv2.INTER_CUBIC), np.uint8)
    found = pack.detector.detect(close, 0.5)
    assert len(found) == 1
    assert (found.boxes[0, 2:] - found.boxes[0, :2]).min() > 400


def test_portrait_frames_work(pack: Pack) -> None:
    portrait = np.zeros((910, 512, 3), np.uint8)
    portrait[200:712] = read(SKIMAGE / "astronaut.png")
    upright = faces_in(pack, read(SKIMAGE / "astronaut.png"))
    found = faces_in(pack, portrait)
    assert len(found) == len(upright) == 1
    np.testing.assert_allclose(found.landmarks[0] - (0, 200), upright.landmarks[0], atol=9)


def test_two_threads_find_the_same_faces(pack: Pack) -> None:
    twice = load_pack(pack.directory, threads=2)
    one, two = faces_in(pack, read(SIX_PEOPLE)), faces_in(twice, read(SIX_PEOPLE))
    np.testing.assert_allclose(one.boxes, two.boxes, atol=0.1)


# open's own


def test_sface_is_fed_as_opencv_does_it() -> None:
    """OpenCV runs the pack's float32 file too; both get the same crop, in usual light already."""
    pack = load_pack(resolve_pack("open"))
    image = read(SIX_PEOPLE)
    found = faces_in(pack, image)
    crops = [pack.embedder.align(image, *face) for face in zip(found.landmarks, found.boxes, strict=True)]
    network = cv2.FaceRecognizerSF.create(str(pack.directory / pack.manifest.embedder_file.name), "")
    expected = np.vstack([network.feature(in_usual_light(crop)) for crop in crops])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(pack.embedder.embed(crops), expected, atol=1e-4)


@pytest.fixture(scope="module")
def yunet_file(request: pytest.FixtureRequest) -> Path:
    pack: Path = request.getfixturevalue("test_pack")
    return pack.parents[2] / "onnx" / "face_detection_yunet_2023mar.onnx"


def test_yunet_finds_the_six_people_at_fixed_and_free_size(yunet_file: Path, tmp_path: Path) -> None:
    make_detector(yunet_file, tmp_path / "free.onnx")
    image = np.asarray(cv2.resize(read(SIX_PEOPLE), (640, 443), interpolation=cv2.INTER_AREA), np.uint8)
    fixed = YuNetDetector(yunet_file).detect(image, 0.5)
    free = YuNetDetector(tmp_path / "free.onnx").detect(image, 0.5)
    assert len(fixed) == len(free) == 6
    np.testing.assert_allclose(fixed.boxes, free.boxes, atol=0.5)
    np.testing.assert_allclose(fixed.landmarks, free.landmarks, atol=0.5)


def test_yunet_is_decoded_as_opencv_does_it(yunet_file: Path) -> None:
    image = np.asarray(cv2.resize(read(SIX_PEOPLE), (640, 448), interpolation=cv2.INTER_AREA), np.uint8)
    reference = cv2.FaceDetectorYN.create(str(yunet_file), "", (640, 448), 0.5, 0.3, 5000).detect(image)[1]
    reference = reference[np.argsort(reference[:, 0])]
    found = YuNetDetector(yunet_file)._look(image, 0.5)
    order = np.argsort(found.boxes[:, 0])
    corners = np.hstack([reference[:, :2], reference[:, :2] + reference[:, 2:4]])
    np.testing.assert_allclose(found.boxes[order], corners, atol=0.5)
    np.testing.assert_allclose(found.landmarks[order].reshape(-1, 10), reference[:, 4:14], atol=0.5)
    raw = np.interp(found.confidence[order], [0, 0.5, 0.75, 1], [0, 0.6, 0.85, 1])
    np.testing.assert_allclose(raw, reference[:, 14], atol=0.01)


def test_yunets_least_confidence_is_on_the_scale_of_what_it_reports() -> None:
    detector = load_pack(resolve_pack("open")).detector
    image = np.asarray(cv2.resize(read(SIX_PEOPLE), (200, 138), interpolation=cv2.INTER_AREA), np.uint8)
    every = detector.detect(image, 0.05).confidence
    limits = np.convolve(np.sort(every), [0.5, 0.5], "valid")
    assert len(limits) > 3
    for limit in limits.tolist():
        assert detector.detect(image, limit).confidence.tolist() == every[every >= limit].tolist()


# films


def test_every_close_up_shows_its_one_person(pack: Pack, videos: Path) -> None:
    """A frame in the middle of each shot of the film of 17 people shows the one face the ground truth says."""
    import csv

    import av

    with (videos / "people17_cuts_720p.gt.csv").open() as file:
        shots = [(float(row["start"]), float(row["end"]), row["person"]) for row in csv.DictReader(file)]
    middles = {(start + end) / 2: person for start, end, person in shots}
    seen = []
    with av.open(str(videos / "people17_cuts_720p.mp4")) as container:
        for middle, person in sorted(middles.items()):
            container.seek(int(middle * 1e6))
            frame = next(frame for frame in container.decode(video=0) if (frame.time or 0) >= middle)
            seen.append((person, len(faces_in(pack, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)))))
    assert seen == [(person, 1 if person else 0) for _, person in sorted(middles.items())]
