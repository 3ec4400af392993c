"""RFM scores against the definition of segment-language.md 10.3, written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.columns import TEXT
from plugin.domain.rfm import NOBODY, Edges, edges_of, groups, population_of, rfm_columns, scores
from plugin.domain.rules.attributes import RFM_GROUPS


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 9), min_size=1, max_size=60))
def test_a_score_is_one_more_than_the_fifths_of_buyers_who_are_strictly_worse(values: list[int]) -> None:
    by_definition = [1 + 5 * sum(other < value for other in values) // len(values) for value in values]
    assert scores(ints(*values), edges_of(ints(*values))).tolist() == by_definition


def test_five_buyers_fill_five_fifths_and_equals_score_equally() -> None:
    assert scores(ints(10, 20, 30, 40, 50), edges_of(ints(10, 20, 30, 40, 50))).tolist() == [1, 2, 3, 4, 5]
    assert scores(ints(7, 7, 7, 7, 9), edges_of(ints(7, 7, 7, 7, 9))).tolist() == [1, 1, 1, 1, 5]


@pytest.mark.parametrize(
    ("recency", "frequency", "monetary", "group"),
    [
        (5, 1, 1, "NEW"), (5, 1, 2, "NEW"), (5, 2, 2, "ACTIVE"), (5, 3, 4, "ACTIVE"), (5, 4, 4, "CHAMPIONS"),
        (5, 5, 5, "CHAMPIONS"), (4, 1, 2, "PROMISING"), (4, 3, 4, "ACTIVE"), (4, 4, 4, "LOYAL"), (4, 5, 5, "LOYAL"),
        (3, 1, 1, "ALMOST_LOST"), (3, 2, 2, "NEEDS_ATTENTION"), (3, 4, 3, "NEEDS_ATTENTION"), (3, 4, 4, "LOYAL"),
        (2, 3, 2, "ALMOST_LOST"), (2, 3, 3, "AT_RISK"), (2, 4, 4, "AT_RISK"), (2, 4, 5, "PREVIOUSLY_LOYAL"),
        (1, 1, 1, "DORMANT"), (1, 3, 2, "DORMANT"), (1, 3, 3, "AT_RISK"), (1, 5, 4, "PREVIOUSLY_LOYAL"),
    ],
)  # fmt: skip
def test_the_group_is_read_from_the_table_of_recency_and_the_mean_of_the_others(
    recency: int, frequency: int, monetary: int, group: str
) -> None:
    assert groups(ints(recency), ints(frequency), ints(monetary)).tolist() == [group]


def test_every_cell_has_one_of_shopifys_names_and_every_name_but_prospects_has_a_cell() -> None:
    cells = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    named = set(groups(*(np.array(axis) for axis in zip(*cells, strict=True))).tolist())
    assert named == set(RFM_GROUPS) - {"PROSPECTS"}


def test_without_orders_there_are_no_scores_and_the_group_is_prospects() -> None:
    columns = rfm_columns(
        ints(0, 20_000), ints(0, 3), ints(0, 500_000), population_of(ints(20_000), ints(3), ints(500_000))
    )
    assert columns["rfm_recency"].null.tolist() == [True, False]
    assert columns["rfm_group"].values.tolist() == ["PROSPECTS", "DORMANT"]
    assert not columns["rfm_group"].null.any()


def test_before_anybody_was_scored_a_buyer_scores_lowest() -> None:
    columns = rfm_columns(ints(20_000), ints(3), ints(500), NOBODY)
    assert [columns[f"rfm_{axis}"].values.tolist() for axis in ("recency", "frequency", "monetary")] == [[1], [1], [1]]


def test_unscored_rows_hold_nothing_and_every_column_is_of_its_type() -> None:
    """By the contract of `Column`: 0 where it is null."""
    columns = rfm_columns(ints(9, 1), ints(0, 1), ints(9, 1), population_of(ints(1), ints(1), ints(1)))
    for axis in ("recency", "frequency", "monetary"):
        scored = columns[f"rfm_{axis}"]
        assert (scored.values.tolist(), scored.null.tolist()) == ([0, 1], [True, False])
        assert (scored.values.dtype, scored.null.dtype) == (np.int64, np.bool_)
    group = columns["rfm_group"]
    assert (group.values.dtype, group.null.tolist(), group.null.dtype) == (TEXT, [False, False], np.bool_)
    assert edges_of(ints()) == Edges(())
