"""Settings: read once, all faults told together, nothing secret shown."""

import re
from pathlib import Path

import pytest

from plugin.errors import SettingsError
from plugin.settings import DEFAULT_SCOPES, read_settings

GOOD = {"SHOPIFY_API_KEY": "client", "SHOPIFY_API_SECRET": "new, old"}
ENV_EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / ".env.example"


def test_the_defaults_serve_one_shop_on_this_machine() -> None:
    settings = read_settings(GOOD)
    assert settings.database_url == "sqlite://rebloom.sqlite3"
    assert str(settings.sqlite_path) == "rebloom.sqlite3"
    assert settings.app_url == "http://127.0.0.1:8000"
    assert settings.api_secrets == ("new", "old")
    assert settings.scopes == DEFAULT_SCOPES
    assert settings.api_version == "2026-10"
    assert settings.shop_base("a.myshopify.com") == "https://a.myshopify.com"
    assert not settings.loopback_shops


def test_an_absolute_sqlite_path_has_four_slashes() -> None:
    settings = read_settings({**GOOD, "REBLOOM_DATABASE_URL": "sqlite:////var/lib/rebloom/a.sqlite3"})
    assert str(settings.sqlite_path) == "/var/lib/rebloom/a.sqlite3"


def test_all_faults_are_told_together_each_with_its_name_and_value() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(
            {
                "REBLOOM_DATABASE_URL": "mysql://x/y",
                "REBLOOM_APP_URL": "http://rebloom.example.com",
                "SHOPIFY_SHOP_URL": "https://{shop}.evil.com",
                "SHOPIFY_API_VERSION": "2026-13",
                "SHOPIFY_SCOPES": "read_orders, DROP TABLE",
                "REBLOOM_ENCRYPTION_KEYS": "short",
            }
        )
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "REBLOOM_DATABASE_URL",
        "REBLOOM_APP_URL",
        "SHOPIFY_SHOP_URL",
        "SHOPIFY_API_KEY",
        "SHOPIFY_API_SECRET",
        "SHOPIFY_API_VERSION",
        "SHOPIFY_SCOPES",
        "REBLOOM_ENCRYPTION_KEYS",
    ]
    assert "'http://rebloom.example.com' must be https" in lines[1]
    assert "short" not in lines[7]


def test_postgres_needs_an_encryption_key() -> None:
    with pytest.raises(SettingsError, match="REBLOOM_ENCRYPTION_KEYS: is required with PostgreSQL"):
        read_settings({**GOOD, "REBLOOM_DATABASE_URL": "postgresql://u:p@db/rebloom"})


@pytest.mark.parametrize(
    "template",
    [
        "http://{shop}",
        "http://127.0.0.1.evil.com/{shop}",
        "http://localhost@evil.com/{shop}",
        "https://evil.com/{shop}",
        "https://evil.com#{shop}",
        "https://{shop}@evil.com",
        "https://{shop}.evil.com",
        "https://shop",
        "ftp://127.0.0.1/{shop}",
        "http://127.0.0.1:9292/{shop}/{shop}",
        "http://127.0.0.1:99999/{shop}",
        "//127.0.0.1/{shop}",
        "https://{shop}\\@evil.com",
    ],
)
def test_a_template_that_could_send_tokens_elsewhere_stops_the_start(template: str) -> None:
    with pytest.raises(SettingsError, match="SHOPIFY_SHOP_URL"):
        read_settings({**GOOD, "SHOPIFY_SHOP_URL": template})


@pytest.mark.parametrize(
    "template", ["https://{shop}", "http://127.0.0.1:9292/{shop}", "http://localhost:1/{shop}", "http://[::1]:9/{shop}"]
)
def test_the_platform_and_a_dev_shop_on_this_machine_are_taken(template: str) -> None:
    assert read_settings({**GOOD, "SHOPIFY_SHOP_URL": template}).shop_url == template


def test_secrets_do_not_show_in_repr() -> None:
    settings = read_settings({**GOOD, "REBLOOM_ENCRYPTION_KEYS": "k" * 40, "SHOPIFY_API_SECRET": "shhhhh"})
    assert "shhhhh" not in repr(settings)
    assert "kkkk" not in repr(settings)


def test_env_example_names_every_setting_and_no_other() -> None:
    source = (Path(__file__).resolve().parents[2] / "plugin" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'checked\("([A-Z_]+)"', source))
    written = set(re.findall(r"^([A-Z_]+)=", ENV_EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    assert written == read
