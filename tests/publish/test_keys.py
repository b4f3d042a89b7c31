from __future__ import annotations

import pytest

from lambdas.contracts import KeyTemplates
from lambdas.errors import InvalidSettings
from lambdas.publish.keys import Keys, check_distinct, check_keys, check_prefix, is_inside, source_names


def templates(**changes: str) -> KeyTemplates:
    return KeyTemplates(**changes)


def test_the_defaults_give_the_documented_names() -> None:
    keys = Keys.of(KeyTemplates(), "/videos/clip.mp4")
    assert keys.person(0, None) == "people/person_000.jpg"
    assert keys.alternative(0, None, 0) == "people/person_000_alt1.jpg"
    assert keys.thumbnail(12, "Ada") == "people/person_012_face.jpg"
    assert keys.representative(0) == "representative/01.jpg"
    assert keys.scene(0) == "scenes/000.jpg"
    assert keys.unclear(0) == "unclear/000.jpg"
    assert (keys.names, keys.report, keys.manifest) == ("names.txt", "report.html", "manifest.json")


def test_fixed_templates_are_filled_from_the_source() -> None:
    fixed = templates(
        person="processed/{stem}/person_{id}.jpg", representative="{dirname}/frames/{index}.jpg", names="{stem}.txt"
    )
    keys = Keys.of(fixed, "s3://bucket/shows/one/pilot.v2.mp4")
    assert keys.person(3, None) == "processed/pilot.v2/person_3.jpg"
    assert keys.representative(0) == "shows/one/frames/0.jpg"
    assert keys.names == "pilot.v2.txt"
    assert keys.names_are_of_the_video


def test_the_folder_of_a_video_at_the_top_falls_away() -> None:
    keys = Keys.of(templates(scene="{dirname}/frames/{index}.jpg"), "s3://bucket/clip.mp4")
    assert keys.scene(0) == "frames/0.jpg"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/home/someone/videos/clip.mp4", ("clip", "videos")),
        ("clip.mp4", ("clip", "")),
        ("file:///a/b/clip.mp4", ("clip", "b")),
        ("s3://bucket/a b/c#1.mp4", ("c#1", "a b")),
        ("https://host/x/%2e%2e/my%20clip.mp4?sig=1", ("my clip", "x/_")),
        ("https://host", ("video", "")),
    ],
)
def test_stem_and_dirname_of_a_source(uri: str, expected: tuple[str, str]) -> None:
    assert source_names(uri) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"person": "people/best.jpg"},
        {"person": "people/{name}.jpg"},
        {"person": "people/{stem}.jpg"},
        {"alternative": "people/{id}_alt.jpg"},
        {"alternative": "people/alt{number}.jpg"},
        {"alternative": "people/{id}{number}.jpg"},
        {"representative": "representative/one.jpg"},
        {"scene": "scenes/{stem}.jpg"},
        {"unclear": "unclear/{stem}.jpg"},
    ],
    ids=lambda changes: next(iter(changes.values())),
)
def test_a_template_that_gives_two_files_one_name_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(changes))):
        check_keys(templates(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"scene": "frames/{index}.jpg", "representative": "frames/{number}.jpg"},
        {"person": "{id}.jpg", "thumbnail": "{id}.JPG"},
        {"scene": "frames/{index}.jpg", "unclear": "frames/{index:03d}.jpg"},
        {"names": "manifest.json"},
        {"report": "scenes/007.jpg"},
        {"names": "scenes"},
    ],
    ids=str,
)
def test_two_templates_that_can_meet_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings):
        check_keys(templates(**changes))


@pytest.mark.parametrize(
    "person",
    [
        "../{id}.jpg",
        "/etc/{id}.jpg",
        "people/../../{id}.jpg",
        "people//{id}.jpg",
        "./{id}.jpg",
        "people\\{id}.jpg",
        "people/{id}.jpg\n",
        "{id}/",
        "..{dirname}/{id}.jpg",
        "{id}/{dirname}",
        "{nobody}.jpg",
        "{id.__class__}.jpg",
        "{0}.jpg",
        "{}.jpg",
        "{id",
        "{id!r}.jpg",
        "{id:999999999d}.jpg",
        "{id:{index}}.jpg",
        "{id}{name:>30}.jpg",
        "",
    ],
)
def test_a_template_that_leaves_the_folder_or_is_no_plain_template_is_refused(person: str) -> None:
    with pytest.raises(InvalidSettings, match="key template person"):
        check_keys(templates(person=person))


def test_a_field_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidSettings, match=r"scene.*\{id\} is not one of"):
        check_keys(templates(scene="{id}.jpg"))


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "", "x\x00y\n", "é" * 300, "con:aux"])
def test_a_name_never_leaves_its_part_of_the_key(name: str) -> None:
    key = Keys.of(templates(person="people/{name}/{id}.jpg"), "clip.mp4").person(0, name)
    folder, safe, file = key.split("/")
    assert (folder, file) == ("people", "0.jpg")
    assert safe not in ("", ".", "..")
    assert len(safe.encode()) <= 150


HOSTILE = [
    "...mp4", "....mp4", "..mp4", ".mp4", "..", ".", "", "/", "//", " .mp4", ". .mp4", "..\u200b.mp4", "\x00.mp4",
    "a\nb.mp4", "%2e%2e.mp4",
    "..\\..\\x.mp4", "~.mp4", "-rf.mp4", "$(id).mp4", "%2e%2e%2fx.mp4", "é" * 300 + ".mp4", "\udcff.mp4",
    "{id}.mp4", "{stem}.mp4", "CON.mp4", "a:b.mp4", "..%00.mp4", "../../etc/passwd", "/..", "/../...mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "place", ["{}", "/films/{}", "https://host/a/{}", "s3://bucket/a/{}", "{}/{}", "https://host/{}/{}"]
)
def test_no_file_of_a_video_of_any_name_leaves_its_folder(place: str, name: str) -> None:
    uri = place.format(*[name] * place.count("{}"))
    for made in (
        KeyTemplates(),
        KeyTemplates(**{kind: f"{{dirname}}/{{stem}}/{form}" for kind, form in KeyTemplates().model_dump().items()}),
        templates(person="{stem}/{id}.jpg", scene="{stem}{index}.jpg", names="{stem}.txt", report="{stem}.html"),
    ):
        keys = Keys(made, *source_names(uri))
        for key in (keys.person(0, name), keys.alternative(0, name, 1), keys.thumbnail(0, None), keys.representative(0),
                    keys.scene(0), keys.names, keys.report, keys.manifest):  # fmt: skip
            assert is_inside(key), key
            assert all(len(part.encode()) <= 255 for part in key.split("/"))
    stem, dirname = source_names(uri)
    assert is_inside(stem) and "/" not in stem
    assert not dirname or is_inside(dirname)


def test_shared_prefixes_need_the_video_in_every_template() -> None:
    with pytest.raises(InvalidSettings, match="share the prefix"):
        check_keys(KeyTemplates(), shared=True)
    told_apart = {kind: f"{{stem}}/{form}" for kind, form in KeyTemplates().model_dump().items()}
    check_keys(KeyTemplates(**told_apart), shared=True)
    for kind in told_apart:
        with pytest.raises(InvalidSettings, match=f"{kind} .*share the prefix"):
            check_keys(
                KeyTemplates(**{other: form for other, form in told_apart.items() if other != kind}), shared=True
            )


@pytest.mark.parametrize("keys", [["a.jpg", "A.jpg"], ["a", "a/b.jpg"]])
def test_keys_that_meet_on_a_disk_are_refused(keys: list[str]) -> None:
    with pytest.raises(InvalidSettings):
        check_distinct(keys)


def test_no_keys_are_distinct() -> None:
    check_distinct([])


@pytest.mark.parametrize("prefix", ["a", "/", "/a/", "../", "a/../", "a//", "\n/"])
def test_a_prefix_that_is_no_folder_inside_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidSettings, match="prefix"):
        check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["", "a/", "a/b.mp4/0123/"])
def test_a_folder_is_a_fine_prefix(prefix: str) -> None:
    check_prefix(prefix)
