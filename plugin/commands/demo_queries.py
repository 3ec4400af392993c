"""What the demo asks over GraphQL."""

from typing import Final

SYNC: Final = "{ shop { sync { phase customers orders orderLines products startedAt finishedAt error } } }"
STAGES: Final = "{ shop { sync { customers } primaryModel { counts { stage { key } rung count } } } }"
SEGMENTS: Final = "{ segments(first: 20) { nodes { name query count } } }"
SEGMENT: Final = """
mutation Segment($name: String!, $query: String!, $tag: String) {
  segmentCreate(name: $name, query: $query, tag: $tag) { segment { id } userErrors { field message code } }
}"""
EXAMPLE: Final = """{
  customers(first: 10, query: "number_of_orders >= 1", sortKey: LAST_ORDER_AT, reverse: true) { nodes {
    stage { stage { key } }
    offers(first: 5) { kind title because { text }
      ... on CrossSellOffer { products { product { title } because { text } } } }
  } }
}"""
PUSH: Final = "{ shop { tagPush { phase added removed skipped refused startedAt finishedAt } } }"
RECOMMENDERS: Final = "{ shop { recommender { use method recallAt10 popularityRecallAt10 } } }"
PUSH_AGAIN: Final = "mutation { tagPushStart { userErrors { field message code } } }"
EXPLORER: Final = """mutation {
  partnerTokenCreate(name: "Explorer", scopes: ["read_customers", "read_lifecycle", "read_segments", "read_offers",
    "read_products", "read_shop"]) { token userErrors { field message code } }
}"""
