"""Code discounts and their bulk codes, with the platform's refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from integrations.devshop.discounts import CodeDiscount, DiscountNode, discount_of_code
from integrations.devshop.paging import Connection, paginate
from integrations.devshop.rows import Value, gid, gid_number, parse_instant

if TYPE_CHECKING:
    from integrations.devshop.shop import Call

MOST_CODES = 250
LONGEST_CODE = 255
Payload = dict[str, Any]
INPUT = "basicCodeDiscount"


def _error(message: str, code: str | None, *field: str) -> dict[str, Any]:
    return {"field": list(field), "message": message, "code": code, "extraInfo": None}


def create(call: Call, args: dict[str, Any]) -> Payload:
    given = args[INPUT]
    if faults := _faults(call, given):
        return {"codeDiscountNode": None, "userErrors": faults}
    number, now = call.shop.next_id(), call.shop.now_text()
    discount = CodeDiscount(given["title"], given["startsAt"], given.get("endsAt"), created_at=now, updated_at=now)
    discount.take(given)
    call.shop.discounts[number] = DiscountNode(number, discount)
    _add_code(call, discount, given["code"])
    return {"codeDiscountNode": call.shop.discounts[number], "userErrors": []}


def update(call: Call, args: dict[str, Any]) -> Payload:
    """What is given is changed."""
    given, node = args[INPUT], call.shop.discounts.get(gid_number(args["id"]))
    if node is None:
        return {"codeDiscountNode": None, "userErrors": [_error("Discount does not exist", None, "id")]}
    discount = node.discount
    there = {"title": discount.title, "startsAt": discount.starts_at, "endsAt": discount.ends_at}
    own = discount.codes[0][1]
    faults = _faults(call, {"code": own, **there, **given}, own=node)
    if discount.bulk and given.get("code", own) != own:
        faults.append(_error("Cannot update the code of a bulk discount.", None, "id"))
    if faults:
        return {"codeDiscountNode": None, "userErrors": faults}
    discount.take(given)
    if "code" in given:
        discount.codes[0] = (discount.codes[0][0], given["code"])
    discount.updated_at = call.shop.now_text()
    return {"codeDiscountNode": node, "userErrors": []}


def _faults(call: Call, given: dict[str, Any], own: DiscountNode | None = None) -> list[dict[str, Any]]:
    faults = []
    for name, words in (("title", "Title can't be blank"), ("startsAt", "Starts at can't be blank")):
        if not given.get(name):
            faults.append(_error(words, "BLANK", INPUT, name))
    if fault := _code_fault(given.get("code")):
        faults.append(_error(*fault, INPUT, "code"))
    elif _taken(call, given["code"], own):
        faults.append(_error("Code must be unique. Please try a different code.", "TAKEN", INPUT, "code"))
    if given.get("context") and given.get("customerSelection"):
        words = "Only one of context or customerSelection can be provided."
        faults.append(_error(words, "INVALID", INPUT, "context"))
    percentage = ((given.get("customerGets") or {}).get("value") or {}).get("percentage")
    if percentage is not None and not 0 <= percentage <= 1:
        where = (INPUT, "customerGets", "value", "percentage")
        faults.append(_error("Value must be between 0.0 and 1.0", "VALUE_OUTSIDE_RANGE", *where))
    if (
        given.get("endsAt")
        and given.get("startsAt")
        and parse_instant(given["endsAt"]) <= parse_instant(given["startsAt"])
    ):
        faults.append(_error("Ends at needs to be after starts_at", "INVALID", INPUT, "endsAt"))
    return faults


def _code_fault(code: str | None) -> tuple[str, str] | None:
    if code is None:
        return "Code can't be blank", "BLANK"
    if code == "":
        return "Code is too short (minimum is 1 character)", "TOO_SHORT"
    if len(code) > LONGEST_CODE:
        return f"Code is too long (maximum is {LONGEST_CODE} characters)", "TOO_LONG"
    if "\n" in code or "\r" in code:
        return "Code cannot contain newline characters.", "INVALID"
    return None


def _taken(call: Call, code: str, own: DiscountNode | None = None) -> bool:
    found = discount_of_code(call.shop, code)
    return found is not None and found is not own


def _add_code(call: Call, discount: CodeDiscount, code: str) -> None:
    discount.codes.append((call.shop.next_id(), code))


def bulk_add(call: Call, args: dict[str, Any]) -> Payload:
    codes = [entry["code"] for entry in args["codes"]]
    if len(codes) > MOST_CODES:
        message = f"The input array size of {len(codes)} is greater than the maximum allowed of {MOST_CODES}."
        raise GraphQLError(message, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
    node = call.shop.discounts.get(gid_number(args["discountId"]))
    if node is None:
        return {"bulkCreation": None, "userErrors": [_error("Code discount does not exist.", "INVALID", "discountId")]}
    if not codes:
        return {"bulkCreation": None, "userErrors": [_error("Codes can't be blank", "BLANK", "codes")]}
    number = call.shop.next_id()
    batch: dict[str, Any] = {
        "__typename": "DiscountRedeemCodeBulkCreation",
        "id": gid("DiscountRedeemCodeBulkCreation", number),
        "codesCount": len(codes),
        "done": False,
        "importedCount": 0,
        "failedCount": 0,
        "createdAt": call.shop.now_text(),
        "discountCode": node,
        "codes": Connection([], [], has_next=False, has_previous=False, total=0),
    }
    call.shop.code_batches[number] = batch
    # Asynchronous on the platform: this answer still says `done: false`, the next read finds the work done.
    call.after.append(lambda: _import_codes(call, node, batch, codes))
    return {"bulkCreation": dict(batch), "userErrors": []}


def _import_codes(call: Call, node: DiscountNode, batch: dict[str, Any], codes: list[str]) -> None:
    rows, seen = [], set[str]()
    for code in codes:
        errors = []
        if fault := _code_fault(code):
            errors.append(_error(*fault, "code"))
        elif code.casefold() in seen:
            errors.append(_error("Codes must be unique within BulkDiscountCodeCreation", "INVALID", "code"))
        elif _taken(call, code):
            errors.append(_error("must be unique. Please try a different code.", "TAKEN", "code"))
        else:
            _add_code(call, node.discount, code)
            node.discount.bulk = True
        seen.add(code.casefold())
        rows.append({"code": code, "errors": errors, "discountRedeemCode": None})
    failed = sum(1 for row in rows if row["errors"])
    batch["codes"] = paginate(rows, {"first": MOST_CODES}, lambda row: (codes.index(row["code"]), 0))
    batch.update(done=True, importedCount=len(rows) - failed, failedCount=failed)


def set_active(*, active: bool) -> Value:
    """A discount is ended by its end, and begun again by taking an end that is past away."""

    def handler(call: Call, args: dict[str, Any]) -> Payload:
        node = call.shop.discounts.get(gid_number(args["id"]))
        if node is None:
            return {"codeDiscountNode": None, "userErrors": [_error("Code discount does not exist.", "INVALID", "id")]}
        ended = node.discount.status(call.now) == "EXPIRED"
        if active == ended:
            node.discount.ends_at = None if active else call.shop.now_text()
            node.discount.updated_at = call.shop.now_text()
        return {"codeDiscountNode": node, "userErrors": []}

    return handler


def delete(call: Call, args: dict[str, Any]) -> Payload:
    if call.shop.discounts.pop(gid_number(args["id"]), None) is None:
        fault = _error("Code discount does not exist.", "INVALID", "id")
        return {"deletedCodeDiscountId": None, "userErrors": [fault]}
    return {"deletedCodeDiscountId": args["id"], "userErrors": []}
