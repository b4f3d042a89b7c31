"""From every form a request comes in to `asked`: an upload's event, a pipe's batch of one, an API's or a hand's."""

from __future__ import annotations

import itertools

from infra.settings import DeploymentSettings, template_fields
from infra.states.language import Places, State, choice, named_end, noting

UPLOADED_KEY = "$.detail.object.key"
CORRECTIONS = "corrections/"
"""Prefix in the source bucket for corrections alone: `corrections/<run_id>.json` starts cluster and publish again."""


def request_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """The states up to `next`, which finds `asked` with all its fields."""
    return {
        "Who asks?": _who_asks(settings, otherwise="Fill in what is left out"),
        **(_suffix_states(settings, places, next="Fill in what is left out") if settings.source_prefix else {}),
        **named_end(places, "NotAVideo"),
        **_filled_in(next="Which video?"),
        "Which video?": _which_video(otherwise="InvalidRequest"),
        **_resumed(next=next),
        **_by_video(settings, places, next=next),
        "InvalidRequest": {
            "Type": "Fail",
            "Error": "InvalidRequest",
            "Cause": (
                "A request names its video by bucket and key, by platform and shortcode, or as an S3 event does; "
                "or it holds resume, run_id and revision."
            ),
        },
    }


def _who_asks(settings: DeploymentSettings, *, otherwise: str) -> State:
    return choice(
        [
            {"Variable": "$[0].body", "IsPresent": True, "Next": "Open the message"},
            {
                "And": [
                    {"Variable": UPLOADED_KEY, "IsPresent": True},
                    {"Variable": UPLOADED_KEY, "StringMatches": f"{CORRECTIONS}*.json"},
                ],
                "Next": "By corrections",
            },
            {
                "And": [
                    {"Variable": UPLOADED_KEY, "IsPresent": True},
                    {"Variable": UPLOADED_KEY, "StringMatches": f"{CORRECTIONS}*"},
                ],
                "Next": noting("NotAVideo"),
            },
            *([{"Variable": UPLOADED_KEY, "IsPresent": True, "Next": "A video?"}] if settings.source_prefix else []),
        ],
        otherwise,
    )


def _filled_in(*, next: str) -> dict[str, State]:
    """A message opened, and every field there that a request may leave out."""
    return {
        "Open the message": {
            "Type": "Pass",
            "InputPath": "$[0]",
            "Parameters": {"message.$": "States.StringToJson($.body)"},
            "OutputPath": "$.message",
            "Next": "Fill in what is left out",
        },
        "Fill in what is left out": {
            "Type": "Pass",
            "Result": {
                "settings": {},
                "force": "",
                "version_id": "",
                "etag": "",
                "resume": "",
                "run_id": "",
                "revision": "",
                "corrections": {},
            },
            "ResultPath": "$.left_out",
            "Next": "Put together",
        },
        "Put together": {
            "Type": "Pass",
            "Parameters": {"asked.$": "States.JsonMerge($.left_out, $, false)"},
            "Next": next,
        },
    }


def _which_video(*, otherwise: str) -> State:
    return choice(
        [
            {"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "By run"},
            {"Variable": "$.asked.detail.object['version-id']", "IsPresent": True, "Next": "By uploaded version"},
            {"Variable": "$.asked.detail.object.key", "IsPresent": True, "Next": "By upload"},
            {"Variable": "$.asked.source.key", "IsPresent": True, "Next": "By source"},
            {
                "And": [
                    {"Variable": "$.asked.bucket", "IsPresent": True},
                    {"Variable": "$.asked.key", "IsPresent": True},
                ],
                "Next": "By bucket and key",
            },
            {
                "And": [
                    {"Variable": "$.asked.platform", "IsPresent": True},
                    {"Variable": "$.asked.shortcode", "IsPresent": True},
                ],
                "Next": "By shortcode",
            },
        ],
        otherwise,
    )


def _resumed(*, next: str) -> dict[str, State]:
    """A run that starts again with cluster."""
    return {
        "By run": {
            "Type": "Pass",
            "Parameters": {
                "asked": {
                    "resume.$": "$.asked.resume",
                    "run_id.$": "$.asked.run_id",
                    "revision.$": "$.asked.revision",
                    "corrections.$": "$.asked.corrections",
                }
            },
            "Next": next,
        },
        # Called after its run: corrections/<run_id>.json. The same corrections twice are one revision.
        "By corrections": {
            "Type": "Pass",
            "Parameters": {
                "asked": {
                    "resume": "cluster",
                    "run_id.$": (
                        "States.ArrayGetItem(States.StringSplit(States.ArrayGetItem("
                        f"States.StringSplit({UPLOADED_KEY}, '/'), 1), '.'), 0)"
                    ),
                    "revision.$": "States.Format('c-{}', $.detail.object.etag)",
                    "corrections": {"bucket.$": "$.detail.bucket.name", "key.$": UPLOADED_KEY},
                }
            },
            "Next": next,
        },
    }


def _by_video(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """A run of a video, however it was named."""

    def asked(source: State | str) -> State:
        return {
            "Type": "Pass",
            "Parameters": {
                "asked": {
                    **({"source.$": source} if isinstance(source, str) else {"source": source}),
                    "settings.$": "$.asked.settings",
                    "force.$": "$.asked.force",
                    "resume": "",
                }
            },
            "Next": next,
        }

    upload = {"bucket.$": "$.asked.detail.bucket.name", "key.$": "$.asked.detail.object.key"}
    etag = {"etag.$": "$.asked.detail.object.etag"}
    version = {"version_id.$": "$.asked.detail.object['version-id']"}
    pinned = {"version_id.$": "$.asked.version_id", "etag.$": "$.asked.etag"}
    path = settings.key_template.replace("{platform}", "{}").replace("{shortcode}", "{}")
    fields = ", ".join(f"$.asked.{field}" for field in template_fields(settings.key_template))
    return {
        "By uploaded version": asked(upload | etag | version),
        "By upload": asked(upload | etag),
        "By source": asked("$.asked.source"),
        "By bucket and key": asked({"bucket.$": "$.asked.bucket", "key.$": "$.asked.key"} | pinned),
        "By shortcode": asked({"bucket": places.source, "key.$": f"States.Format('{path}', {fields})"}),
    }


def _suffix_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """Lets uploads of videos pass; others end well at once.

    EventBridge knows no pattern for a prefix and a suffix of one field but wildcards, of which it takes few: a rule of
    eight was refused as too complex (https://github.com/vals-ai/Valkyrie/pull/278). So where the rule goes by prefix,
    suffixes are looked at here.
    """
    return {
        "A video?": choice(
            [
                {
                    "Or": [
                        {"Variable": UPLOADED_KEY, "StringMatches": f"*{written}"}
                        for suffix in settings.source_suffixes
                        for written in spellings(suffix)
                    ],
                    "Next": next,
                }
            ],
            noting("NotAVideo"),
        ),
    }


def spellings(suffix: str) -> list[str]:
    """A suffix in every mixture of upper and lower case, since a Choice tells them apart."""
    letters = [sorted({letter.lower(), letter.upper()}) for letter in suffix]
    return ["".join(chosen) for chosen in itertools.product(*letters)]
