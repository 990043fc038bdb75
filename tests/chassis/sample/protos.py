"""Compile sample.proto beside the generated contract, into a folder that lasts as long as the tests."""

import importlib
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_tools import protoc

HERE = Path(__file__).parent
_folder = tempfile.TemporaryDirectory(prefix="plantops-sample-")


def _compile() -> None:
    root = Path(_folder.name)
    known = descriptor_pb2.FileDescriptorSet()
    pool = descriptor_pool.Default()
    seen: set[str] = set()

    def include(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        file = pool.FindFileByName(name)
        for dependency in file.dependencies:
            include(dependency.name)
        file.CopyToProto(known.file.add())

    importlib.import_module("buf.validate.validate_pb2")
    for module in ("annotations_pb2", "field_behavior_pb2", "field_info_pb2"):
        importlib.import_module(f"google.api.{module}")
    for module in ("date_pb2", "decimal_pb2", "money_pb2"):
        importlib.import_module(f"google.type.{module}")
    importlib.import_module("google.rpc.status_pb2")
    importlib.import_module("google.protobuf.field_mask_pb2")
    for module in ("access_pb2", "event_pb2", "quantity_pb2"):
        importlib.import_module(f"plantops.type.v1.{module}")
    source = HERE / "sample.proto"
    for line in source.read_text().splitlines():
        if line.startswith("import "):
            include(line.split('"')[1])
    (root / "known.binpb").write_bytes(known.SerializeToString())
    target = root / "plantops/sample/v1"
    target.mkdir(parents=True)
    (target / "sample.proto").write_text(source.read_text())
    code = protoc.main(
        [
            "protoc",
            f"--descriptor_set_in={root / 'known.binpb'}",
            f"-I{root}",
            f"--python_out={root}",
            f"--grpc_python_out={root}",
            str(target / "sample.proto"),
        ]
    )
    if code:
        raise RuntimeError("the sample proto does not compile")
    sys.path.append(str(root))
    importlib.invalidate_caches()


_compile()
pb = importlib.import_module("plantops.sample.v1.sample_pb2")
grpc_stubs = importlib.import_module("plantops.sample.v1.sample_pb2_grpc")
