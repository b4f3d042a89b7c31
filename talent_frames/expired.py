"""Corrections of a run whose staging is gone: the manifest and the published pictures alone are changed.

Who is called what, who is one, who is no person, which published frame is the best: that stands in them. What would
need another frame or other tracks than were published is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from lambdas.cluster.best_frames import APART_AT_LEAST_S
from lambdas.contracts import ChooseBest, Correction, Corrections, LeaveOut, MergePeople, NamePerson, Sighting
from lambdas.errors import RunExpired
from lambdas.publish import images, names, report, xmp
from lambdas.publish.contact_sheet import sheet_of
from lambdas.publish.keys import Keys, check_distinct
from lambdas.publish.manifest import FaceFrame, Manifest, Merge, Person, Track, Unclear
from lambdas.publish.notes import about_people
from lambdas.publish.publish_frames import FACE_QUALITY
from talent_frames.corrections import Best, Leave, Meant, Name, Split, Who, Wish, keep_aside, person_of
from talent_frames.corrections import Merge as MergeWish
from talent_frames.output import replacing

SAME_MOMENT_S = 0.021
"""A moment so near to a published frame's is that frame's."""


@dataclass
class Standing:
    """Somebody of the manifest while corrections are applied."""

    entry: Person | Unclear
    """Of somebody seen unclearly no whole frame is published."""
    frames: list[FaceFrame]
    """Published, best first."""
    tracks: list[Track]
    screen_time_s: float
    name: str | None = None
    is_shown: bool = True
    of: list[Who] = field(default_factory=list)
    """Everybody of the manifest who is this person by now."""


class Board:
    """Who is who in a run while corrections are applied. They mean the people of the manifest, as ever."""

    def __init__(self, manifest: Manifest, meant: Meant) -> None:
        self.manifest = manifest
        self.meant = meant
        self.standing: dict[Who, Standing] = {}
        for one in manifest.people:
            frames = [one.best_frame, *one.alternatives]
            standing = Standing(one, frames, one.tracks, one.screen_time_s, one.name, of=[str(one.id)])
            self.standing[str(one.id)] = standing
        for place, seen in enumerate(manifest.unclear):
            self.standing[f"u{place}"] = Standing(seen, [], seen.tracks, seen.screen_time_s, of=[f"u{place}"])

    def take(self, wish: Wish, made_at: str) -> Correction:
        """Applies one correction, and hands it back as it is written down. Raises NoSuchPerson and RunExpired."""
        if isinstance(wish, Split):
            self.refuse(f"split {wish.person}:{','.join(map(str, wish.tracks))}")
        if isinstance(wish, MergeWish):
            return self._merge(wish, made_at)
        meant, one = self.meant.whole(wish.person), self._of(wish.person)
        if isinstance(wish, Leave):
            one.is_shown = False
            return LeaveOut(made_at=made_at, do=wish.why, person=meant)
        if not one.frames:
            self.refuse(f"{'name' if isinstance(wish, Name) else 'best'} of {wish.person}, who is seen unclearly")
        if isinstance(wish, Name):
            one.name = wish.name
            return NamePerson(made_at=made_at, person=meant, name=wish.name)
        return self._best(one, wish, meant, made_at)

    def _merge(self, wish: MergeWish, made_at: str) -> Correction:
        meant = [self.meant.alone(who) for who in wish.people]
        target, *others = [self._of(who) for who in wish.people]
        for other in others:
            if other is target:
                continue
            if isinstance(target.entry, Unclear):
                target.entry = other.entry
            target.name = target.name or other.name
            rest = sorted([*target.frames, *other.frames], key=lambda frame: -frame.score)
            target.frames = rest
            target.screen_time_s = _together_s(target, other)
            target.tracks = _joined([*target.tracks, *other.tracks])
            target.of += other.of
            self.standing |= dict.fromkeys(other.of, target)
        if not target.frames:
            self.refuse(f"merge {','.join(wish.people)}, who are all seen unclearly")
        return MergePeople(made_at=made_at, people=meant)

    def _best(self, one: Standing, wish: Best, meant: list[Sighting], made_at: str) -> Correction:
        nearest = min(one.frames, key=lambda frame: abs(frame.t_s - wish.at_s))
        if abs(nearest.t_s - wish.at_s) > SAME_MOMENT_S:
            when = ", ".join(f"{frame.t_s:.2f}" for frame in one.frames)
            self.refuse(f"best {wish.person}={wish.at_s:g} (frames are published of {when} s)")
        one.frames = [nearest, *(frame for frame in one.frames if frame is not nearest)]
        within = [seen for seen in meant if seen.start_s - 0.05 <= nearest.t_s <= seen.end_s + 0.05] or meant
        at = {"t_s": nearest.t_s, "pts": nearest.pts, "box": _box_in_video(self.manifest, nearest) or within[0].box}
        return ChooseBest(made_at=made_at, person=meant, moment=within[0].model_copy(update=at))

    def _of(self, who: Who) -> Standing:
        entry = person_of(self.manifest, who)
        return self.standing[str(entry.id) if isinstance(entry, Person) else who]

    def refuse(self, what: str) -> NoReturn:
        raise RunExpired(
            f"run {self.manifest.run_id}: {what}: that needs what is not kept of this run on this machine any more "
            "(names, merges, drop, hide and frames that are published go without it; run the video again: its "
            "corrections are applied to the new run)"
        )

    def people(self) -> list[Standing]:
        """Everybody who is shown, longest on screen first."""
        different = {id(one): one for one in self.standing.values() if one.is_shown and one.frames}
        return sorted(different.values(), key=lambda one: -one.screen_time_s)

    def unclear(self) -> list[Unclear]:
        """Those seen unclearly who are still there and nobody else."""
        return [one.entry for one in self.standing.values() if isinstance(one.entry, Unclear) and one.is_shown]


def publish(out: Path, board: Board, corrections: Sequence[Correction], added: int) -> None:
    """The run's folder with who is who by the board, `added` corrections more than before.

    It is replaced whole, or left as it was. Raises RunExpired.
    """
    manifest = board.manifest
    if any("{dirname}" in template for template in manifest.settings.keys.model_dump().values()):
        board.refuse("files called after the video's folder, which the manifest does not tell")
    keys = Keys.of(manifest.settings.keys, manifest.source.uri)
    shown = board.people()
    people, before = _renumbered(board, shown, keys)
    unclear: list[Unclear] = []
    for seen in board.unclear():
        picture = seen.best
        if picture is not None and picture.file is not None:
            file = keys.unclear(len(unclear))
            before[file] = picture.file
            picture = picture.model_copy(update={"file": file})
        unclear.append(seen.model_copy(update={"best": picture}))
    before |= {frame.file: frame.file for frame in manifest.representative_frames}
    before |= {scene.file: scene.file for scene in manifest.scenes}
    files = [*before, *(person.thumbnail for person in people)]
    files += [keys.names, keys.report, keys.contact_sheet, keys.corrections]
    check_distinct([*files, keys.manifest])
    left = manifest.model_copy(
        update={
            "people": people,
            "unclear": unclear,
            "suggested_merges": _merges(manifest.suggested_merges, shown, people),
            "files": sorted(files),
            "notes": _notes(manifest, len(people), len(unclear)),
            "corrections": manifest.corrections + added,
            "corrections_file": keys.corrections,
        }
    )
    video = report.video_of((out / manifest.report_file).read_text(encoding="utf-8"))
    pictures = {file: (out / name).read_bytes() for file, name in before.items()}
    for person, one in zip(people, shown, strict=True):
        pictures[person.thumbnail] = _thumbnail(out, manifest, one.frames[0])
        for frame in (person.best_frame, *person.alternatives):
            pictures[frame.file] = _told(pictures[frame.file], left, person, frame)
        pictures[person.thumbnail] = _told(pictures[person.thumbnail], left, person, person.best_frame)
    small = _shown(left, pictures)
    document = Corrections(
        run_id=manifest.run_id, source_identity=manifest.source.identity, corrections=list(corrections)
    )
    sheet = images.encode(sheet_of(left, pictures, small), FACE_QUALITY)
    with replacing(out) as written:
        for file, data in {
            **pictures,
            keys.names: names.names_text(people, keys).encode(),
            keys.corrections: document.model_dump_json(indent=1).encode(),
            keys.contact_sheet: sheet,
            keys.report: report.render(left, keys, small, video).encode(),
            keys.manifest: left.model_dump_json(indent=1).encode(),
        }.items():
            (written / file).parent.mkdir(parents=True, exist_ok=True)
            (written / file).write_bytes(data)
        keep_aside(out, written)


def _renumbered(board: Board, shown: Sequence[Standing], keys: Keys) -> tuple[list[Person], dict[str, str]]:
    """The people shown by their new ids, and what each file of a frame of theirs was called before."""
    people: list[Person | Unclear] = []
    before: dict[str, str] = {}
    for number, one in enumerate(shown):
        kept = one.frames[:1]
        for frame in one.frames[1:]:
            # Frames of one person are apart; those of two who are one now may be of one moment.
            apart = all(abs(frame.t_s - other.t_s) >= APART_AT_LEAST_S for other in kept)
            if len(kept) <= board.manifest.settings.alternatives and (apart or len(one.of) == 1):
                kept.append(frame)
        files = [keys.person(number, one.name), *(keys.alternative(number, one.name, n) for n in range(len(kept) - 1))]
        before |= {file: frame.file for file, frame in zip(files, kept, strict=True)}
        renamed = [frame.model_copy(update={"file": file}) for file, frame in zip(files, kept, strict=True)]
        changed = {
            "id": number,
            "name": one.name,
            "best_frame": renamed[0],
            "alternatives": renamed[1:],
            "thumbnail": keys.thumbnail(number, one.name),
            "screen_time_s": round(one.screen_time_s, 3),
            "tracks": one.tracks,
        }
        people.append(one.entry.model_copy(update=changed))
    return [person for person in people if isinstance(person, Person)], before


def _joined(tracks: Sequence[Track]) -> list[Track]:
    """The presences of one person by start; those that overlap are one, seen best where the longer of them is."""
    joined: list[Track] = []
    for track in sorted(tracks, key=lambda track: (track.start_s, track.end_s)):
        if joined and track.start_s < joined[-1].end_s:
            last = joined[-1]
            longer = max(last, track, key=lambda one: one.end_s - one.start_s)
            end_s = max(last.end_s, track.end_s)
            joined[-1] = longer.model_copy(update={"start_s": last.start_s, "end_s": end_s})
        else:
            joined.append(track)
    return joined


def _together_s(one: Standing, other: Standing) -> float:
    """Time on screen of two who are one: what both were there for counts once."""
    both = sum(max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s)) for a in one.tracks for b in other.tracks)
    return max(one.screen_time_s + other.screen_time_s - both, one.screen_time_s, other.screen_time_s)


def _merges(suggested: Sequence[Merge], shown: Sequence[Standing], people: Sequence[Person]) -> list[Merge]:
    """The suggestions about people who are both still there, and two."""
    number = {who: place for place, one in enumerate(shown) for who in one.of}
    left = []
    for merge in suggested:
        one, other = (number.get(str(person)) for person in merge.people)
        if one is not None and other is not None and one != other:
            pair = (min(one, other), max(one, other))
            faces = (people[pair[0]].thumbnail, people[pair[1]].thumbnail)
            left.append(merge.model_copy(update={"people": pair, "thumbnails": faces}))
    return left


def _notes(manifest: Manifest, people: int, unclear: int) -> list[str]:
    """The notes, those on who was found by who is there now."""
    limits = manifest.settings.limits
    before = about_people(len(manifest.people), len(manifest.unclear), limits)
    return [*(note for note in manifest.notes if note not in before), *about_people(people, unclear, limits)]


def _thumbnail(out: Path, manifest: Manifest, best: FaceFrame) -> bytes:
    """The face of a published frame: the picture there is of it, or one cut from it."""
    for person in manifest.people:
        if person.best_frame == best:
            return (out / person.thumbnail).read_bytes()
    frame = images.decode((out / best.file).read_bytes())
    if frame is None:
        raise RunExpired(f"{out / best.file}: no picture any more; run the video again")
    return images.encode(images.thumbnail(frame, best.box), FACE_QUALITY)


def _told(jpeg: bytes, manifest: Manifest, person: Person, frame: FaceFrame) -> bytes:
    """The picture with what the settings want to stand in it, of the person as they are called now."""
    told = xmp.Provenance(manifest.source.uri, manifest.run_id, frame.t_s, frame.pts, person.id, person.name)
    return xmp.tagged_as_wanted(jpeg, manifest.settings.xmp, told)


def _shown(manifest: Manifest, pictures: Mapping[str, bytes]) -> dict[str, report.Shown]:
    """The report's pictures, made of the published ones."""
    sizes = report.shown_sizes(len(manifest.people), len(manifest.representative_frames), len(manifest.scenes))
    px = {scene.file: sizes.scene for scene in manifest.scenes}
    px |= {frame.file: sizes.representative for frame in manifest.representative_frames}
    px |= {seen.best.file: sizes.unclear for seen in manifest.unclear if seen.best is not None and seen.best.file}
    for person in manifest.people:
        px |= {frame.file: sizes.alternative for frame in person.alternatives}
        px |= {person.best_frame.file: sizes.still, person.thumbnail: sizes.face}
    decoded = ((file, images.decode(pictures[file])) for file in px)
    return {file: report.Shown.of(picture, px[file]) for file, picture in decoded if picture is not None}


def _box_in_video(manifest: Manifest, frame: FaceFrame) -> tuple[float, float, float, float] | None:
    """The face's box in the video's own pixels; None where the picture was cropped about faces unknown by now."""
    if manifest.settings.fit == "crop" and manifest.settings.size != "source":
        return None
    width, height = manifest.source.width, manifest.source.height
    placement = images.place(width, height, images.published_size(width, height, manifest.settings.size), "pad")
    left, top, right, bottom = placement.target
    x, y = width / (right - left), height / (bottom - top)
    x1, y1, x2, y2 = frame.box
    return ((x1 - left) * x, (y1 - top) * y, (x2 - left) * x, (y2 - top) * y)
