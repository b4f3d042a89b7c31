"""Corrections of a run that is done: people named, merged, split, left out; another best frame. Published anew without
reading the video, unless a moment is asked for of which no frame was kept."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError
from pydantic_core import from_json

from lambdas.contracts import (
    ChooseBest,
    ClusterRequest,
    Correction,
    Corrections,
    LeaveOut,
    MergePeople,
    NamePerson,
    Plan,
    PublishRequest,
    Sighting,
    SplitTracks,
    corrections_key,
    first_problem,
    plan_key,
)
from lambdas.errors import BadInput, InvalidCorrections, RunExpired
from lambdas.split.corrections import MOST_BYTES
from lambdas.staging import DirectoryStaging, get_document, put_document
from talent_frames.kept import Kept, gone, kept_run
from talent_frames.output import replacing

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest, Person, Track, Unclear

ASIDE = "corrections.{}.json"
"""Name of corrections that are of another video than the folder's run."""

FARTHEST_S = 2.0
"""A face is expected where the person's nearest detection is, if that is not farther away in time."""

Who = str
"""A person's id (`3`), `p` and the number the report shows (`p4`), or `u` and the place in the list of those seen
unclearly (`u0`)."""


class NoRun(BadInput):
    """The folder holds no run."""


class NoSuchPerson(BadInput):
    """The run has no person, presence or moment as it was named."""


@dataclass(frozen=True)
class Name:
    person: Who
    name: str | None
    """None takes the name away."""


@dataclass(frozen=True)
class Merge:
    people: tuple[Who, ...]


@dataclass(frozen=True)
class Split:
    person: Who
    tracks: tuple[int, ...]
    """Places in the person's list of presences, from 0."""


@dataclass(frozen=True)
class Leave:
    person: Who
    why: Literal["drop", "hide"]


@dataclass(frozen=True)
class Best:
    person: Who
    at_s: float


Wish = Name | Merge | Split | Leave | Best
"""A correction as a person says it, by the numbers of one manifest."""


def manifest_path(out: Path) -> Path:
    """The manifest of the run in a folder, whatever the key templates call it. Raises NoRun."""
    from talent_frames.output import is_manifest

    for path in (out / "manifest.json", *sorted(out.glob("*.json")), *sorted(out.glob("*/*.json"))):
        # A folder of runs is no run: the files of its manifests lie elsewhere.
        if is_manifest(path) and (path.parent == out or _has_report(out, path)):
            return path
    raise NoRun(f"{out}: no run of talent-frames")


def _has_report(out: Path, manifest: Path) -> bool:
    report = from_json(manifest.read_bytes()).get("report_file")
    return isinstance(report, str) and (out / report).is_file()


def read_manifest(out: Path) -> Manifest:
    """The manifest of the run in a folder. Raises NoRun."""
    from lambdas.publish.manifest import Manifest

    path = manifest_path(out)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise NoRun(f"{path}: made by another version ({first_problem(error)}); run the video again") from None


def read_corrections(file: Path) -> Corrections:
    """The corrections in a file. Raises InvalidCorrections."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidCorrections(f"{file}: {error.strerror}") from None
    if len(text) > MOST_BYTES:
        raise InvalidCorrections(f"{file}: more than {MOST_BYTES:,} bytes")
    return Corrections.parsed(text, str(file))


def corrections_in(out: Path) -> list[Corrections]:
    """What was corrected in the run that a folder holds, and what was put aside in it; empty where nothing is."""
    # Not by the whole manifest: the run may be of a version that this one does not read.
    try:
        document = from_json(manifest_path(out).read_bytes())
    except NoRun:
        return []
    own = document.get("corrections_file")
    files = [out / own] if isinstance(own, str) else []
    return [read_corrections(file) for file in [*files, *_aside_in(out)]]


@dataclass(frozen=True)
class Staged:
    """What is kept of a run's staging."""

    staging: DirectoryStaging
    kept: Kept
    plan: Plan


@dataclass(frozen=True)
class Run:
    """A published run and what is kept of it."""

    out: Path
    manifest: Manifest
    corrections: list[Correction]
    staged: Staged | None
    """None where nothing is kept."""

    @classmethod
    def open(cls, out: Path) -> Run:
        """The run in a folder. Raises NoRun and InvalidCorrections."""
        manifest = read_manifest(out)
        file = manifest.corrections_file
        made = read_corrections(out / file).corrections if file is not None else []
        try:
            staging, kept = kept_run(manifest.run_id)
            plan = get_document(staging, plan_key(manifest.run_id), Plan)
        except (RunExpired, KeyError):
            return cls(out, manifest, made, None)
        return cls(out, manifest, made, Staged(staging, kept, plan))

    @property
    def needed(self) -> Staged:
        """What is kept, for what can't do without it. Raises RunExpired."""
        if self.staged is None:
            raise gone(self.manifest.run_id)
        return self.staged

    @property
    def staging(self) -> DirectoryStaging:
        return self.needed.staging

    @property
    def plan(self) -> Plan:
        return self.needed.plan


def correct(run: Run, wishes: Sequence[Wish], pack_dir: Path | None = None) -> Run:
    """The run published anew with these corrections added to those of before.

    Where nothing is kept of the run, the manifest and the published pictures are changed: what needs more than they
    hold is refused. `pack_dir` is the model pack's folder where it lies elsewhere by now; it is needed for a new
    moment only.
    Raises NoSuchPerson, RunExpired, and what reading the video raises; then nothing is changed.
    """
    made_at = datetime.now(UTC).isoformat(timespec="microseconds")
    if run.staged is None:
        return _correct_published(run, wishes, made_at)
    meant = Meant(run.manifest, wishes)
    added = [_correction(run, wish, meant, made_at, pack_dir or Path(run.staged.kept.pack_dir)) for wish in wishes]
    return republish(run, [*run.corrections, *added])


def _correct_published(run: Run, wishes: Sequence[Wish], made_at: str) -> Run:
    """The same by the manifest and the published pictures alone. Raises RunExpired for what needs more."""
    from talent_frames import expired

    board = expired.Board(run.manifest, Meant(run.manifest, wishes))
    corrections = [*run.corrections, *(board.take(wish, made_at) for wish in wishes)]
    expired.publish(run.out, board, corrections, len(wishes))
    return Run(run.out, read_manifest(run.out), corrections, None)


def undo(run: Run) -> Run:
    """The run published anew without what was corrected last. Raises NoSuchPerson where nothing was."""
    if not run.corrections:
        raise NoSuchPerson(f"{run.out}: nothing was corrected that could be undone")
    last = run.corrections[-1].made_at
    return republish(run, [one for one in run.corrections if one.made_at != last])


def republish(run: Run, corrections: list[Correction]) -> Run:
    """Cluster and publish once more, with these corrections; the folder is replaced whole, or left as it was."""
    from lambdas.cluster import handler as cluster
    from lambdas.publish import handler as publish
    from lambdas.publish import report

    # The page finds its video where it did before.
    video = report.video_of((run.out / run.manifest.report_file).read_text(encoding="utf-8"))
    put_corrections(run.staging, run.plan, corrections)
    cluster.run(ClusterRequest(run_id=run.plan.run_id), run.staging)
    with replacing(run.out) as written:
        asked = PublishRequest(run_id=run.plan.run_id, video_link=video)
        publish.run(asked, run.staging, DirectoryStaging(written, private=False))
        keep_aside(run.out, written)
    return Run(run.out, read_manifest(run.out), corrections, run.staged)


def put_corrections(staging: DirectoryStaging, plan: Plan, corrections: list[Correction]) -> None:
    """Puts corrections where cluster finds them."""
    if not corrections:
        staging.delete(corrections_key(plan.run_id))
        return
    document = Corrections(run_id=plan.run_id, source_identity=plan.source.identity, corrections=corrections)
    put_document(staging, corrections_key(plan.run_id), document)


def put_aside(out: Path, corrections: Corrections) -> None:
    """Keeps corrections of another video, whose folder a run takes, for when that video is run into it again."""
    name = ASIDE.format(hashlib.sha256(corrections.source_identity.encode()).hexdigest()[:8])
    (out / name).write_text(corrections.model_dump_json(indent=1))


def keep_aside(out: Path, written: Path) -> None:
    """Copies what was put aside in a folder into the one that takes its place."""
    for file in _aside_in(out):
        shutil.copy(file, written / file.name)


def _aside_in(out: Path) -> list[Path]:
    return sorted(out.glob(ASIDE.format("????????")))


class Meant:
    """Whom corrections made at once mean, who all go by the numbers of the run as it is before them.

    A name for one of two who are merged is the merged person's, and what is split off somebody is theirs no more.
    """

    def __init__(self, manifest: Manifest, wishes: Sequence[Wish]) -> None:
        """Raises NoSuchPerson."""
        self._manifest = manifest
        self._left: dict[int, set[int]] = {}
        """Presences that are split off, by the identity of the manifest's entry."""
        self._one: dict[int, list[Who]] = {}
        """Who is one person with whom."""
        for wish in wishes:
            if isinstance(wish, Split):
                self._left.setdefault(id(person_of(manifest, wish.person)), set()).update(wish.tracks)
        for wish in wishes:
            if isinstance(wish, Merge):
                if len({id(person_of(manifest, who)) for who in wish.people}) < 2:
                    raise NoSuchPerson(f"merge {','.join(wish.people)}: takes two people or more")
                groups = [self._one.get(id(person_of(manifest, who)), [who]) for who in wish.people]
                whole = list(dict.fromkeys(who for group in groups for who in group))
                self._one |= {id(person_of(manifest, who)): whole for who in whole}

    def alone(self, who: Who) -> list[Sighting]:
        """The presences of somebody, whoever they are merged with. Raises NoSuchPerson."""
        gone = self._left.get(id(person_of(self._manifest, who)), set())
        return [one for track, one in enumerate(sightings(self._manifest, who)) if track not in gone]

    def whole(self, who: Who) -> list[Sighting]:
        """The presences of somebody and of everybody they are merged with. Raises NoSuchPerson."""
        people = self._one.get(id(person_of(self._manifest, who)), [who])
        return [one for other in people for one in self.alone(other)]


def _correction(run: Run, wish: Wish, meant: Meant, made_at: str, pack_dir: Path) -> Correction:
    if isinstance(wish, Name):
        return NamePerson(made_at=made_at, person=meant.whole(wish.person), name=wish.name)
    if isinstance(wish, Merge):
        return MergePeople(made_at=made_at, people=[meant.alone(who) for who in wish.people])
    if isinstance(wish, Split):
        return _split(run.manifest, wish, made_at)
    if isinstance(wish, Leave):
        return LeaveOut(made_at=made_at, do=wish.why, person=meant.whole(wish.person))
    return ChooseBest(
        made_at=made_at,
        person=meant.whole(wish.person),
        moment=_moment(run, wish, pack_dir),
    )


def _split(manifest: Manifest, wish: Split, made_at: str) -> SplitTracks:
    all_of_them = sightings(manifest, wish.person)
    wrong = [track for track in wish.tracks if not 0 <= track < len(all_of_them)]
    if wrong:
        raise NoSuchPerson(
            f"split {wish.person}:{wrong[0]}: person {wish.person} has the presences 0 to {len(all_of_them) - 1}"
        )
    rest = [one for track, one in enumerate(all_of_them) if track not in wish.tracks]
    if not rest:
        raise NoSuchPerson(f"split {wish.person}: nothing would be left of person {wish.person}")
    return SplitTracks(made_at=made_at, person=rest, tracks=[all_of_them[track] for track in wish.tracks])


def sightings(manifest: Manifest, who: Who) -> list[Sighting]:
    """One for each presence of a person. Raises NoSuchPerson."""
    return [_sighting(track) for track in person_of(manifest, who).tracks]


def person_of(manifest: Manifest, who: Who) -> Person | Unclear:
    """Who is named so. Raises NoSuchPerson."""
    by_id: dict[str, Person | Unclear] = {str(person.id): person for person in manifest.people}
    by_id |= {f"p{person.id + 1}": person for person in manifest.people}
    by_id |= {f"u{place}": seen for place, seen in enumerate(manifest.unclear)}
    if who not in by_id:
        people = f"people are 0 to {len(manifest.people) - 1}" if manifest.people else "nobody was found"
        unclear = f", those seen unclearly u0 to u{len(manifest.unclear) - 1}" if manifest.unclear else ""
        raise NoSuchPerson(f"no person {who}: {people}{unclear}, as manifest.json counts")
    return by_id[who]


def _sighting(track: Track) -> Sighting:
    if track.best_box is None or track.best_pts is None:
        raise NoRun("the run was made by a version whose runs can't be corrected; run the video again")
    return Sighting(t_s=track.best_s, pts=track.best_pts, box=track.best_box, start_s=track.start_s, end_s=track.end_s)


def _moment(run: Run, wish: Best, pack_dir: Path) -> Sighting:
    """The moment of a best frame, of which a frame is kept from now on."""
    from talent_frames.moments import stage_moment, staged_near

    found = person_of(run.manifest, wish.person)
    track = next((track for track in found.tracks if track.start_s - 0.05 <= wish.at_s <= track.end_s + 0.05), None)
    if track is None:
        when = ", ".join(f"{track.start_s:.1f} to {track.end_s:.1f}" for track in found.tracks[:5])
        more = ", ..." if len(found.tracks) > 5 else ""
        raise NoSuchPerson(
            f"best {wish.person}={wish.at_s:g}: person {wish.person} is not on screen then, but at {when}{more} s"
        )
    expected = _sighting(track)
    box, kept = _box_at(run, sightings(run.manifest, wish.person), wish.at_s)
    if kept is not None:
        pts, t_s = kept
    elif near := staged_near(run.plan, run.staging, wish.at_s, moments_only=True):
        pts, t_s = near[0]
    else:
        moment = stage_moment(run.plan, run.staging, pack_dir, wish.at_s, box or expected.box)
        pts, t_s = moment.pts, moment.t_s
    return Sighting(t_s=t_s, pts=pts, box=box or expected.box, start_s=track.start_s, end_s=track.end_s)


def _box_at(
    run: Run, person: list[Sighting], at_s: float
) -> tuple[tuple[float, float, float, float] | None, tuple[int, float] | None]:
    """Where the person's face is about then, and PTS and seconds of the kept frame of that moment that shows it."""
    from talent_frames.moments import ONE_FRAME_S
    from talent_frames.recognized import Recognized

    seen = Recognized.of(run)
    footage = seen.footage
    seconds = [footage.seconds(chunk) for chunk in range(len(footage.detections))]
    rows = sorted(seen.rows(person), key=lambda at: abs(float(seconds[at[0]][at[1]]) - at_s))
    if not rows or abs(float(seconds[rows[0][0]][rows[0][1]]) - at_s) > FARTHEST_S:
        return None, None
    chunk, row = rows[0]
    left, top, right, bottom = (round(float(edge), 1) for edge in footage.detections[chunk].boxes[row])
    for chunk, row in rows:
        at, staged = float(seconds[chunk][row]), int(footage.detections[chunk].staged[row])
        if abs(at - at_s) > ONE_FRAME_S:
            break
        if staged >= 0:
            return (left, top, right, bottom), (int(footage.detections[chunk].pts[row]), at)
    return (left, top, right, bottom), None
