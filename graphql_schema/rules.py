"""Segment queries of callers, compiled for the shop."""

from __future__ import annotations

from graphql_schema.context import Context, calendar_of
from graphql_schema.errors import InvalidQueryError
from plugin.domain.rules import RuleError, parse
from plugin.ledger.readers import Condition, everybody
from plugin.ledger.rules_sql import compile_rule
from plugin.lifecycle.plan import names_of


async def condition_of(context: Context, query: str | None) -> Condition:
    """Who `query` finds; everybody without one. Raises InvalidQueryError with the place of the fault."""
    shop = context.shop
    if query is None:
        return everybody(shop.id)
    try:
        parsed = parse(query, names=names_of(shop))
    except RuleError as error:
        raise InvalidQueryError(error) from None
    sql, params = compile_rule(
        parsed.rule,
        shop_id=shop.id,
        at=context.now_us,
        calendar=await calendar_of(shop),
        dialect=context.store.database.dialect,
        primary_model=shop.primary_model,
    )
    return Condition(sql, params)
