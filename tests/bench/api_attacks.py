"""Requests made to keep the API busy: each is to be refused, or answered, quickly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def nested_fragments(levels: int) -> str:
    """Each fragment spreads the next one twice: 2^levels fields once spread."""
    spreads = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}\n" for n in range(levels))
    return f"{{ ...F0 }}\n{spreads}fragment F{levels} on Query {{ shop {{ name }} }}"


DOCUMENTS: Final[Mapping[str, str]] = {
    "deep": "{ segments { nodes { customers { nodes { " * 8 + "id" + " } } } }" * 8,
    "deeper than a parser can follow": "{ a" * 900 + "}" * 900,
    "wide": "{ shop { " + " ".join(f"a{n}: name" for n in range(601)) + " } }",
    "one name 2,400 times": "{ shop { " + "name " * 2_400 + "} }",
    "as wide as allowed": "{ shop { id " + "name " * 60 + "} }",
    "aliases": "{ " + " ".join(f"a{n}: shop {{ id }}" for n in range(400)) + " }",
    "as many aliases as allowed": "{ " + " ".join(f"a{n}: shop {{ id name }}" for n in range(60)) + " }",
    "directives": "{ shop { name " + "@include(if: true) " * 400 + "} }",
    "nested fragments, 10": nested_fragments(10),
    "nested fragments, 20": nested_fragments(20),
    "nested fragments, 40": nested_fragments(40),
    "pages in pages": "{ customers(first: 250) { nodes { segments(first: 250) { nodes { customers(first: 250)"
    " { nodes { segments(first: 250) { nodes { id } } } } } } } } }",
    "nested introspection": "{ __schema { types " + "{ fields { type " * 5 + "{ name } " + "} }" * 5 + "} }",
    "comments": "{ shop { id } }" + " #x\n" * 10_000,
    "long": "{ shop { id } } #" + "x" * 900_000,
    "unknown fields": "{ " + " ".join(f"customerz{n}" for n in range(300)) + " }",
    "unknown variables": "query(" + " ".join(f"$v{n}: Int" for n in range(500)) + ") { shop { id } }",
}
BODIES: Final[Mapping[str, bytes]] = {
    "no JSON": b"{" * 50_000,
    "deep JSON": b'{"query":"{ shop { id } }","variables":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "deep lists": b"[" * 400_000 + b"]" * 400_000,
    "many variables": b'{"query":"{ shop { id } }","variables":{' + b",".join(b'"v%d":1' % n for n in range(60_000)) + b"}}",
    "a huge number": b'{"query":"{ shop { id } }","variables":{"n":' + b"9" * 500_000 + b"}}",
    "a batch": b"[" + b",".join([b'{"query":"{ shop { id } }"}'] * 5_000) + b"]",
    "no UTF-8": b'{"query":"\xff\xfe' + b"\x80" * 100_000 + b'"}',
    "surrogates": b'{"query":"' + b"\\ud800" * 50_000 + b'"}',
    "nothing": b"",
    "null": b"null",
}  # fmt: skip
