"""The loyalty program through the API."""

from tests.support.graphql_world import World
from tests.support.small_shop import DAY, TODAY, put

SAVE = """mutation Save($input: LoyaltyProgramInput!) { loyaltyProgramSave(input: $input) {
  loyaltyProgram { enabled pointsPer100 expireDays referralPoints tiers { key orders spend { amount } }
  rewards { key points amount { amount } validDays } } userErrors { field code } } }"""
REDEEM = """mutation Redeem($id: ID!, $reward: String!) { loyaltyRedeem(customerId: $id, reward: $reward) {
  code { code amount { amount } redeemedAt } userErrors { field message code } } }"""
ACCOUNT = """query Account($id: ID!) { customer(id: $id) { loyalty { points balance tier { key } pointsExpireAt referrals
  entries(first: 2) { kind points balance } coupons { code amount { amount } } referralCode { percentage } } } }"""
ANN = "gid://shopify/Customer/1"


async def test_a_program_is_switched_on_points_are_spent_and_friends_invited(world: World):
    assert (await world.data("{ loyaltyProgram { enabled } }"))["loyaltyProgram"] == {"enabled": False}
    assert (await world.data(ACCOUNT, id=ANN))["customer"]["loyalty"] is None
    changes = {
        "enabled": True, "expireDays": None, "referralPoints": 25,
        "tiers": [{"key": "member", "name": "Member", "orders": 1}, {"key": "vip", "name": "VIP", "spend": "100"}],
        "rewards": [{"key": "five", "name": "5 off", "points": 100, "amount": "5"}],
    }  # fmt: skip
    wrong = (await world.data(SAVE, input=changes))["loyaltyProgramSave"]
    assert wrong == {"loyaltyProgram": None, "userErrors": [{"field": ["input", "tiers"], "code": "INVALID"}]}
    assert world.jobs.asked == []
    changes["tiers"][1]["orders"] = 1
    saved = (await world.data(SAVE, input=changes))["loyaltyProgramSave"]
    assert saved["userErrors"] == []
    assert saved["loyaltyProgram"]["tiers"][1] == {"key": "vip", "orders": 1, "spend": {"amount": "100.0"}}
    assert world.jobs.asked == [("loyalty", world.a.id, {})]

    order = {"id": 900_001, "customer_id": 1, "total": 1_500_000, "processed_at": (TODAY - 1) * DAY}
    await world.store.database.execute("DELETE FROM orders WHERE shop_id = $1", world.a.id)
    await put(world.store.database, "orders", [order], world.a.id)
    redeemed = (await world.data(REDEEM, id=ANN, reward="five"))["loyaltyRedeem"]
    assert redeemed == {"code": {"code": None, "amount": {"amount": "5.0"}, "redeemedAt": None}, "userErrors": []}
    assert (await world.data(REDEEM, id=ANN, reward="five"))["loyaltyRedeem"] == redeemed
    invited = await world.data(
        "mutation Invite($id: ID!) { referralCodeCreate(customerId: $id) { code { percentage } userErrors { code } } }",
        id=ANN,
    )
    assert invited["referralCodeCreate"] == {"code": {"percentage": 10}, "userErrors": []}
    assert (await world.data(ACCOUNT, id=ANN))["customer"]["loyalty"] == {
        "points": 50, "balance": 50, "tier": {"key": "vip"}, "pointsExpireAt": None, "referrals": 0,
        "entries": [
            {"kind": "SPENT", "points": -100, "balance": 50}, {"kind": "EARNED", "points": 150, "balance": 150},
        ],
        "coupons": [{"code": None, "amount": {"amount": "5.0"}}], "referralCode": {"percentage": 10},
    }  # fmt: skip


async def test_what_cannot_be_redeemed_is_said_and_costs_nothing(world: World):
    refused = (await world.data(REDEEM, id=ANN, reward="five"))["loyaltyRedeem"]
    assert refused["userErrors"][0]["code"] == "INVALID"  # no program
    await world.data(SAVE, input={"enabled": True})
    for customer, reward, field, code in (
        (ANN, "none", "reward", "NOT_FOUND"),
        ("gid://shopify/Customer/999999", "reward-500", "customerId", "NOT_FOUND"),
        ("gid://shopify/Order/1", "reward-500", "customerId", "INVALID"),
        ("gid://shopify/Customer/2", "reward-1000", "reward", "INVALID"),
    ):
        answer = (await world.data(REDEEM, id=customer, reward=reward))["loyaltyRedeem"]
        assert answer["code"] is None
        assert [(each["field"], each["code"]) for each in answer["userErrors"]] == [([field], code)]
    rows = await world.store.database.fetch("SELECT * FROM point_spends WHERE shop_id = $1", world.a.id)
    assert rows == []
