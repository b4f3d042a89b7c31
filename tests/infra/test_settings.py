"""A wrong value fails synth with one sentence that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import infra.app
from infra.app import build
from infra.packs import UnknownModelPack, choose_pack, known_packs
from infra.settings import DeploymentSettings, WrongSetting, _from_text, from_context
from lambdas.contracts import Deployment

ROOT = Path(__file__).parents[2]


def test_the_defaults_are_valid() -> None:
    assert from_context({}) == DeploymentSettings.model_validate({})


@pytest.mark.parametrize(
    ("machine", "architecture"), [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("arm64", "arm64"), ("aarch64", "arm64")]
)
def test_functions_are_built_for_the_machine_that_builds_them(
    monkeypatch: pytest.MonkeyPatch, machine: str, architecture: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert from_context({}).architecture == architecture
    assert from_context({"architecture": "arm64"}).architecture == "arm64"


def test_a_manifests_cost_is_reckoned_for_the_deployment_that_sets_nothing() -> None:
    assert from_context({"architecture": "x86_64"}).deployment() == Deployment()


def test_the_cdks_own_context_is_left_alone() -> None:
    assert from_context({"@aws-cdk/core:x": True, "aws:cdk:enable-path-metadata": True, "cdk-migrate": True})


def test_text_from_the_command_line_is_read_as_what_it_stands_for() -> None:
    settings = from_context(
        {"gpu": "true", "detect_memory_mib": "2048", "source_suffixes": '[".mp4"]', "run": '{"fit": "crop"}'}
    )
    assert (settings.gpu, settings.detect_memory_mib, settings.source_suffixes) == (True, 2048, [".mp4"])
    assert settings.run.fit == "crop"


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"detect_memory": 3008}, "detect_memory: there is no such setting"),
        ({"detect_memory_mib": 20_000}, "detect_memory_mib: Input should be less than or equal to 10240"),
        ({"detect_timeout_s": 901}, "detect_timeout_s"),
        ({"staging_days": 0}, "staging_days"),
        ({"log_days": 31}, "log_days: CloudWatch keeps logs for one of"),
        ({"architecture": "riscv"}, "architecture"),
        ({"source_bucket": "Not_A_Bucket"}, "source_bucket"),
        ({"source_suffixes": "[.mp4"}, "source_suffixes: is no JSON"),
        ({"source_prefix": "in*/"}, "source_prefix"),
        ({"gpu_wait_s": 300}, "gpu_wait_s: Input should be greater than or equal to 600"),
        ({"gpu_families": ["p5"]}, "gpu_families.0"),
        ({"gpu": True, "run_timeout_s": 3600}, "the GPU alone may take"),
        ({"run_timeout_s": 900}, "a single stage may take 900 s"),
        ({"key_template": "{platform}/video.mp4"}, "needs {platform} and {shortcode}, once each"),
        ({"key_template": "{platform}/{shortcode!r}.mp4"}, "plainly"),
        ({"key_template": "{platform"}, "key_template"),
        ({"webhook_url": "http://plain.example.com", "webhook_secret": "s"}, "webhook_url"),
        ({"webhook_url": "https://hooks.example.com"}, "webhook_url: needs webhook_secret"),
        ({"database_url": "https://db.example.com"}, "database_url: needs database_secret"),
        (
            {"database_url": "https://db.example.com", "database_secret": "s", "database_column": "title"},
            "has no folder {title}",
        ),
        ({"source_bucket_key": "arn:aws:kms:x"}, "only an existing source_bucket has one"),
        ({"run": {"fit": "stretch"}}, "run: fit: Input should be 'pad' or 'crop'"),
        ({"run": {"keys": {"person": "people/face.jpg"}}}, "run: key template person"),
        ({"run": {"keys": {"scene": "{index}.jpg", "representative": "{index}.jpg"}}}, "run: key template"),
        ({"prefix_template": "/"}, "the videos share it"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_one_sentence_that_names_it(context: dict[str, Any], says: str) -> None:
    with pytest.raises(WrongSetting) as raised:
        from_context(context)
    assert says in str(raised.value)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_fixed_names_at_the_top_of_the_bucket_are_fine_where_they_tell_videos_apart() -> None:
    keys = {
        "person": "processed/{stem}/person_{id}.jpg",
        "alternative": "processed/{stem}/person_{id}_{number}.jpg",
        "thumbnail": "processed/{stem}/face_{id}.jpg",
        "representative": "{dirname}/frames/{index}.jpg",
        "scene": "{dirname}/scenes/{index}.jpg",
        "unclear": "processed/{stem}/unclear_{index}.jpg",
        "names": "{stem}.txt",
        "report": "{stem}.html",
        "contact_sheet": "processed/{stem}/contact_sheet.jpg",
        "manifest": "{stem}.json",
    }
    assert from_context({"prefix_template": "/", "run": {"keys": keys}}).run.keys.names == "{stem}.txt"


def test_the_command_ends_with_the_sentence_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra.app, "build", lambda: build({"staging_days": 0}))
    with pytest.raises(SystemExit) as ended:
        infra.app.main()
    assert str(ended.value).startswith("wrong setting: staging_days: Input should be greater than or equal to 1")


def test_every_setting_is_described_in_the_docs() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    assert [name for name in DeploymentSettings.model_fields if f"`{name}`" not in text] == []


# packs


def test_an_unknown_pack_is_one_sentence() -> None:
    with pytest.raises(UnknownModelPack, match=r"pack 'nobody': neither a directory nor one of open, buffalo_l"):
        choose_pack("nobody")


def test_a_former_packs_name_says_what_it_is_now() -> None:
    with pytest.raises(UnknownModelPack, match="pack 'opencv': neither a directory nor one of open, buffalo_l"):
        choose_pack("opencv")


def test_a_directory_without_a_pack_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelPack, match="no model pack"):
        choose_pack(str(tmp_path))


def test_what_plans_say_of_known_packs_is_what_this_release_makes() -> None:
    """pack_facts.json against the packs themselves; `make pack-facts` writes it anew."""
    from lambdas.detect.catalogue import PACKS

    assert list(known_packs()) == list(PACKS)
    for name, known in PACKS.items():
        facts = known_packs()[name]
        assert _same(facts, known, "licence", "commercial_use", "embedding_size", "distances"), name


def test_the_default_packs_checksum_is_that_of_the_pack_made_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lambdas.detect.packs import read_manifest
    from talent_frames.packs import DEFAULT_PACK, resolve_pack

    assert read_manifest(resolve_pack(DEFAULT_PACK)).facts() == known_packs()[DEFAULT_PACK]


def _same(facts: BaseModel, known: object, *fields: str) -> bool:
    return all(getattr(facts, field) == getattr(known, field) for field in fields)


@pytest.mark.parametrize("deep", ["[" * 60_000, '{"a":' * 60_000], ids=["brackets", "braces"])
def test_settings_nested_too_deeply_are_refused_by_name(deep: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(deep)
    with pytest.raises(WrongSetting, match="nested too deeply"):
        infra.app.given_context({"settings_file": str(tmp_path / "s.json")})
    with pytest.raises(ValueError, match="nested too deeply"):
        _from_text(deep)
