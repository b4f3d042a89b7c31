"""Names of the published files: templates checked before anything is written, and filled in for one run.

Pure: no files, no environment.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lambdas.contracts import KeyTemplates
from lambdas.errors import InvalidSettings

UNKNOWN = "unknown"
"""Stands for `{name}` and in the names file where a person has no name."""

_TEXT = frozenset({"name", "stem", "dirname"})
_VIDEO = frozenset({"stem", "dirname"})
_COUNTED = frozenset({"index", "number"}) | _VIDEO
_PERSON = frozenset({"id", "index", "number", "name"}) | _VIDEO


@dataclass(frozen=True)
class _Rule:
    fields: frozenset[str]
    """Fields a template may use."""
    needs: tuple[frozenset[str], ...]
    """Of each of these it must use one, or two files of a run would get the same key."""


_RULES = {
    "person": _Rule(_PERSON, (frozenset({"id", "index", "number"}),)),
    "alternative": _Rule(_PERSON, (frozenset({"id"}), frozenset({"index", "number"}))),
    "thumbnail": _Rule(_PERSON, (frozenset({"id", "index", "number"}),)),
    "representative": _Rule(_COUNTED, (frozenset({"index", "number"}),)),
    "scene": _Rule(_COUNTED, (frozenset({"index", "number"}),)),
    "unclear": _Rule(_COUNTED, (frozenset({"index", "number"}),)),
    "names": _Rule(_VIDEO, ()),
    "report": _Rule(_VIDEO, ()),
    "contact_sheet": _Rule(_VIDEO, ()),
    "manifest": _Rule(_VIDEO, ()),
}

_INTEGER_FORMAT = re.compile(r"(0[1-9])?d?")
"""`{id}`, `{id:d}`, `{id:03d}`; widths to 9, zeros only."""
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_MAX_FILLED_BYTES = 150
"""Of a name, a stem or one folder; file systems end at 255 for the whole segment."""
_SAMPLES = (*range(112), *range(1000, 1112))
"""Numbers tried when looking for templates that collide: one to four digits, paddings that run over included."""


def check_keys(templates: KeyTemplates, *, shared: bool = False) -> None:
    """Nothing, if these templates give every file of a run its own key inside the output folder.

    `shared`: results of several videos go under one prefix, so every template must tell videos apart by `{stem}` or
    `{dirname}`.

    Raises InvalidSettings, naming the template, for unknown fields and formats, for templates that leave the folder
    and for templates that can give two files one key.
    """
    for kind, rule in _RULES.items():
        template: str = getattr(templates, kind)
        used = _fields(kind, template)
        for field in used:
            if field not in rule.fields:
                raise InvalidSettings(
                    f"key template {kind} {template!r}: {{{field}}} is not one of {_listed(rule.fields)}"
                )
        for need in rule.needs:
            if not used & need:
                raise InvalidSettings(f"key template {kind} {template!r}: needs {_listed(need, ' or ')}")
        if shared and not used & _VIDEO:
            raise InvalidSettings(
                f"key template {kind} {template!r}: needs {{stem}} or {{dirname}}, "
                "as the results of several videos share the prefix"
            )
        _check_path(kind, template)
    _check_collisions(templates)


@dataclass(frozen=True)
class Keys:
    """The keys of one run's files, relative to its prefix."""

    templates: KeyTemplates
    stem: str
    dirname: str

    @classmethod
    def of(cls, templates: KeyTemplates, uri: str) -> Keys:
        """Checked templates for the video at `uri`."""
        check_keys(templates)
        stem, dirname = source_names(uri)
        return cls(templates, stem, dirname)

    def person(self, person: int, name: str | None) -> str:
        return self._fill(self.templates.person, id=person, index=person, number=person + 1, name=safe_name(name))

    def alternative(self, person: int, name: str | None, index: int) -> str:
        """The `index`-th (from 0) alternative of a person."""
        return self._fill(self.templates.alternative, id=person, index=index, number=index + 1, name=safe_name(name))

    def thumbnail(self, person: int, name: str | None) -> str:
        return self._fill(self.templates.thumbnail, id=person, index=person, number=person + 1, name=safe_name(name))

    def representative(self, index: int) -> str:
        return self._fill(self.templates.representative, index=index, number=index + 1)

    def scene(self, index: int) -> str:
        return self._fill(self.templates.scene, index=index, number=index + 1)

    def unclear(self, index: int) -> str:
        return self._fill(self.templates.unclear, index=index, number=index + 1)

    @property
    def names(self) -> str:
        return self._fill(self.templates.names)

    @property
    def report(self) -> str:
        return self._fill(self.templates.report)

    @property
    def contact_sheet(self) -> str:
        return self._fill(self.templates.contact_sheet)

    @property
    def manifest(self) -> str:
        return self._fill(self.templates.manifest)

    @property
    def corrections(self) -> str:
        """Beside the manifest, and called like it unless that is `manifest.json`."""
        folder, slash, name = self.manifest.rpartition("/")
        stem = name.removesuffix(".json")
        return f"{folder}{slash}corrections.json" if stem == "manifest" else f"{folder}{slash}{stem}.corrections.json"

    @property
    def names_are_of_the_video(self) -> bool:
        """Whether the names file is called after the video (`{stem}.txt`), so holds one name instead of a list."""
        return "{stem}" in self.templates.names.rpartition("/")[2]

    def _fill(self, template: str, **values: int | str) -> str:
        filled = template.format(**values, stem=self.stem, dirname=self.dirname)
        # A video at the top of a bucket has no dirname; its `{dirname}/` then falls away.
        return "/".join(part for part in filled.split("/") if part)


def check_distinct(keys: Iterable[str]) -> None:
    """Nothing, if no key is given twice or lies inside another one.

    Upper and lower case count as the same, as they are on many disks. Raises InvalidSettings.
    """
    seen: set[str] = set()
    folders: set[str] = set()
    for key in keys:
        folded = key.casefold()
        if folded in seen:
            raise InvalidSettings(f"key templates: two files would be called {key}")
        seen.add(folded)
        folders.update(str(folder) for folder in PurePosixPath(folded).parents)
    for clash in sorted(seen & folders):
        raise InvalidSettings(f"key templates: {clash} would be both a file and a folder")


def check_prefix(prefix: str) -> None:
    """Nothing, if `prefix` is empty or a relative folder ending in a slash; else raises InvalidSettings."""
    if prefix and (not prefix.endswith("/") or not is_inside(prefix.removesuffix("/"))):
        raise InvalidSettings(f"prefix {prefix!r}: must be a relative folder and end in a slash")


def is_inside(key: str) -> bool:
    """Whether a key stays inside its folder: relative, no empty, `.` or `..` segments, no control characters."""
    return not _FORBIDDEN.search(key) and all(part not in ("", ".", "..") for part in key.split("/"))


def source_names(uri: str) -> tuple[str, str]:
    """`{stem}` and `{dirname}` of a video.

    The dirname of a URL is its whole folder (`s3://bucket/a/b/c.mp4` gives `a/b`, which is empty at the top); of a
    path on this machine only the folder's own name, so that no part of the machine's layout is published.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        # `http://[`, say; what reads it will name it.
        return "video", ""
    if parts.scheme in ("http", "https", "s3"):
        # S3 keys hold whatever they hold; only in http are percent signs an encoding.
        decode = (lambda text: text) if parts.scheme == "s3" else unquote
        path = parts.path
        if parts.scheme == "s3":
            path = uri.split("://", 1)[1].partition("/")[2]
        *folders, last = [_safe(decode(part)) for part in path.split("/") if part] or ["video"]
    else:
        path = parts.path if parts.scheme == "file" else uri
        *folders, last = [_safe(part) for part in path.split("/") if part] or ["video"]
        folders = folders[-1:]
    # What is left without its suffix may be `..`, or nothing.
    return _safe(PurePosixPath(last).stem), "/".join(folders)


def safe_name(name: str | None) -> str:
    """A person's name as part of a file name; `unknown` for None."""
    return UNKNOWN if name is None else _safe(name)


def _safe(text: str) -> str:
    """Text as one path segment, or part of one: never empty, never `.` or `..`."""
    text = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", unicodedata.normalize("NFC", text)).strip()
    text = text.encode(errors="replace")[:_MAX_FILLED_BYTES].decode(errors="ignore")
    return "_" if text in ("", ".", "..") else text


def _fields(kind: str, template: str) -> set[str]:
    """Names of the fields a template uses; raises InvalidSettings where it is no plain template."""
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidSettings(f"key template {kind} {template!r}: {error}") from None
    used = set()
    for _, field, form, conversion in parsed:
        if field is None:
            continue
        allowed = _RULES[kind].fields
        if not field.isidentifier():
            raise InvalidSettings(f"key template {kind} {template!r}: {{{field}}} is not one of {_listed(allowed)}")
        pattern_fits = not form if field in _TEXT else _INTEGER_FORMAT.fullmatch(form or "")
        if conversion or not pattern_fits:
            raise InvalidSettings(f"key template {kind} {template!r}: {{{field}}} takes only a width such as :03d")
        used.add(field)
    return used


def _check_path(kind: str, template: str) -> None:
    if not is_inside(_filled(template, 0, 0)):
        raise InvalidSettings(
            f"key template {kind} {template!r}: must be a relative path without empty, '.' or '..' parts"
        )
    # The other fields are never empty, so they can't complete a `..`; an empty dirname's whole part falls away.
    for part in template.split("/")[:-1]:
        if "{dirname}" in part and part != "{dirname}":
            raise InvalidSettings(f"key template {kind} {template!r}: {{dirname}} must be a whole folder")
    if "{dirname}" in template.rpartition("/")[2]:
        raise InvalidSettings(f"key template {kind} {template!r}: {{dirname}} is a folder, not a file")


def _check_collisions(templates: KeyTemplates) -> None:
    owners: dict[str, str] = {}
    for kind, rule in _RULES.items():
        template: str = getattr(templates, kind)
        if not rule.needs:
            numbers = [(0, 0)]
        elif len(rule.needs) == 1:
            numbers = [(sample, sample) for sample in _SAMPLES]
        else:
            numbers = [(sample, index) for sample in _SAMPLES for index in range(12)]
        own: set[str] = set()
        for identity, index in numbers:
            key = _filled(template, identity, index).casefold()
            if key in own:
                raise InvalidSettings(f"key template {kind} {template!r}: can give two files the key {key}")
            own.add(key)
            if owners.setdefault(key, kind) != kind:
                raise InvalidSettings(f"key templates {owners[key]} and {kind} can both give {key}")
    check_distinct(owners)


def _filled(template: str, identity: int, index: int, dirname: str = "folder") -> str:
    return template.format(id=identity, index=index, number=index + 1, name="name", stem="stem", dirname=dirname)


def _listed(fields: Iterable[str], joint: str = ", ") -> str:
    return joint.join(f"{{{field}}}" for field in sorted(fields))
