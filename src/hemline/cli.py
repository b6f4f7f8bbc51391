"""The command line: verbs only."""


def main() -> None:
    raise SystemExit("not yet")
