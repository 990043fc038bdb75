"""The command line of Plantops, its engines and its sample plant."""

import os

# A server of another account is started by fork and exec. gRPC's fork handlers would start its pollers anew in the
# child, which dies of it before it becomes the server; nothing here uses gRPC in a forked child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
