"""Attention replacement without attention maps: prompt-to-prompt by sharing queries and keys."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .control import KINDS, Attend, AttentionLayer, Kind


class ShareAttention:
    """Lets target rows attend with the source rows' queries and keys and their own values.

    softmax(q kᵀ / sqrt(d)) v with the source's q and k *is* the replacement of the target's attention map by
    the source's (prompt-to-prompt), so the host's own attention does it and no map is ever in memory. In cross
    attention the values come from the target's context: token n of the target takes the place of token n of
    the source, so the two contexts must be aligned.

    Args:
        source_rows: rows whose attention maps are used, one for each target row.
        target_rows: rows whose maps are replaced.
        cross: whether to replace them in cross-attention layers.
        self_: whether to replace them in self-attention layers.

    Raises:
        ValueError: when the lists of rows differ in length, overlap, repeat a target or do not fit the batch.
    """

    def __init__(self, source_rows: Sequence[int], target_rows: Sequence[int], cross: bool, self_: bool) -> None:
        self.source_rows, self.target_rows = tuple(source_rows), tuple(target_rows)
        self.cross, self.self_ = cross, self_
        shared: dict[Kind, bool] = {"self": self_, "cross": cross}
        self.kinds = tuple(kind for kind in KINDS if shared[kind])
        if len(self.source_rows) != len(self.target_rows):
            raise ValueError(
                f"ShareAttention needs one source row for each target row, got {len(self.source_rows)} source rows "
                f"and {len(self.target_rows)} target rows."
            )
        if len(set(self.target_rows)) != len(self.target_rows) or set(self.source_rows) & set(self.target_rows):
            raise ValueError(
                f"ShareAttention needs distinct target rows that are no source rows, got source rows "
                f"{self.source_rows} and target rows {self.target_rows}."
            )

    def __call__(self, layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        if layer.kind not in self.kinds:
            return attend(q, k, v)
        rows = self._row_map(len(q))
        return attend(q[rows], k[rows], v)

    def _row_map(self, count: int) -> list[int]:
        """For each row of the batch, the row whose map it uses."""
        used = (*self.source_rows, *self.target_rows)
        if used and not (min(used) >= 0 and max(used) < count):
            raise ValueError(
                f"ShareAttention got a batch of {count} rows, but its rows go from {min(used)} to {max(used)}; "
                f"the denoiser must evaluate all rows of an edit in one call."
            )
        rows = list(range(count))
        for source, target in zip(self.source_rows, self.target_rows, strict=True):
            rows[target] = source
        return rows
