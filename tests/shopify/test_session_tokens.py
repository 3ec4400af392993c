"""Session tokens: what is accepted, and that everything else is one error and never another."""

import base64
import json
import random
from datetime import timedelta
from typing import Any

import pytest

from integrations.shopify.session_tokens import read_session_token
from plugin.errors import UnauthenticatedError
from plugin.settings import read_settings
from tests.support.platform_requests import AT, CLIENT_ID, NOW, SECRET, SHOP, claims, session_token

SETTINGS = read_settings({"SHOPIFY_API_KEY": CLIENT_ID, "SHOPIFY_API_SECRET": f"{SECRET},older-secret"})
HS256 = {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("secret", [SECRET, "older-secret"])
@pytest.mark.parametrize("seconds", [-10, 0, 59, 69])
def test_a_good_token_names_shop_user_and_session(secret: str, seconds: int) -> None:
    read = read_session_token(session_token(secret=secret), SETTINGS, NOW + timedelta(seconds=seconds))
    assert (read.domain, read.user, read.session) == (SHOP, "42", "1" * 64)
    assert read.expires_at == NOW + timedelta(seconds=60)


def test_a_key_id_in_the_header_is_no_harm() -> None:
    assert read_session_token(session_token(header={**HS256, "kid": "1"}), SETTINGS, NOW).domain == SHOP


def _b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


HEAD, BODY, MAC = session_token().split(".")
BAD: dict[str, str] = {
    "nothing": "",
    "not a token": "junk",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{HEAD}.{BODY}.{MAC}.{MAC}",
    "empty signature": f"{HEAD}.{BODY}.",
    "signature cut by one": f"{HEAD}.{BODY}.{MAC[:-1]}",
    "alg none": f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{BODY}.",
    "alg None with our signature": session_token(header={"alg": "None"}),
    "alg HS512": session_token(header={"alg": "HS512"}, digest="sha512"),
    "alg RS256": session_token(header={"alg": "RS256"}),
    "no alg": session_token(header={"typ": "JWT"}),
    "alg a list": session_token(header={"alg": ["HS256"]}),
    "header a list": f"{_b64([])}.{BODY}.{MAC}",
    "foreign key": session_token(secret="other"),
    "empty key": session_token(secret=""),
    "jwk header": session_token(header={**HS256, "jwk": {"kty": "oct", "k": "aHVzaA"}}),
    "jku header": session_token(header={**HS256, "jku": "https://evil.com/keys"}),
    "x5u header": session_token(header={**HS256, "x5u": "https://evil.com/keys"}),
    "crit header": session_token(header={**HS256, "crit": ["exp"]}),
    "b64 header": session_token(header={**HS256, "b64": False, "crit": ["b64"]}),
    "body a text": session_token("x"),
    "body a list": session_token([claims()]),
    "body null": f"{HEAD}.{_b64(None)}.{MAC}",
    "foreign audience": session_token(claims(aud="other")),
    "audience a list": session_token(claims(aud=[CLIENT_ID])),
    "issued by another shop": session_token(claims(iss="https://other.myshopify.com/admin")),
    "for another shop": session_token(claims(dest="https://other.myshopify.com")),
    "http": session_token(claims(iss=f"http://{SHOP}/admin", dest=f"http://{SHOP}")),
    "foreign host": session_token(claims(iss="https://evil.com/admin", dest="https://evil.com")),
    "host with a tail": session_token(claims(iss=f"https://{SHOP}.evil.com/admin", dest=f"https://{SHOP}.evil.com")),
    "host behind a user": session_token(claims(iss=f"https://{SHOP}@evil.com/admin", dest=f"https://{SHOP}@evil.com")),
    "host with a port": session_token(claims(iss=f"https://{SHOP}:8443/admin", dest=f"https://{SHOP}:8443")),
    "dest with a path": session_token(claims(dest=f"https://{SHOP}/x")),
    "dest with a line end": session_token(claims(dest=f"https://{SHOP}\n")),
    "dest empty": session_token(claims(dest="")),
    "dest broken": session_token(claims(dest="https://[")),
    "expired by 10 seconds": session_token(claims(exp=AT - 10)),
    "expired by 11 seconds": session_token(claims(exp=AT - 11)),
    "not before 11 seconds from now": session_token(claims(nbf=AT + 11, exp=AT + 60)),
    "not before a minute from now": session_token(claims(nbf=AT + 60, exp=AT + 120)),
    "issued in a minute": session_token(claims(iat=AT + 60)),
    "a life of ten years": session_token(claims(exp=AT + 315_360_000)),
    "a life of ten years by nbf": session_token(claims(nbf=AT - 315_360_000)),
    "a life of 301 seconds": session_token(claims(exp=AT + 301)),
    "exp a text": session_token(claims(exp=str(AT + 60))),
    "exp a float": session_token(claims(exp=AT + 60.5)),
    "exp true": session_token(claims(exp=True)),
    "exp beyond any date": session_token(claims(exp=10**30, nbf=10**30, iat=10**30)),
    "sub a number": session_token(claims(sub=42)),
    "sub empty": session_token(claims(sub="")),
    "sid empty": session_token(claims(sid="")),
    "one megabyte": session_token(claims(sid="s" * 2**20)),
    "other letters": "ü" * 40,
    "surrogate": "\udcff",
    "nested 1,000 deep": f"{base64.urlsafe_b64encode(b'[' * 1_000).decode().rstrip('=')}.{BODY}.{MAC}",
    **{
        f"without {name}": session_token(claims(**{name: None}))
        for name in ("iss", "dest", "aud", "sub", "exp", "nbf", "iat", "jti", "sid")
    },
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        read_session_token(token, SETTINGS, NOW)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_random_bytes_in_any_part_are_only_a_refusal(part: int) -> None:
    noise = random.Random(part)
    for _ in range(300):
        parts = [HEAD, BODY, MAC]
        parts[part] = base64.urlsafe_b64encode(noise.randbytes(noise.randrange(1, 200))).decode().rstrip("=")
        with pytest.raises(UnauthenticatedError):
            read_session_token(".".join(parts), SETTINGS, NOW)
