"""Lets a process that detects find what was fetched beside a pack: insightface, the networks that read expressions."""

from __future__ import annotations

from talent_frames.packs import expression_folder, use_fetched


def ready_to_detect() -> None:
    """Before anything of detect runs in this process; asked for again it does nothing."""
    from lambdas.detect.faces.attributes import use_networks_in

    use_fetched()
    folder = expression_folder()
    if folder is not None:
        use_networks_in(folder)
