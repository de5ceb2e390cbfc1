# The scorer in a container. Written with care and checked as far as tests can (tests/unit/test_deploy_files.py);
# it is not built or run in this project's own tests, which have no container engine.
#
#   docker build --tag fraud-scorer .
#   docker run --rm --volume scorer-data:/data fraud-scorer api-key add --name shop --scopes score,label
#   docker run --read-only --tmpfs /tmp --volume scorer-data:/data --publish 127.0.0.1:8000:8000 fraud-scorer

FROM python:3.11-slim AS build
RUN python -m venv /opt/venv
WORKDIR /src
COPY requirements.lock ./
# What serving needs, in the exact versions of the lock file: without mlflow, evidently and the tests' tools.
RUN /opt/venv/bin/pip install --no-cache-dir --constraint requirements.lock \
    fastapi httptools httpx jinja2 msgspec numba numpy prometheus-client pyarrow pydantic-settings \
    river scikit-learn scipy tqdm uvicorn uvloop
COPY pyproject.toml README.md ./
COPY fraud_system fraud_system
COPY pipelines pipelines
COPY monitoring monitoring
COPY serving serving
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin scorer \
    && install --directory --owner scorer --group scorer --mode 0750 /data
COPY --from=build /opt/venv /opt/venv
# Keys are made with the command above, into the volume; there is no secret in the image or in its environment.
# Compiled code is kept in the volume, too: the first start takes a minute or two longer.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/data/compiled \
    FRAUD_LEDGER_FILE=/data/ledger.sqlite \
    FRAUD_API_KEYS_FILE=/data/api-keys.json \
    FRAUD_HOST=0.0.0.0 \
    FRAUD_PORT=8000
USER scorer
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "serving"]
