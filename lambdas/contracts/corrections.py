"""What a person corrects in a run, and the frames taken for it afterwards."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from lambdas.contracts.contract import Contract, first_problem
from lambdas.contracts.selection import FaceInFrame
from lambdas.errors import InvalidCorrections


class Sighting(Contract):
    """A face at a moment: tells a presence on screen from all others without saying whose face it is."""

    t_s: float
    """Seconds after the first picture, so that it outlives another time base."""
    pts: int
    box: tuple[float, float, float, float]
    """xyxy, pixels of the upright full-resolution frame."""
    start_s: float
    """The presence it was chosen from, seconds."""
    end_s: float


Sightings = Annotated[list[Sighting], Field(min_length=1)]
"""Every presence of the person meant; fewer than half of them, by detections, are taken for another person."""


class _Correction(Contract):
    made_at: str
    """ISO 8601, UTC. Corrections made at once have one time and are undone together."""


class NamePerson(_Correction):
    """This person is called so; null takes a name away."""

    do: Literal["name"] = "name"
    person: Sightings
    name: Annotated[str, Field(min_length=1, max_length=200)] | None


class MergePeople(_Correction):
    """These are one person."""

    do: Literal["merge"] = "merge"
    people: Annotated[list[Sightings], Field(min_length=2)]


class SplitTracks(_Correction):
    """These presences show somebody else than the rest of the person's do."""

    do: Literal["split"] = "split"
    person: Sightings
    """The rest."""
    tracks: Sightings


class LeaveOut(_Correction):
    """No person at all (`drop`), or one who is not to be shown (`hide`)."""

    do: Literal["drop", "hide"]
    person: Sightings


class ChooseBest(_Correction):
    """The person's best frame is the one at this moment."""

    do: Literal["best"] = "best"
    person: Sightings
    moment: Sighting


Correction = Annotated[NamePerson | MergePeople | SplitTracks | LeaveOut | ChooseBest, Field(discriminator="do")]


class Corrections(Contract):
    """What a person corrected in a video, `corrections.json`: no embedding, no picture; they are applied in order."""

    version: Literal[1] = 1
    run_id: str
    """Of the run they were made on last."""
    source_identity: str
    """`SourceFacts.identity`: to another video they are not applied."""
    corrections: list[Correction]

    @classmethod
    def parsed(cls, text: bytes, where: str) -> Self:
        """What stands in a file or object; `where` it stands is named in messages. Raises InvalidCorrections."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise InvalidCorrections(f"{where}: {first_problem(error)}") from None


class Moment(Contract):
    """A frame taken from the video after the run, and the face it was taken for."""

    pts: int
    t_s: float
    face: FaceInFrame


class Moments(Contract):
    """`runs/<run_id>/moments.json`. Each frame is a staged one of a chunk number beyond the plan's."""

    moments: list[Moment]
