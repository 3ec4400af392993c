"""What has a global id of its own."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Access, Scope


@strawberry.interface(description="A thing with a global id.", directives=[Access(scope=Scope.ANY)])
class Node:
    id: strawberry.ID = strawberry.field(description="The global id, such as `gid://shopify/Customer/1`.")
