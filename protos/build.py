"""Compile protos/ into gen/: modules, type stubs and the one descriptor image.

Runs as a build hook on every install and by hand as `python protos/build.py`. gen/ is made anew beside the
old one and swapped in, so that it never holds what no longer has a source.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import google.api
from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # by hand, in an environment without the build backend
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent.parent
VALIDATE = "buf/validate/validate.proto"


def compile_all(root: Path = ROOT) -> Path:
    """Compile every proto below protos/ and return the folder gen/; SystemExit names what protoc refused."""
    sources = sorted(str(path) for path in (root / "protos").rglob("*.proto"))
    target = root / "gen"
    with tempfile.TemporaryDirectory(prefix=".gen-", dir=root) as folder:
        fresh = Path(folder) / "gen"
        (fresh / "plantops").mkdir(parents=True)
        rules = Path(folder) / "validate.binpb"
        rules.write_bytes(_validation_rules())
        known = [f"--descriptor_set_in={rules}"]
        _run([*known, f"--python_out={fresh}", f"--pyi_out={fresh}", VALIDATE])
        paths = [f"-I{root / 'protos'}", f"-I{_google_apis()}", f"-I{_well_known()}"]
        modules = [f"--python_out={fresh}", f"--pyi_out={fresh}", f"--grpc_python_out={fresh}"]
        _run([*known, *paths, *modules, *sources])
        image = fresh / "plantops" / "plantops.binpb"
        _run(
            [
                *known,
                *paths,
                f"--descriptor_set_out={image}",
                "--include_imports",
                "--include_source_info",
                *sources,
            ]
        )
        (fresh / "buf" / "__init__.py").unlink(missing_ok=True)
        if target.exists():
            target.rename(Path(folder) / "old")
        shutil.move(fresh, target)
    return target


def _run(arguments: list[str]) -> None:
    if protoc.main(["protoc", *arguments]):
        raise SystemExit("protoc refused the protos; see its message above")


def _validation_rules() -> bytes:
    """The options of protovalidate, from the descriptor that the installed package holds."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())
    return files.SerializeToString()


def _google_apis() -> Path:
    return Path(next(iter(google.api.__path__))).parents[1]


def _well_known() -> Path:
    return Path(protoc.__file__).parent / "_proto"


class Protos(BuildHookInterface):
    """Build hook: the protos are compiled whenever the package is installed or built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the package is put together."""
        compile_all(Path(self.root))


if __name__ == "__main__":
    sys.stdout.write(f"{compile_all()}\n")
