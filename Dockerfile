# One image for the worker, the gateway, the migrations and the command line; what runs is chosen by the command.

FROM python:3.11.15-slim-bookworm AS packages

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /app/.venv
COPY requirements.txt /tmp/requirements.txt
# Wheels only: nothing is compiled here, so no package runs a build script of its own.
RUN /app/.venv/bin/python -m pip install --require-hashes --only-binary :all: -r /tmp/requirements.txt


FROM python:3.11.15-slim-bookworm

RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin rekindle
WORKDIR /app
COPY --from=packages /app/.venv /app/.venv
COPY . .
RUN install -d -o rekindle -g rekindle /app/var
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
USER rekindle

CMD ["python", "worker.py"]
