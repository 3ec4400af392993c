"""Reading lifecycle models."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.stages.types import LifecycleModel, model_type
from plugin.domain.lifecycles import MODELS


@strawberry.type
class StageQueries:
    @strawberry.field(description="The lifecycle models that are computed.", directives=needs(Scope.READ_LIFECYCLE))
    def lifecycle_models(self) -> list[LifecycleModel]:
        return [model_type(model) for model in MODELS.values()]

    @strawberry.field(
        description="The lifecycle model of this key; null when there is none.", directives=needs(Scope.READ_LIFECYCLE)
    )
    def lifecycle_model(self, key: str) -> LifecycleModel | None:
        model = MODELS.get(key)
        return model_type(model) if model else None
