"""A loop as node expansion: the nodes of each further pass are copies of those between the loop's two ends.

A copy takes a link where the original took the loop's picture. So the host finds a finished pass in its cache when only
the limits have changed. Passes share what they have in common: all trials use one inversion of the composite, and a
description is made once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from comfy_api.latest import ui
from comfy_execution.graph import DynamicPrompt
from comfy_execution.graph import nodes as host_nodes  # a plain import would find this pack's
from comfy_execution.graph_utils import GraphBuilder, is_link
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ...core.errors import InputError
from ...core.types import ImagingDescription
from ...description.statistics.plausibility import distance_from_plausible
from ...loop.policy import LoopPolicy
from ...loop.run import Judge
from ...loop.states import LoopResult, LoopStates, require_one_picture, require_proposals
from .passes import save_pass, shown, to_pick
from .remembered import Plain, recall, remember

NODE_CLASSES: dict[str, Any] = host_nodes.NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue]

Link = list[Any]  # [node id, output slot]
PASS = "IterateLoopPass"
IMAGE, SEED, INDEX = 1, 3, 4  # the outputs of IterateLoop that differ from pass to pass
VARYING = {IMAGE, SEED, INDEX}
CARRIED = ("image", "score", "description")  # inputs of IterateLoopEnd that a pass makes
LIMITS = ("k", "max_passes", "new_descriptions")  # those that IterateLoopPass requires; the states carry the policy
ONE_OF_BATCH = "ImageFromBatch"
_END = -1  # beside the slots: depends on the loop's result


@dataclass(frozen=True)
class LoopFlow:
    """A loop under way, as its flow socket carries it."""

    start: str  # id of the IterateLoop
    first_seed: int
    composite: Tensor = field(repr=False)  # [1,H,W,3]
    mask: Tensor = field(repr=False)  # [1,H,W], 1 on the foreground
    links: tuple[Link, ...]  # where each state's picture comes from
    end: str = ""  # id of the IterateLoopEnd, once the first pass is done
    states: LoopStates | None = None  # once the first pass is done
    files: tuple[ui.SavedResult, ...] = ()  # of the finished passes
    made_of: tuple[Any, ...] = field(
        default=(), repr=False
    )  # all that the result depends on, once the first pass is done
    take: int | None = None  # the state to give; None for the one that the loop chooses


@dataclass(frozen=True)
class NextPass:
    """The nodes of the next pass, and links to the loop's results, which they give."""

    links: list[Link]
    nodes: dict[str, Any]


def start_loop(node_id: str, image: Tensor, mask: Tensor, seed: int) -> LoopFlow:
    """The flow of the IterateLoop `node_id` around a composite [1,H,W,3] with its mask [1,H,W].

    Raises:
        InputError: when there is more than one picture.
    """
    _refuse_list()
    require_one_picture(image)
    return LoopFlow(node_id, seed, image, mask, ([node_id, IMAGE],))


def end_pass(
    prompt: DynamicPrompt,
    node_id: str,
    flow: LoopFlow,
    image: Tensor,
    score: float,
    first_score: float,
    description: ImagingDescription | None,
    policy: LoopPolicy,
    proposals: Tensor | None,
    judge: Judge | None,
    take: int | None = None,
) -> tuple[LoopResult | NextPass, dict[str, Any]]:
    """Judges a finished pass: the loop's result or the nodes of the next pass, and the node's UI.

    Args:
        prompt: the graph with what was added to it so far.
        node_id: the IterateLoopEnd, or one of its further passes.
        flow: the loop before this pass.
        image: [1,H,W,3], what the pass made.
        score: of `image`.
        first_score: of the composite; it counts in the first pass.
        description: the description that the pass followed, or None.
        policy: the limits; they count in the first pass, and the states carry them on.
        proposals: [n,H,W,3], what other methods made of the composite; they count in the first pass.
        judge: scores the proposals.
        take: the state to give in place of the one that the loop chooses; it counts in the first pass.

    Raises:
        InputError: when a picture or a proposal has another size, the picture does not depend on the loop, there are
            proposals but no judge, or there is no state to take.
    """
    _refuse_list()
    kind = description.object if description else "object"

    def away(picture: Tensor) -> float:
        return distance_from_plausible(kind, flow.composite[0], picture[0], flow.mask[0])

    states = flow.states
    if states is None:
        body = Plain((upstream(prompt, node_id), score, first_score, str(description), policy))
        flow = replace(flow, made_of=(body, flow.composite, flow.mask, image, proposals, judge), take=take)
        if (ended := recall(node_id, flow.made_of)) is not None:
            return _ended(ended, take)
        states = LoopStates(policy, (flow.composite,), (first_score,), distances=(away(flow.composite),))
        if proposals is not None:
            states = _propose(states, proposals, flow.mask, judge, away)
        made = ([_proposal(node_id, number), 0] for number in range(len(states.proposals)))
        links = (*flow.links, *made, prompt.get_node(node_id)["inputs"]["image"])
        flow = replace(flow, links=links, end=node_id)
    states.require_pass(image)
    states = states.add(image, score, description, away(image))
    flow = replace(flow, states=states, files=(*flow.files, *save_pass(states)))
    if not states.concluded:
        return _next_pass(prompt, flow, states), shown(states, flow.files)
    remember(flow.end, flow.made_of, states)
    return _ended(states, flow.take)


def _ended(states: LoopStates, take: int | None) -> tuple[LoopResult, dict[str, Any]]:
    result = states.result(take)
    return result, to_pick(states, result.chosen)


def upstream(prompt: DynamicPrompt, node_id: str) -> str:
    """All that a loop's end depends on, as text: the nodes before it and their values, but for what it takes."""
    seen: dict[str, Any] = {}
    waiting = [node_id]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            node = prompt.get_node(current)
            inputs = {name: value for name, value in node["inputs"].items() if current != node_id or name != "take"}
            seen[current] = (node["class_type"], inputs)
            waiting.extend(value[0] for value in inputs.values() if is_link(value))
    return json.dumps(seen, sort_keys=True, default=str)


def _propose(
    states: LoopStates, proposals: Tensor, mask: Tensor, judge: Judge | None, away: Callable[[Tensor], float]
) -> LoopStates:
    pictures = proposals.split(1)
    require_proposals(pictures, states.images[0])
    if judge is None:
        raise InputError("judge", "it is not connected, but proposals are; connect the loop's harmony evaluator.")
    for picture in pictures:
        states = states.propose("", picture, float(judge.score(picture, mask)[0]), away(picture))
    return states


def _proposal(end: str, number: int) -> str:
    """The id of the node that gives one proposal of the batch, counted from 0."""
    return f"{end}.proposal.{number}"


def _refuse_list() -> None:
    """The host calls a node once for each value of a list; the passes of several pictures would mix."""
    context = get_executing_context()
    if context is not None and context.list_index:
        raise InputError("image", "got a list of values, expected one picture. Run one after another.")


def _next_pass(prompt: DynamicPrompt, flow: LoopFlow, states: LoopStates) -> NextPass:
    body = _Body(prompt, flow)
    # What differs between the passes, from 1 to the next one: the picture, by its state, the seed and the number.
    decided = states.decisions[len(states.proposals) :]
    plans = [{IMAGE: d.source, SEED: d.seed, INDEX: number} for number, d in enumerate(decided, 1)]
    number, plan = len(plans), plans[-1]
    values: dict[int, Any] = {IMAGE: flow.links[plan[IMAGE]], SEED: flow.first_seed + plan[SEED], INDEX: number}

    def home(node_id: str) -> int:
        """The first pass that has this node with the same inputs."""
        return next(
            n for n, other in enumerate(plans, 1) if all(other[slot] == plan[slot] for slot in body.slots[node_id])
        )

    def name(node_id: str) -> str:
        made_in = home(node_id)
        return node_id if made_in == 1 else f"{flow.end}.{made_in}.{body.names[node_id]}"

    def here(value: Any) -> Any:
        """An original's input in this pass."""
        if not is_link(value):
            return value
        source, slot = value
        if source == flow.start:
            return values.get(slot, value)
        return [name(source), slot] if source in body.copied else value

    graph = GraphBuilder(prefix="")
    for node_id in body.copied:
        if home(node_id) == number:
            original = prompt.get_node(node_id)
            copy = graph.node(original["class_type"], name(node_id))
            copy.set_override_display_id(prompt.get_display_node_id(node_id))
            for key, value in original["inputs"].items():
                copy.set_input(key, here(value))
    end = prompt.get_node(flow.end)["inputs"]
    if states.count == 1:  # any later pass may start from one
        for index in range(len(states.proposals)):
            picture = graph.node(ONE_OF_BATCH, _proposal(flow.end, index), image=end["proposals"], batch_index=index)
            picture.set_input("length", 1)
            picture.set_override_display_id(prompt.get_display_node_id(flow.end))
    carried = {key: here(end[key]) for key in CARRIED if key in end}
    state = replace(flow, links=(*flow.links, carried["image"]))
    limits = {name: getattr(states.policy, name) for name in LIMITS}
    judge = graph.node(PASS, f"{flow.end}.{number}", flow=state, first_score=states.scores[0], **carried, **limits)
    judge.set_override_display_id(prompt.get_display_node_id(flow.end))
    outputs = len(NODE_CLASSES[PASS].RETURN_TYPES)
    return NextPass([judge.out(slot) for slot in range(outputs)], graph.finalize())


class _Body:
    """The nodes that a pass repeats: between the loop's ends, and those that lead from there to an output node."""

    def __init__(self, prompt: DynamicPrompt, flow: LoopFlow) -> None:
        self.prompt, self.flow = prompt, flow
        self.slots: dict[str, frozenset[int]] = {}  # node -> the loop's outputs that it depends on
        end = prompt.get_node(flow.end)["inputs"]
        if not is_link(end["image"]) or not self._link_slots(end["image"]):
            raise InputError("image", "it does not depend on the loop; connect what the pass made of the loop's image.")
        inside = [link[0] for key in CARRIED if is_link(link := end.get(key))]
        self.copied = dict.fromkeys(self._upstream([*inside, *self._outputs()]))
        shown = {node: prompt.get_display_node_id(node) for node in self.copied}
        alike = Counter(shown.values())
        # Short and telling, where nodes that were themselves expanded do not share one.
        self.names = {node: name if alike[name] == 1 else node for node, name in shown.items()}

    def _links(self, node_id: str) -> Iterator[Link]:
        return (value for value in self.prompt.get_node(node_id)["inputs"].values() if is_link(value))

    def _link_slots(self, link: Link) -> frozenset[int]:
        source, slot = link
        if source == self.flow.start:
            return frozenset({slot} & VARYING)
        if source == self.flow.end:
            return frozenset({_END})
        if source not in self.slots:
            self.slots[source] = frozenset().union(*(self._link_slots(up) for up in self._links(source)))
        return self.slots[source]

    def _upstream(self, ends: list[str]) -> Iterator[str]:
        """The nodes at `ends` and before them that depend on the loop."""
        seen: set[str] = set()
        while ends:
            node_id = ends.pop()
            if node_id in seen or node_id == self.flow.start or not self._link_slots([node_id, 0]):
                continue
            seen.add(node_id)
            ends.extend(link[0] for link in self._links(node_id))
            yield node_id

    def _outputs(self) -> Iterator[str]:
        """Output nodes, such as previews, that hang off the body."""
        parent = self.prompt.get_parent_node_id(self.flow.end)
        for node_id in sorted(self.prompt.all_node_ids()):
            node = self.prompt.get_node(node_id)
            kind = NODE_CLASSES[node["class_type"]]
            if (
                getattr(kind, "OUTPUT_NODE", False)
                and self.prompt.get_parent_node_id(node_id) == parent
                and kind.INPUT_TYPES().get("required", {}).keys() <= node["inputs"].keys()  # else the host skipped it
                and _END not in self._link_slots([node_id, 0])
            ):
                yield node_id
