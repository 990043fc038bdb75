"""The reference of rpcs and events, written from the descriptor image: `python protos/reference.py [folder]`.

One page per service of the plant: its rpc services with route, permission and fields, then the events that it
tells with their keys. The text is that of the protos' comments.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "gen"), str(ROOT)]

from buf.validate import validate_pb2  # noqa: E402, F401  (its options become readable)
from google.api import annotations_pb2, field_behavior_pb2  # noqa: E402
from google.protobuf import descriptor_pb2  # noqa: E402
from plantops.type.v1 import access_pb2, event_pb2  # noqa: E402

SERVICES = ("maintenance", "materials", "procurement", "gateway")
_LABELS = {field_behavior_pb2.REQUIRED: "required", field_behavior_pb2.OUTPUT_ONLY: "read-only",
           field_behavior_pb2.IMMUTABLE: "immutable"}  # fmt: skip
_TYPES = {1: "double", 2: "float", 3: "int64", 5: "int32", 8: "bool", 9: "string", 12: "bytes"}

Comments = Mapping[tuple[int, ...], str]


def pages(image: Path) -> Iterator[tuple[str, str]]:
    """(service, Markdown) of each page."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    for service in SERVICES:
        mine = sorted((file for file in files if file.package == f"plantops.{service}.v1"), key=lambda file: file.name)
        lines = [f"# {service.capitalize()}: rpcs and events", ""]
        for file in mine:
            lines += _rpcs(file, _comments(file))
        for file in mine:
            if file.name.endswith("/events.proto"):
                lines += _events(file, _comments(file))
        yield service, "\n".join(lines) + "\n"


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Comments:
    return {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in file.source_code_info.location
        if place.leading_comments
    }


def _rpcs(file: descriptor_pb2.FileDescriptorProto, comments: Comments) -> Iterator[str]:
    messages = {f".{file.package}.{message.name}": index for index, message in enumerate(file.message_type)}
    for place, service in enumerate(file.service):
        yield f"## {service.name}"
        yield ""
        yield comments.get((6, place), "")
        yield ""
        for number, method in enumerate(service.method):
            rule = method.options.Extensions[annotations_pb2.http]
            verb = rule.WhichOneof("pattern") or ""
            route = f"{verb.upper()} {getattr(rule, verb)}" if verb else "gRPC only"
            yield f"### {method.name}"
            yield ""
            yield comments.get((6, place, 2, number), "")
            yield ""
            yield f"`{route}` · permission `{method.options.Extensions[access_pb2.scope]}`"
            yield ""
            yield f"Answers `{method.output_type.rsplit('.', 1)[-1]}`."
            yield ""
            index = messages.get(method.input_type)
            if index is not None:
                yield from _fields(file.message_type[index], comments, (4, index))


def _events(file: descriptor_pb2.FileDescriptorProto, comments: Comments) -> Iterator[str]:
    yield "## Events"
    yield ""
    for index, message in enumerate(file.message_type):
        if not any(field.name == "version" for field in message.field):
            continue
        options = message.options
        key = options.Extensions[event_pb2.key]
        order = "no order" if options.Extensions[event_pb2.unordered] else f"in order per `{key}`"
        subject = f"plantops.{file.package.split('.')[1]}.v1.{message.name}.<site>.<correlation>"
        yield f"### {message.name}"
        yield ""
        yield comments.get((4, index), "")
        yield ""
        yield f"`{subject}` · {order}"
        yield ""
        yield from _fields(message, comments, (4, index))


def _fields(message: descriptor_pb2.DescriptorProto, comments: Comments, path: tuple[int, ...]) -> Iterator[str]:
    if not message.field:
        return
    yield "| field | type | | meaning |"
    yield "|---|---|---|---|"
    for number, field in enumerate(message.field):
        kind = field.type_name.rsplit(".", 1)[-1] if field.type_name else _TYPES.get(field.type, "")
        repeated = "repeated " if field.label == field.LABEL_REPEATED else ""
        behaviours = field.options.Extensions[field_behavior_pb2.field_behavior]
        labels = ", ".join(_LABELS[behaviour] for behaviour in behaviours if behaviour in _LABELS)
        meaning = comments.get((*path, 2, number), "").replace("|", "\\|")
        yield f"| `{field.name}` | {repeated}{kind} | {labels} | {meaning} |"
    yield ""


def main() -> None:
    """Write the pages and say where they are."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for service, text in pages(ROOT / "gen" / "plantops" / "plantops.binpb"):
        (folder / f"{service}.md").write_text(text)
        sys.stdout.write(f"{folder / f'{service}.md'}\n")


if __name__ == "__main__":
    main()
