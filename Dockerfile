# One image for all processes: `python -m services.<service>`, `python -m gateway`, `plantops ...` (OPS-13).
# Give the base by digest: docker build --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore SOURCE_DATE_EPOCH=1580601600
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# The environment of the image has no installer of its own; every library is a wheel whose hash the lock knows.
RUN ["python", "-m", "venv", "--without-pip", "/opt/plantops"]
RUN ["python", "-m", "pip", "--python", "/opt/plantops/bin/python", "install", "--no-compile", \
     "--require-hashes", "--only-binary=:all:", "--no-deps", "-r", "requirements.lock"]
RUN ["python", "-m", "pip", "install", \
     "--require-hashes", "--only-binary=:all:", "--no-deps", "-r", "requirements-build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY protos protos
COPY services services
COPY gateway gateway
COPY cli cli
RUN ["python", "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
RUN ["python", "-m", "pip", "--python", "/opt/plantops/bin/python", "install", "--no-compile", \
     "--no-index", "--no-deps", "--find-links", "dist", "plantops"]
# Compiled by content, not by time: the same commit gives the same files, and nothing is written at run time.
RUN ["/opt/plantops/bin/python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/plantops/lib"]

FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="plantops" \
      org.opencontainers.image.description="Runs the maintenance, materials and procurement of a plant" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing in the image installs or builds.
RUN ["python", "-m", "pip", "uninstall", "-y", "-q", "--root-user-action=ignore", "setuptools", "wheel", "pip"]
COPY --from=build /opt/plantops /opt/plantops
ENV PATH=/opt/plantops/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080 50051 9464
STOPSIGNAL SIGTERM
CMD ["plantops", "--help"]
