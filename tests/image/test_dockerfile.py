"""The Dockerfile keeps its rules, and each rule can be broken (OPS-13)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.image.dockerfile import ROOT, faults

TEXT = (ROOT / "Dockerfile").read_text()

BROKEN = [
    ("ARG PYTHON_IMAGE=python:3.11-slim-bookworm", "ARG PYTHON_IMAGE=python:latest", "pinned slim"),
    ("ARG PYTHON_IMAGE=python:", "ARG PYTHON_IMAGE=registry.example/python:", "without registry host"),
    ("FROM ${PYTHON_IMAGE} AS build", "FROM python:3 AS build", "not from PYTHON_IMAGE"),
    ("FROM ${PYTHON_IMAGE}\n", "", "the final stage copies from the checkout"),
    ('CMD ["plantops", "--help"]', "CMD plantops --help", "needs a shell"),
    ('CMD ["plantops", "--help"]', "", "starts nothing"),
    ("USER 10001:10001", "USER plantops", "numeric user"),
    ("USER 10001:10001", "USER 1000:1000", "numeric user"),
    ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "SIGTERM"),
    ('"--require-hashes", ', "", "without --require-hashes"),
    ('"--only-binary=:all:", ', "", "without --only-binary"),
    ("COPY cli cli", "COPY cli cli\nCOPY engines engines", "which is not there"),
    ("COPY cli cli", "COPY cli cli\nCOPY tests tests", ".dockerignore keeps tests"),
    ("requirements-build.lock ./", "requirements-dev.lock ./", "tools of development"),
    ("CMD [", 'RUN ["apt-get", "install", "postgresql"]\nCMD [', "an engine is in the image"),
    ('revision="${REVISION}"', 'revision="1"', "not that of the build"),
]


@pytest.mark.rule("OPS-13")
def test_the_dockerfile_keeps_every_rule() -> None:
    assert faults(TEXT) == []


@pytest.mark.rule("OPS-13")
@pytest.mark.parametrize(("old", "new", "fault"), BROKEN)
def test_a_broken_dockerfile_is_noticed(old: str, new: str, fault: str) -> None:
    assert TEXT.count(old)
    found = faults(TEXT.replace(old, new))
    assert any(fault in line for line in found), found


def test_without_docker_one_line_says_so(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not on the path")
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    done = subprocess.run(
        [make, "image"], cwd=ROOT, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "image: Docker does not answer on this machine; start it or build elsewhere"
