"""How much memory a process holds, as the kernel counts it; Linux only."""

from pathlib import Path


def resident_mib(process_id: int | str = "self") -> float:
    """What it holds now."""
    return _of(process_id, "VmRSS")


def peak_mib(process_id: int | str = "self") -> float:
    """The most that it has held since its program began.

    `getrusage` and `wait4` tell what the process held before, too: as much as the one that started it.
    """
    return _of(process_id, "VmHWM")


def _of(process_id: int | str, name: str) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
