"""Reading lifecycle models."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.stages.crosswalk import CrosswalkQueries
from graphql_schema.stages.policies import PolicyQueries
from graphql_schema.stages.types import LifecycleModel, model_type
from plugin.lifecycle.models import models_of


@strawberry.type
class StageQueries(PolicyQueries, CrosswalkQueries):
    @strawberry.field(
        description="The lifecycle models that there are; `shop.computedModels` says which are computed.",
        directives=needs(Scope.READ_LIFECYCLE),
    )
    def lifecycle_models(self, info: Info) -> list[LifecycleModel]:
        return [model_type(model) for model in models_of(info.context.shop).values()]

    @strawberry.field(
        description="The lifecycle model of this key; null when there is none.", directives=needs(Scope.READ_LIFECYCLE)
    )
    def lifecycle_model(self, info: Info, key: str) -> LifecycleModel | None:
        model = models_of(info.context.shop).get(key)
        return model_type(model) if model else None
