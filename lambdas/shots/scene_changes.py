"""Scene changes of a video or of a part of it, by the detector that the settings name."""

from __future__ import annotations

import math

import numpy as np

from lambdas.contracts import Settings
from lambdas.shots.change import Change, clearest
from lambdas.shots.columns import SceneColumns
from lambdas.shots.cuts import find_cuts
from lambdas.shots.dissolves import find_dissolves
from lambdas.shots.fades import find_fades
from lambdas.shots.layouts import Pictures
from lambdas.shots.scene_detectors import library_cuts
from lambdas.shots.wipes import find_wipes


def find_changes(columns: SceneColumns, settings: Settings) -> list[Change]:
    """Scene changes by the detector that the settings name, ascending; none at the video's ends."""
    if len(columns.t_s) < 2:
        return []
    if settings.scene_detector == "layout":
        return layout_changes(columns, settings)
    cuts = library_cuts(columns.t_s, columns.scores, columns.features, settings)
    return [Change(at_s, at_s) for at_s in cuts]


def layout_changes(columns: SceneColumns, settings: Settings) -> list[Change]:
    """Scene changes by layout, at least `min_scene_s` apart.

    - Cuts: the picture's layout changes at once, more than around it, and what was there does not come back within
      `min_scene_s`. Layouts are compared by correlation, so light going on and off changes nothing.
    - Fades: the picture goes blank (black, white, any colour) and another one, or the same, comes from there.
    - Dissolves, and fades that are never quite blank: frames in between are mixtures of those before and after.
    - Wipes and slides: the next picture comes in from one side, over the last one or pushing it out.
    """
    pictures = Pictures(columns.layout.reshape(len(columns.t_s), -1, 3))
    fades, faded = find_fades(columns, pictures, settings.min_scene_s)
    cuts = find_cuts(columns, pictures, faded, settings)
    barriers = np.sort(np.array([cut.start_s for _, cut in cuts] + [at for fade in fades for at in fade.ends]))
    gradual = find_dissolves(columns, pictures, barriers)
    gradual += find_wipes(columns, pictures, np.sort(np.array([at for fade in fades for at in fade.ends])))
    chosen = clearest([*((math.inf, fade) for fade in fades), *cuts, *gradual], settings.min_scene_s)
    return [change for _, change in chosen]
