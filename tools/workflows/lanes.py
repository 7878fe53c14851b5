"""Wires that pass groups by: they run above them, through the browser's reroute points, and not over their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

ABOVE, APART = 40, 22  # from the groups' upper edge to the lowest lane, and from lane to lane
BESIDE = 20  # from a group's side to the point where a wire leaves or joins its lane
FIRST, SLOT = 14, 20  # from a box's upper edge to its first output, and from output to output
Box = dict[str, Any]
Link = list[Any]  # id, origin, output, target, input, type
Frame = Sequence[float]  # left, top, width, height


def lanes(boxes: Sequence[Box], links: Sequence[Link], frames: Sequence[Frame]) -> dict[str, Any]:
    """What a workflow's `extra` says of reroute points: a lane for each output whose wires pass a group by.

    Args:
        boxes: on the canvas, each inside of a group.
        links: between them.
        frames: of the groups, from left to right, with one upper edge.
    """
    group = {box["id"]: _group_of(box, frames) for box in boxes}
    height = {box["id"]: box["pos"][1] for box in boxes}
    wires: dict[tuple[int, int], list[Link]] = {}
    for link in links:
        if group[link[3]] > group[link[1]] + 1:
            wires.setdefault((link[1], link[2]), []).append(link)
    points, ends, ids = [], [], count(1)
    for lane, ((origin, output), found) in enumerate(wires.items()):
        left, top, width, _ = frames[group[origin]]
        x, y, every = left + width + BESIDE, top - ABOVE - APART * lane, [link[0] for link in found]
        # Out of the group and straight up: a wire that turns at once would swing over the next group.
        before, here = next(ids), next(ids)
        points.append({"id": before, "pos": [x, height[origin] + FIRST + SLOT * output], "linkIds": every})
        points.append({"id": here, "parentId": before, "pos": [x, y], "linkIds": every})
        for number in sorted({group[link[3]] for link in found}):
            passing = [link[0] for link in found if group[link[3]] >= number]
            before, here = here, next(ids)
            points.append({"id": here, "parentId": before, "pos": [frames[number][0] - BESIDE, y], "linkIds": passing})
            ends += [{"id": link[0], "parentId": here} for link in found if group[link[3]] == number]
    return {"reroutes": points, "linkExtensions": ends} if points else {}


def _group_of(box: Box, frames: Sequence[Frame]) -> int:
    """The number of the group that a box stands in."""
    return max(number for number, (left, *_) in enumerate(frames) if box["pos"][0] >= left)
