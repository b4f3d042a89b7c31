"""detect's documents: the frames a chunk staged, and a row for every detection."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lambdas.contracts.contract import Contract

if TYPE_CHECKING:
    # 0.2 s to import; the command starts its workers before it needs it.
    import numpy as np
    from numpy.typing import NDArray


class StagedFrame(Contract):
    """A full-resolution frame kept in the chunk's tar; its place in the list is its number in `Detections.staged`."""

    pts: int
    t_s: float
    offset: Annotated[int, Field(ge=0)]
    """First byte of the JPEG within the tar."""
    length: Annotated[int, Field(gt=0)]
    width: int
    height: int
    luma: Annotated[float, Field(ge=0, le=1)]
    """Mean brightness."""
    contrast: Annotated[float, Field(ge=0, le=1)]
    """Standard deviation of brightness over half the range; near 0 for uniform pictures."""
    sharpness: Annotated[float, Field(ge=0, le=1)]
    """Share of fine detail, 0 for blurred or uniform pictures, comparable between frames of any size."""
    in_transition: bool
    """Whether a cut or fade is within a few frames."""


class ChunkDocument(Contract):
    """detect's document, `runs/<run_id>/chunks/<index>.json`; its presence means the chunk is done."""

    index: int
    frame_count: int
    """Frames of the chunk by its packets."""
    first_pts: int | None
    """PTS of the first and last frame; None in a chunk without frames."""
    last_pts: int | None
    end_pts: int | None
    """PTS where the last frame stops being shown."""
    looked_frames: int
    """Frames a face detector saw."""
    corrupt_frames: int
    turned_looks: Annotated[int, Field(ge=0)] = 0
    """Frames that were looked at turned as well, since hardly a face was found."""
    turned_faces: tuple[int, int, int] = (0, 0, 0)
    """Faces found in those turned by 90, 180 and 270 degrees counter-clockwise."""
    staged: list[StagedFrame]
    seconds: dict[str, float]
    """Wall seconds by step; `total` is the whole stage."""


@dataclass(frozen=True)
class Detections:
    """detect's columns, `runs/<run_id>/detections/<index>.npz`. Sightings (n) are ordered by PTS."""

    pts: NDArray[np.int64]
    """(n,) when each face was seen."""
    boxes: NDArray[np.float32]
    """(n, 4) xyxy, pixels of the upright full-resolution frame; may reach outside it."""
    landmarks: NDArray[np.float32]
    """(n, 5, 2) left eye, right eye, nose, left and right mouth corner as seen in the picture, pixels."""
    quality: NDArray[np.float32]
    """(n, len(QUALITY_PARTS)) each 0 to 1, by the picture and its shot alone, whoever the person is."""
    openings: NDArray[np.float32]
    """(n, 2) height over width of the eye on the picture's left and of the other; NaN in faces too small to read."""
    in_view: NDArray[np.float32]
    """(n,) logit of a face being there, lower with something in front of it; NaN in faces too small to read."""
    confidence: NDArray[np.float32]
    """(n,) the detector's, 0 to 1."""
    brightness: NDArray[np.float32]
    """(n,) median of the face, 0 to 1."""
    confirmed: NDArray[np.bool_]
    """(n,) whether a second look saw a face too: the mesh network or, in doubt, the detector in the enlarged crop."""
    tracks: NDArray[np.int32]
    """(n,) track number within the chunk, from 0."""
    staged: NDArray[np.int32]
    """(n,) which of the chunk's staged frames shows this sighting, -1 none."""
    dense: NDArray[np.bool_]
    """(n,) True where the sighting comes from the dense look, False for the regular scan (these measure presence)."""
    embedded: NDArray[np.int32]
    """(m,) rows that were embedded, ascending."""
    embeddings: NDArray[np.float32]
    """(m, d) L2-normed, for the rows in `embedded`."""
    scene_pts: NDArray[np.int64]
    """(k,) frames compared for scene changes, ascending; the first of the chunk has no predecessor and score 0."""
    scene_scores: NDArray[np.float32]
    """(k,) PySceneDetect content value (0 to 255) between this frame and the one before it in display order."""
    scene_luma: NDArray[np.float32]
    """(k,) mean brightness, 0 to 1."""
    scene_features: NDArray[np.float32]
    """(k, w) what PySceneDetect's hash, histogram or threshold detector makes of the frame; w is 0 with any other."""
    scene_layout: NDArray[np.uint8]
    """(k, 16, 16, 3) BGR, the picture averaged down: tells cuts from flashes, finds dissolves, wipes and slides, across
    chunks too."""
    staged_small: NDArray[np.uint8]
    """(number of staged frames, 16, 16, 3) BGR thumbnails to tell near-duplicates."""
    first_frame: NDArray[np.uint8]
    """(h, 256, 3) BGR, the chunk's first frame; (0, 256, 3) if there is none."""
    last_frame: NDArray[np.uint8]
    """(h, 256, 3) BGR, the chunk's last frame; (0, 256, 3) if there is none."""

    def to_bytes(self) -> bytes:
        """As a compressed npz."""
        import numpy as np

        buffer = io.BytesIO()
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(buffer, allow_pickle=False, **columns)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Detections:
        """Reads what `to_bytes` wrote; a missing column raises KeyError."""
        import numpy as np

        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            return cls(**{field.name: columns[field.name] for field in fields(cls)})
