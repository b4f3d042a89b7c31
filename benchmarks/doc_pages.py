"""The generated pages of docs/, settings.md and troubleshooting.md: `python -m benchmarks.doc_pages` writes them."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from lambdas import errors
from lambdas.contracts import KeyTemplates, Limits, ScanTier, Settings
from lambdas.errors import BadInput, TalentFramesError

DOCS = Path(__file__).parents[1] / "docs"

ADVICE = {
    "SourceMissing": "Check the path or the URL, and whether you may read it: `ls -l FILE`, or open the URL "
    "in a browser.",
    "EmptySource": "Copy or upload the file again; it arrived without a byte.",
    "UnreadableVideo": "Play the file. If players can't either, it is damaged: fetch it anew. If they can, copy its "
    "streams into another container: `ffmpeg -i FILE -c copy copy.mkv`.",
    "NoVideoStream": "Sound alone and still pictures have no people over time. Give the file with the picture.",
    "EncryptedVideo": "Give a copy without protection; keys are never asked for.",
    "TooLarge": "The text names the limit. Raise it under `limits` in a settings file ([settings.md](settings.md)), or "
    "make the video smaller.",
    "NoFrames": "The container is there and not one frame of it can be decoded: export or download it again.",
    "InvalidSettings": "The text names the setting and what is wrong with it; [settings.md](settings.md) has "
    "their ranges.",
    "InvalidRequest": "The text names the field. Function and caller may be of different releases: deploy both again.",
    "KeyTooLong": "Shorten the video's key in its bucket, or the key templates ([settings.md](settings.md)).",
    "InvalidGallery": "Enrol the pictures again: `talent-frames enroll FOLDER -o gallery.npz`. Each needs one "
    "clear face.",
    "GalleryPackMismatch": "Enrol the same pictures with the pack that the run uses: `talent-frames enroll "
    "FOLDER --models PACK`.",
    "UnknownPack": "`talent-frames models` lists the names; a folder is given by its path.",
    "MissingPack": "`talent-frames models get NAME`, after reading its licence.",
    "DamagedPack": "Get the pack again: `talent-frames models get NAME`.",
    "PackMismatch": "Build and deploy the images of all stages from one release, so that they hold one pack.",
    "DownloadFailed": "Try again later; behind a proxy set `HTTPS_PROXY`. Packs can be copied from a machine "
    "that has them.",
    "IncompleteRun": "In the cloud: redrive the execution, which does the missing chunk again; once staging has "
    "expired, start the run anew. Locally: run the command again.",
    "SourceChanged": "The video was replaced while it was read. Run it again when it stays as it is.",
    "MissingEnvironment": "The text names the variable. Deploy again: the stack sets them all.",
    "GpuMissing": "Look at the machine's driver (`nvidia-smi`), or run on the CPU.",
    "SourceUnreachable": "Try again; what was finished is kept. If it stays so, download the video and give the file.",
    "NoSpace": "Make room and run it again: it goes on where it was. `TALENT_FRAMES_HOME` moves its cache elsewhere, "
    "`TMPDIR` what is copied of a video without an index; in the cloud `split_tmp_mib` is that room.",
    "SourceRefused": "Check credentials, region and clock: `aws sts get-caller-identity`, `date -u`. A signed "
    "URL may have expired.",
    "ServiceUnavailable": "Try again later; the cloud has tried for long already. Look at quotas if it comes back.",
    "OutputFolderTaken": "The folder holds something other than a run. Give another one with `--out`.",
    "OutputFolderUnusable": "The text says why. Give a folder you may write to with `--out`.",
    "NotEnoughMemory": "Give fewer processes, `--workers 1`, or raise the limit the text names.",
    "MomentOutOfReach": "Choose one of the moments that the report shows, or run the video again.",
    "ProcessDied": "Run it again: it goes on where it was. If it dies again, give it more memory.",
    "WorkerDied": "Most often memory: run it again with fewer `--workers`; it goes on where it was.",
    "InvalidCorrections": "The text names the line of the corrections that can't be read.",
    "WrongCorrection": "The text names the person or time that is not there; the report has them.",
    "WrongErasure": "Say what is to be erased, as the text asks.",
    "NothingToErase": "Nothing of it is here, or it was erased before.",
    "NoStack": "Name the stack, and check account and region.",
    "NoSuchRun": "The text names the run; those of the stack are listed by `talent-frames status`.",
    "NoRun": "Give the folder of a run, with its manifest in it.",
    "NoSuchPerson": "The manifest and the report list who is there.",
    "NobodyThen": "Nobody was found at that moment; take another one.",
    "RunExpired": "Names, merges and the choice among published frames need only the results: "
    "`talent-frames correct`, in the cloud on a copy of the published folder ([corrections.md](corrections.md)). "
    "For all else run the video again.",
    "NotPublished": "Wait for the run to end, or look at why it failed.",
    "AwsMissing": "Install what the text names; only the cloud needs it.",
    "FfmpegMissing": "Install what the text names.",
    "UnguardedScript": 'Put the call under `if __name__ == "__main__":`, as in [python.md](python.md).',
}
"""What to do about each error."""


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The docstring beneath each field of a model; empty where there is none."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    texts = dict.fromkeys(model.model_fields, "")
    for field, following in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            texts[field.target.id] = " ".join(str(following.value.value).split())
    return texts


def settings_page() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Written by `python -m benchmarks.doc_pages` from the models in `lambdas/contracts/settings.py`.",
        "",
        "All of these change a run's results. The manifest lists them under `settings` as the run used them. "
        "Give them in a",
        "file (`--settings FILE.json`), from Python (`Settings(...)`) or in the cloud under `run`. An option "
        "of the command",
        "wins over the file. An unknown name is refused.",
        "",
        "```json",
        '{"min_sightings": 3, "size": "source", "limits": {"max_duration_s": 7200.0}}',
        "```",
    ]
    parts: tuple[tuple[str, type[BaseModel], str], ...] = (
        ("Settings", Settings, ""),
        ("short, long: how closely videos of a length class are looked at", ScanTier, "short."),
        ("keys: names of the published files", KeyTemplates, "keys."),
        ("limits: what a video may ask of the machine", Limits, "limits."),
    )
    for heading, model, prefix in parts:
        lines += ["", f"## {heading}", "", "| setting | default | allowed | |", "|---|---|---|---|"]
        texts, properties = field_texts(model), model.model_json_schema()["properties"]
        for name, field in model.model_fields.items():
            default = field.default
            if isinstance(default, BaseModel):
                shown = "see below"
            else:
                assert default is not PydanticUndefined
                shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
            lines.append(f"| `{prefix}{name}` | {shown} | {_allowed(properties[name])} | {_cell(texts[name])} |")
    return "\n".join(lines) + "\n"


def _allowed(schema: dict[str, object]) -> str:
    options = schema.get("anyOf")
    if isinstance(options, list):
        return " or ".join("nothing" if one.get("type") == "null" else _allowed(one) for one in options)
    values = schema.get("enum")
    if isinstance(values, list):
        return ", ".join(f"`{value}`" for value in values)
    ends = []
    for name, words in (("minimum", "from {}"), ("exclusiveMinimum", "above {}"), ("maximum", "to {}"),
                        ("exclusiveMaximum", "below {}")):  # fmt: skip
        if name in schema:
            ends.append(words.format(f"{schema[name]:,}"))
    kinds = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}
    return " ".join([kinds.get(str(schema.get("type")), ""), *ends]).strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


OURS = (
    *("cloud", "commands.correct", "commands.erase", "corrections", "erasure", "kept", "machine", "moments", "output"),
    "run",
)
"""Modules of the command that have errors of their own."""


def named_errors() -> list[type[TalentFramesError]]:
    """Every error a run can end with, bad input first, by name."""
    found = {
        value
        for module in (errors, *(importlib.import_module(f"talent_frames.{name}") for name in OURS))
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, TalentFramesError)
    }
    return sorted(found - {TalentFramesError, BadInput}, key=lambda one: (not issubclass(one, BadInput), one.__name__))


def troubleshooting_page() -> str:
    """docs/troubleshooting.md."""
    lines = [
        "# Troubleshooting, by the error's name",
        "",
        "Written by `python -m benchmarks.doc_pages` from the errors in the code.",
        "",
        "The command prints one line and ends with 2 for bad input, with 1 for anything else; `--debug` shows "
        "the name and",
        "where it came from. In the cloud the name stands in the `Video Failed` event, in the execution and "
        "in the ledger.",
    ]
    headings = {True: "## Bad input: trying again can't help", False: "## Anything else"}
    for bad, heading in headings.items():
        lines += ["", heading, "", "| error | what it means | what to do |", "|---|---|---|"]
        for error in named_errors():
            if issubclass(error, BadInput) == bad:
                meaning = " ".join((error.__doc__ or "").split())
                lines.append(f"| `{error.__name__}` | {_cell(meaning)} | {_cell(ADVICE[error.__name__])} |")
    return "\n".join(lines) + "\n"


PAGES = {"settings.md": settings_page, "troubleshooting.md": troubleshooting_page}


def main() -> None:
    """Writes the pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
        print(DOCS / name)


if __name__ == "__main__":
    main()
