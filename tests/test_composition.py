"""How programs are put together: the embedded key above all."""

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from composition import EMBEDDED_KEY, cipher_from, outgoing_client, secret_keys
from gateway.app import gateway_settings
from settings import Settings

ROOT = Path(__file__).parents[1]


def test_an_embedded_installation_makes_its_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is its owner's alone, nothing else is left beside it, and the next program finds the same key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REKINDLE_SECRET_KEYS", raising=False)
    settings = Settings()
    first = secret_keys(settings)
    assert secret_keys(settings) == first
    assert stat.S_IMODE(EMBEDDED_KEY.stat().st_mode) == 0o600
    assert [path.name for path in EMBEDDED_KEY.parent.iterdir()] == ["secret.key"]
    assert cipher_from(settings).decrypt(cipher_from(settings).encrypt("x")) == "x"


async def test_programs_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    """Whoever comes second uses the first one's."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from composition import secret_keys; "
    code += "from settings import Settings; print(secret_keys(Settings())[0])"

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    keys = await asyncio.gather(*(asyncio.to_thread(run) for _ in range(2)))
    assert len(set(keys)) == 1


def test_only_a_sandbox_reaches_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses that stores enter lead to the public internet unless the operator says otherwise."""
    monkeypatch.delenv("REKINDLE_OUTGOING_PRIVATE", raising=False)
    assert not outgoing_client(Settings()).private
    assert not gateway_settings(Settings()).private_endpoints
    monkeypatch.setenv("REKINDLE_OUTGOING_PRIVATE", "allow")
    assert outgoing_client(Settings()).private
    assert gateway_settings(Settings()).private_endpoints
