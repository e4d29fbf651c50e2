# The API, the maintenance worker with beat, and Flower: one image, three commands (see docker-compose.yml).
# The stages are those of Dockerfile.worker, but for the page; a test keeps them the same.

# A stage of its own, so that a change of the code alone leaves this large layer as it is.
FROM python:3.11-slim-bookworm AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
# Wheels alone: there is no compiler here, and no package runs a program of its own at installation.
# The bytecode is valid whatever a copy does to the files' dates, and nothing writes any later.
RUN python -m venv --without-pip /opt/takeup \
    && pip --python /opt/takeup/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements.lock \
    && /opt/takeup/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/takeup/lib

# setuptools, which the project is built with, is in the lock.
FROM dependencies AS build
COPY LICENSE README.md pyproject.toml ./
COPY app ./app
RUN pip --python /opt/takeup/bin/python wheel --no-deps --no-build-isolation --wheel-dir /dist .

FROM node:24-bookworm-slim AS page
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci
COPY frontend ./
RUN npm run build

FROM python:3.11-slim-bookworm
ENV PATH=/opt/takeup/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TAKEUP_SCRATCH_DIR=/scratch
# By number, so that a volume's owner stays the same from one image to the next.
RUN groupadd --gid 10001 takeup \
    && useradd --uid 10001 --gid takeup --no-log-init --no-create-home --home-dir /scratch --shell /usr/sbin/nologin takeup \
    && install --directory --owner takeup --group takeup --mode 0700 /scratch
COPY --from=dependencies /opt/takeup /opt/takeup
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    pip --python /opt/takeup/bin/python install --no-cache-dir --no-deps /dist/*.whl
COPY --from=page /src/app/web /opt/takeup/lib/python3.11/site-packages/app/web
# Not the user's to write: Celery takes modules from the folder it is started in.
WORKDIR /opt/takeup
USER 10001:10001
STOPSIGNAL SIGTERM
ENV TAKEUP_HOST=0.0.0.0 \
    TAKEUP_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
    CMD ["python", "-c", "import http.client, os, sys; api = http.client.HTTPConnection('127.0.0.1', int(os.environ['TAKEUP_PORT']), timeout=5); api.request('GET', '/health/ready'); sys.exit(api.getresponse().status != 200)"]
CMD ["takeup", "api"]
