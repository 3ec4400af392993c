"""Settings: one frozen value, read once from the environment, all faults reported together.

The names are those of the README's configuration table and of `deploy/.env.example`. No other module reads the
environment.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from plugin.errors import SettingsError

DEFAULT_SCOPES: Final = (
    "read_all_orders", "read_customers", "read_discounts", "read_orders", "read_products", "read_returns",
    "write_app_proxy", "write_customers", "write_discounts",
)  # fmt: skip
DEFAULT_API_VERSION: Final = "2026-10"
_PLACE: Final = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SHORTEST_KEY: Final = 32
DOORS: Final = ("storefront", "graphql")  # the two endpoints, as settings call them


class Secret(str):
    """A text that does not show itself in `repr`, tracebacks of locals or logs of settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('**********')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between installations of Rebloom."""

    database_url: str
    app_url: str
    encryption_keys: tuple[Secret, ...]  # newest first; empty: generated beside the embedded database
    api_key: str
    api_secrets: tuple[Secret, ...]  # newest first; more than one while a secret is rotated
    scopes: tuple[str, ...]
    api_version: str
    shop_url: str  # template with {shop}
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks whose X-Forwarded-For is believed
    log_level: str = "INFO"
    trusted_only: tuple[str, ...] = ()  # of DOORS: where only registered documents may be asked for
    documents: Path | None = None  # a folder of registered documents besides ours

    @property
    def on_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite:")

    @property
    def sqlite_path(self) -> Path:
        """The file of the embedded database. Only meaningful `on_sqlite`."""
        return Path(self.database_url.removeprefix("sqlite://").partition("?")[0])

    @property
    def loopback_shops(self) -> bool:
        """True when shops are served by the dev shop on this machine."""
        return (urlsplit(self.shop_url.replace("{shop}", "shop")).hostname or "") in _LOOPBACK

    def shop_base(self, domain: str) -> str:
        """The base URL of a shop whose domain has been checked already."""
        return self.shop_url.replace("{shop}", domain)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings of `environ`. Raises SettingsError whose text has one line for each fault, with what to do."""
    faults: list[str] = []

    def checked(name: str, default: str, check: Callable[[str], str | None]) -> str:
        value = environ.get(name, "").strip() or default
        fault = check(value)
        if fault:
            faults.append(f"{name}: {fault}")
        return value

    database_url = checked("REBLOOM_DATABASE_URL", "sqlite:///rebloom.sqlite3", _database_fault)
    app_url = checked("REBLOOM_APP_URL", "http://127.0.0.1:8000", _app_url_fault).rstrip("/")
    shop_url = checked("SHOPIFY_SHOP_URL", "https://{shop}", _shop_url_fault).rstrip("/")
    api_key = checked("SHOPIFY_API_KEY", "", _api_key_fault)
    api_secret = checked("SHOPIFY_API_SECRET", "", _api_secret_fault)
    api_version = checked("SHOPIFY_API_VERSION", DEFAULT_API_VERSION, _api_version_fault)
    scopes = checked("SHOPIFY_SCOPES", ",".join(DEFAULT_SCOPES), _scopes_fault)
    keys = checked("REBLOOM_ENCRYPTION_KEYS", "", lambda text: _keys_fault(text, database_url))
    proxies = checked("REBLOOM_TRUSTED_PROXIES", "", _proxies_fault)
    log_level = checked("REBLOOM_LOG_LEVEL", "INFO", _log_level_fault)
    trusted_only = checked("REBLOOM_TRUSTED_ONLY", "", _doors_fault)
    documents = checked("REBLOOM_DOCUMENTS", "", _documents_fault)
    if faults:
        raise SettingsError("These settings need mending before Rebloom can start:\n  " + "\n  ".join(faults))
    return Settings(
        database_url=_normalised(database_url),
        app_url=app_url,
        encryption_keys=tuple(Secret(key) for key in _listed(keys)),
        api_key=api_key,
        api_secrets=tuple(Secret(secret) for secret in _listed(api_secret)),
        scopes=tuple(_listed(scopes)),
        api_version=api_version,
        shop_url=shop_url,
        trusted_proxies=tuple(_listed(proxies)),
        log_level=log_level,
        trusted_only=tuple(_listed(trusted_only)),
        documents=Path(documents) if documents else None,
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _normalised(url: str) -> str:
    """`sqlite:///relative` and `sqlite:////absolute`, as SQLAlchemy writes them, become one plain path."""
    if not url.startswith("sqlite:"):
        return "postgresql://" + url.split("://", 1)[1]
    path = url.removeprefix("sqlite://").partition("?")[0]
    return "sqlite://" + path.removeprefix("/")


def _database_fault(url: str) -> str | None:
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        return None if len(url) > len("sqlite:///") else f"{url!r} names no file; write sqlite:///rebloom.sqlite3"
    if scheme in {"postgresql", "postgres"}:
        return (
            None if urlsplit(url).path.strip("/") else "names no database; write postgresql://user:password@host/name"
        )
    return f"must begin with sqlite:/// or postgresql://, not {scheme[:20]!r}"


def _split(url: str) -> SplitResult | None:
    """None for what two readers of addresses could read in two ways."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if _PLACE.fullmatch(parts.netloc) else None


def _insecure(parts: SplitResult) -> bool:
    return parts.scheme != "https" and not (parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK)


def _app_url_fault(url: str) -> str | None:
    parts = _split(url)
    if parts is None or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        return f"{url!r} is not a base URL; write https://rebloom.example.com"
    return f"{url!r} must be https (http only for this machine itself)" if _insecure(parts) else None


def _shop_url_fault(template: str) -> str | None:
    if template.count("{shop}") != 1 or re.search(r"[\s\\]", template):
        return f"{template!r} must contain {{shop}} exactly once; write https://{{shop}}"
    parts = _split(template.replace("{shop}", "shop.myshopify.com"))
    if parts is None or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        return f"{template!r} is not a template of a base URL; write https://{{shop}}"
    if parts.scheme == "https" and parts.hostname != "shop.myshopify.com" and parts.hostname not in _LOOPBACK:
        return f"{template!r} would send shops' tokens to {parts.hostname}; write https://{{shop}}"
    if _insecure(parts):
        return f"{template!r} must be https (http only for a dev shop on this machine, e.g. http://127.0.0.1:9292/{{shop}})"
    return None


def _api_key_fault(key: str) -> str | None:
    if not key:
        return "is missing; copy the client id from the app's page in the Dev Dashboard"
    return None if re.fullmatch(r"[A-Za-z0-9._-]{1,128}", key) else "has characters that no client id has"


def _api_secret_fault(secret: str) -> str | None:
    return None if _listed(secret) else "is missing; copy the client secret from the app's page in the Dev Dashboard"


def _api_version_fault(version: str) -> str | None:
    if re.fullmatch(r"20\d\d-(01|04|07|10)|unstable", version):
        return None
    return f"{version!r} is not a version of the Admin API; write {DEFAULT_API_VERSION}"


def _scopes_fault(scopes: str) -> str | None:
    bad = [scope for scope in _listed(scopes) if not re.fullmatch(r"[a-z_]+", scope)]
    return f"{bad[0]!r} is not an access scope" if bad else None


def _keys_fault(keys: str, database_url: str) -> str | None:
    if not keys:
        if database_url.startswith("sqlite:"):
            return None
        return (
            "is required with PostgreSQL; make one with: python -c "
            "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        )
    short = [position for position, key in enumerate(_listed(keys), 1) if len(key) < _SHORTEST_KEY]
    return f"key {short[0]} has fewer than {_SHORTEST_KEY} characters" if short else None


def _proxies_fault(text: str) -> str | None:
    for each in _listed(text):
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            return f"{each!r} is neither an address nor a network; write 10.0.0.7 or 172.16.0.0/12"
        if network.prefixlen == 0:
            return f"{each!r} would believe everybody; name the proxy"
    return None


def _log_level_fault(level: str) -> str | None:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    return None if level in levels else f"{level!r} is not one of {', '.join(levels)}"


def _doors_fault(text: str) -> str | None:
    unknown = [door for door in _listed(text) if door not in DOORS]
    return f"{unknown[0]!r} is not one of {', '.join(DOORS)}" if unknown else None


def _documents_fault(text: str) -> str | None:
    if not text or any((Path(text) / door).is_dir() for door in DOORS):
        return None
    return f"{text!r} has neither a folder storefront nor a folder graphql with documents (*.graphql)"
