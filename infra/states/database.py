"""A status database of the user's: asked before a run, told after it, by HTTP."""

from __future__ import annotations

from infra.settings import DeploymentSettings
from infra.states.language import QUICK_S, Places, State, choice, named_end, noting, retry

HTTP_TRANSIENT = [
    "States.Http.Socket",
    "States.Timeout",
    "Events.ConnectionResource.ConcurrentModification",
    *(f"States.Http.StatusCode.{code}" for code in (408, 429, 500, 502, 503, 504)),
]


def lookup_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """Asks the user's table whether the video is there to be worked on; what it refuses ends well, named."""
    row = "$.listed.rows[0]"

    def says(column: str, value: bool) -> State:
        return {
            "And": [
                {"Variable": f"{row}.{column}", "IsPresent": True},
                {"Variable": f"{row}.{column}", "BooleanEquals": value},
            ]
        }

    return {
        "Listed?": choice(
            [{"Variable": "$.asked.source.key", "StringMatches": _pattern(settings), "Next": "Look up"}],
            noting("NotListed"),
        ),
        "Look up": _http(
            settings,
            places,
            "GET",
            {
                "select": "is_downloaded,is_extracted",
                "limit": "1",
                f"{settings.database_column}.$": _row_filter(settings, "$.asked.source.key"),
            },
        )
        | {"ResultSelector": {"rows.$": "$.ResponseBody"}, "ResultPath": "$.listed", "Next": "Wanted?"},
        "Wanted?": choice(
            [
                {"Not": {"Variable": row, "IsPresent": True}, "Next": noting("NotListed")},
                {**says("is_extracted", True), "Next": noting("AlreadyExtracted")},
                {**says("is_downloaded", True), "Next": next},
            ],
            noting("NotDownloaded"),
        ),
        **named_end(places, "NotListed"),
        **named_end(places, "NotDownloaded"),
        **named_end(places, "AlreadyExtracted"),
    }


def tell_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """Writes into the user's table that the video is done; one that was never listed there is left alone."""
    return {
        "In the database?": choice(
            [{"Variable": "$.run.video", "StringMatches": f"*/{_pattern(settings)}", "Next": "Tell the database"}],
            next,
        ),
        "Tell the database": _http(
            settings,
            places,
            "PATCH",
            {f"{settings.database_column}.$": _row_filter(settings, "$.run.video", folders_before=1)},
            body={
                "is_extracted": True,
                f"{settings.database_count_column}.$": (
                    "States.MathAdd($.published.people, States.MathAdd($.published.representative, $.published.scenes))"
                ),
            },
        )
        | {"ResultPath": None, "Next": next},
    }


def _pattern(settings: DeploymentSettings) -> str:
    return settings.key_template.replace("{platform}", "*").replace("{shortcode}", "*")


def _row_filter(settings: DeploymentSettings, path: str, folders_before: int = 0) -> str:
    """PostgREST's `eq.` and the folder of the key that finds the row."""
    folder = settings.key_template.split("/").index(f"{{{settings.database_column}}}") + folders_before
    return f"States.Format('eq.{{}}', States.ArrayGetItem(States.StringSplit({path}, '/'), {folder}))"


def _http(settings: DeploymentSettings, places: Places, method: str, query: State, body: State | None = None) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::http:invoke",
        "Parameters": {
            "ApiEndpoint": f"{settings.database_url}/{settings.database_table}",
            "Method": method,
            "Authentication": {"ConnectionArn": places.connection},
            "QueryParameters": query,
            **(
                {"Headers": {"Content-Type": "application/json", "Prefer": "return=minimal"}, "RequestBody": body}
                if body
                else {}
            ),
        },
        "TimeoutSeconds": QUICK_S,
        "Retry": retry(HTTP_TRANSIENT),
    }
