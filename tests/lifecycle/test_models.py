"""The shipped models as data: what is promised to whoever reads them."""

import pytest

from plugin.domain.lifecycles import BUYER_ACTIVITY, MODELS, LifecycleModel
from plugin.domain.rules import Names, canonical, parse
from plugin.shops import DEFAULT_MODEL

EACH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def test_the_default_model_ships() -> None:
    assert MODELS[DEFAULT_MODEL] is BUYER_ACTIVITY


def test_buyer_activity_goes_from_visitor_to_returned() -> None:
    assert BUYER_ACTIVITY.keys == ("visitor", "new_buyer", "active", "departing", "returned")
    assert [stage.position for stage in BUYER_ACTIVITY.stages] == [1, 2, 3, 4, 5]
    assert [len(stage.rungs) for stage in BUYER_ACTIVITY.stages] == [0, 0, 0, 3, 0]


@EACH
def test_every_stage_says_its_name_its_meaning_and_its_rule_in_canonical_text(model: LifecycleModel) -> None:
    names = Names(models={key: other.keys for key, other in MODELS.items()}, primary_model=model.key)
    assert model.source
    for stage in model.stages:
        parsed = parse(stage.query, names=names, own_model=model.key)
        assert (canonical(parsed.rule), parsed.rule, parsed.warnings) == (stage.query, stage.rule, ())
        assert stage.name
        assert stage.meaning.endswith(".")
        assert stage is model.stage(stage.key)


@EACH
def test_the_first_rung_is_the_stage_itself(model: LifecycleModel) -> None:
    for stage in model.stages:
        assert stage.rule_of(None) is stage.rule
        if stage.rungs:
            assert stage.rungs[0].rule == stage.rule
            assert [stage.rule_of(rung) for rung in (1, 2, 3)] == [rung.rule for rung in stage.rungs]


def test_a_stage_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="champion"):
        BUYER_ACTIVITY.stage("champion")
