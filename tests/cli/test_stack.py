"""`up` as its users run it: one terminal, Ctrl-C, and everything still there the next time."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
JOURNEY = """
name: quick
kind: win_back
audience: {inactive_days: 60, inactive_days_max: 120}
coupon: {code: COMEBACK10}
stages:
  - after: 0d
    message: {template: winback_hello, language: en, variables: {"1": "{customer.first_name|friend}"}}
  - after: 7d
    message: {template: winback_hello, language: en, variables: {"1": "{customer.first_name|friend}"}}
sending: {hours: "00:00-24:00"}
"""
PATIENCE_S = 60.0


def free_ports(number: int) -> list[int]:
    """Different ports that nobody listens on, below those that the system gives to outgoing connections.

    The stack is down between two starts, and a port of that range could be taken in the meantime.
    """
    ports: set[int] = set()
    while len(ports) < number:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return list(ports)


class Terminal:
    """A directory of its own with a stack in it, and a second terminal beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.temporal, self.ui, self.gateway = free_ports(3)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("REKINDLE_", "TEMPORAL_"))
        } | {"TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal}", "REKINDLE_GATEWAY_PORT": str(self.gateway)}
        self.lines: list[str] = []

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """The stack, up when the block begins; ended the hard way if the block leaves it running."""
        self.lines.clear()
        process = subprocess.Popen(
            [
                *(sys.executable, str(ROOT / "starter.py"), "up"),
                *("--temporal-port", str(self.temporal), "--ui-port", str(self.ui)),
            ],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self.lines.extend, args=(process.stdout,))
        reader.start()
        try:
            self.wait_until(lambda: any("Ctrl-C" in line for line in self.lines) or process.poll() is not None)
            assert process.poll() is None, self.lines
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE_S)
            reader.join(PATIENCE_S)
            process.stdout.close()

    def starter(self, *arguments: str) -> dict[str, Any]:
        """A command's document."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "starter.py"), *arguments, "--json"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    @staticmethod
    def wait_until(condition: Any) -> None:
        """Look again and again until it is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.1)

    def door(self) -> str:
        """The address at which a customer can be played."""
        return next(line.split("POST ")[1].split()[0] for line in self.lines if "play a customer" in line)


def act(door: str, deed: dict[str, str]) -> None:
    """Play a customer."""
    request = urllib.request.Request(door, data=json.dumps(deed).encode(), method="POST")  # noqa: S310 - our own loopback server
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 - as above
        assert json.load(answer) == {"taken": True}


def phones(door: str) -> list[str]:
    """Customers who can be played."""
    with urllib.request.urlopen(door, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own loopback server
        return [one["phone"] for one in json.load(answer)]


@pytest.mark.timeout(240)
def test_a_stack_that_is_stopped_or_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Launched journeys survive Ctrl-C and a kill; a reply ends its journey after both; every stop is clean."""
    terminal = Terminal(tmp_path)
    (tmp_path / "quick.yaml").write_text(JOURNEY, "utf-8")
    with terminal.up() as process:
        launched = terminal.starter("launch", "quick.yaml", "--yes")
        assert launched["audience"]["entered"] > 0
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert terminal.lines[-1].strip() == "stopped"

    def running() -> int:
        (journey,) = terminal.starter("journeys")["journeys"]
        return sum(count for state, count in journey["enrollments"].items() if state not in {"closed", "control"})

    before = running()
    assert before == launched["audience"]["entered"]
    with terminal.up() as process:
        process.kill()
        process.wait(PATIENCE_S)
    with terminal.up() as process:
        waiting = next(phone for phone in phones(terminal.door()) if in_journey(terminal, phone))
        act(terminal.door(), {"phone": waiting, "do": "reply"})
        terminal.wait_until(lambda: ended(terminal, waiting) == "customer_replied")
        assert running() == before - 1
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


def in_journey(terminal: Terminal, phone: str) -> bool:
    """Whether the customer's journey runs."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "starter.py"), "status", phone, "--json"],
        cwd=terminal.directory,
        env=terminal.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode == 0 and any(
        one["state"] not in {"closed", "control"} for one in json.loads(done.stdout)["enrollments"]
    )


def ended(terminal: Terminal, phone: str) -> str | None:
    """The exit reason of the customer's journey."""
    (enrollment,) = terminal.starter("status", phone)["enrollments"]
    exit_view = enrollment["exit"]
    return exit_view["reason"] if exit_view else None
