"""The faces of people known by name."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.errors import InvalidGallery

if TYPE_CHECKING:
    # 0.2 s to import; the command starts its workers before it needs it.
    import numpy as np
    from numpy.typing import NDArray


GALLERY_VERSION = 1
MOST_GALLERY_BYTES = 256 * 2**20
"""Unpacked: half a million pictures of 128 numbers."""
MOST_FACES = 2**20
"""Rows of two numbers would be many more, and each takes memory of its own beside them."""
MOST_NAMES = 100_000
LONGEST_NAME = 200


@dataclass(frozen=True)
class Gallery:
    """Known people's faces, `gallery.npz`: written when people are enrolled, read when a run names its people."""

    names: list[str]
    """One for each person."""
    embeddings: NDArray[np.float32]
    """(m, d) L2-normed, one for each enrolled picture."""
    identity: NDArray[np.int32]
    """(m,) the person in `names` each embedding is of."""
    pack_sha256: str
    """`PackFacts.sha256` of the pack the embeddings come from."""

    def __post_init__(self) -> None:
        """Raises InvalidGallery if the parts don't fit together or nobody is enrolled."""
        import numpy as np

        problem = ""
        if not self.names or len(set(self.names)) != len(self.names):
            problem = f"{len(self.names)} names, {len(set(self.names))} different ones"
        elif self.embeddings.ndim != 2 or self.embeddings.dtype != np.float32 or not self.embeddings.shape[1]:
            problem = f"embeddings are {self.embeddings.dtype}{list(self.embeddings.shape)}, not float32[m, d]"
        elif self.identity.shape != (len(self.embeddings),) or self.identity.dtype != np.int32:
            problem = f"{len(self.embeddings)} embeddings, identity {self.identity.dtype}{list(self.identity.shape)}"
        elif set(self.identity.tolist()) != set(range(len(self.names))):
            problem = f"embeddings of people {sorted(set(self.identity.tolist()))} for {len(self.names)} names"
        elif not np.allclose(np.linalg.norm(self.embeddings, axis=1), 1, atol=1e-3):
            problem = "embeddings are not L2-normed"
        elif any(not name.strip() or len(name) > LONGEST_NAME or not name.isprintable() for name in self.names):
            problem = f"a name is empty, longer than {LONGEST_NAME} letters or holds what can't be printed"
        elif len(self.pack_sha256) != 64:
            problem = f"pack checksum of {len(self.pack_sha256)} characters"
        if problem:
            raise InvalidGallery(f"gallery: {problem}")

    def to_bytes(self) -> bytes:
        """As an npz."""
        import numpy as np

        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            version=np.int32(GALLERY_VERSION),
            names=np.array(self.names, np.str_),
            embeddings=self.embeddings,
            identity=self.identity,
            pack_sha256=np.str_(self.pack_sha256),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Gallery:
        """Reads what `to_bytes` wrote. Raises InvalidGallery for anything else."""
        import numpy as np

        _check_members(data)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as columns:
                version = int(columns["version"])
                held, embeddings, identity = columns["names"], columns["embeddings"], columns["identity"]
                # Before each is made an object of its own.
                many = max(len(held) - MOST_NAMES, max(len(embeddings), len(identity)) - MOST_FACES)
                names = [] if many > 0 or held.dtype.kind != "U" else [str(name) for name in held]
                pack_sha256 = str(columns["pack_sha256"])
        except Exception as error:
            # numpy, zipfile and zlib each have their own; to load it unsafely, as some say, is no advice to give.
            raise InvalidGallery(_no_gallery(data, error)) from error
        if many > 0:
            raise InvalidGallery(
                f"gallery: {len(held):,} names and {len(embeddings):,} faces, more than the limit of {MOST_NAMES:,} "
                f"and {MOST_FACES:,}"
            )
        if version != GALLERY_VERSION:
            raise InvalidGallery(f"gallery: version {version}, this release reads {GALLERY_VERSION}")
        return cls(names, embeddings, identity, pack_sha256)


def _no_gallery(data: bytes, error: Exception) -> str:
    return f"gallery: {len(data)} bytes that are no gallery.npz ({type(error).__name__})"


def _check_members(data: bytes) -> None:
    """Raises InvalidGallery where unpacking these bytes would take more memory than any gallery needs."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception as error:
        raise InvalidGallery(_no_gallery(data, error)) from error
    if any(member.flag_bits & 1 for member in members):
        raise InvalidGallery("gallery: it is encrypted")
    size = sum(member.file_size for member in members)
    if len(members) > 16 or size > MOST_GALLERY_BYTES:
        raise InvalidGallery(
            f"gallery: unpacks to {len(members)} parts of {size:,} bytes, more than the limit of {MOST_GALLERY_BYTES:,}"
        )
