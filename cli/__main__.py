"""plantops: one command per file in cli/commands; each has `HELP`, `arguments(parser)` and `run(options) -> int`."""


def main() -> int:
    return 0
