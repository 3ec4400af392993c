"""What this process has counted since it started, for Prometheus; what the database knows is in `plugin/web/health.py`.

Several processes are scraped one by one and added up there. No label holds a shop, a customer or an address: every
one comes from a short list in the code.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY: Final = CollectorRegistry()
REQUESTS: Final = Histogram(
    "rebloom_http_request_seconds", "From the first byte of a request to the end of its answer.", ["route", "status"],
    registry=REGISTRY, buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)  # fmt: skip
REFUSALS: Final = Counter(
    "rebloom_http_refusals", "Requests refused before they were worked on.", ["route", "code"], registry=REGISTRY
)
GRAPHQL_REFUSALS: Final = Counter(
    "rebloom_graphql_refusals", "GraphQL answers without data, by their code.", ["code"], registry=REGISTRY
)
WEBHOOK_LAG: Final = Histogram(
    "rebloom_webhook_lag_seconds", "From a delivery's arrival until it was applied.", registry=REGISTRY,
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200),
)  # fmt: skip
WEBHOOKS_SENT: Final = Counter(
    "rebloom_webhooks_sent_total", "Requests to partners' endpoints, by what came of them.", ["result"]
)
STAGE_CHANGES: Final = Counter(
    "rebloom_stage_changes", "Entries written into stage histories, of all models.", registry=REGISTRY
)
TAG_WRITES: Final = Counter(
    "rebloom_tag_writes", "Tags added to and removed from customers in shops, and customers refused.", ["what"],
    registry=REGISTRY,
)  # fmt: skip
SHOP_CALLS: Final = Counter(
    "rebloom_shop_calls", "Calls to the Admin API, by how they ended.", ["outcome"], registry=REGISTRY
)
