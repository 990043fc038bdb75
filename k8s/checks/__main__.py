"""`python -m k8s.checks`: render every overlay into build/k8s and check it; one line for each rule of each overlay.

With folders as arguments it checks these instead, e.g. an installation's own overlay; --digests asks that every
image is named by digest.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from k8s import prometheus_rules
from k8s.checks import capacity, engines, forms, pods, references
from k8s.checks.manifests import K8S, ROOT, Manifests, RenderFailed, render
from k8s.checks.rule import RULES

MODULES = (pods, references, capacity, forms, engines)
BUILT = ROOT / "build" / "k8s"
OVERLAYS = {"dev": K8S / "overlays" / "dev", "prod": K8S / "overlays" / "prod"}
OPTIONAL = ("keda", "tracing", "argocd")
"""Components that no overlay has: rendered over production to check them too."""


def variant(folder: Path) -> Path:
    """An overlay in `folder` of production with all optional components."""
    folder.mkdir(parents=True, exist_ok=True)
    near = Path(os.path.relpath(K8S, folder.resolve()))
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources:"]
    lines += [f"  - {near}/overlays/prod", "components:"]
    lines += [f"  - {near}/components/{name}" for name in OPTIONAL]
    (folder / "kustomization.yaml").write_text("\n".join(lines) + "\n")
    return folder


def alerts() -> int:
    """The rules of k8s/alerts as resources, in a file of their own; the number of faults."""
    documents = list(prometheus_rules.documents())
    BUILT.mkdir(parents=True, exist_ok=True)
    (BUILT / "prometheus-rules.yaml").write_text(yaml.safe_dump_all(documents))
    faults = list(forms.schemas(Manifests("alerts", documents)))
    print(f"alerts: {len(documents)} documents in build/k8s/prometheus-rules.yaml")
    for fault in faults:
        print(f"         {fault}")
    return len(faults)


def overlays(given: list[Path]) -> Iterator[tuple[str, Path]]:
    """Name and folder of what is checked."""
    if given:
        yield from ((folder.resolve().name, folder) for folder in given)
        return
    yield from OVERLAYS.items()
    yield "prod-all", variant(BUILT / "prod-all")


def check(name: str, folder: Path, *, digests: bool) -> int:
    """Render one overlay, check it, print a line for each rule; the number of faults."""
    text = render(folder)
    BUILT.mkdir(parents=True, exist_ok=True)
    (BUILT / f"{name}.yaml").write_text(text)
    manifests = Manifests.read(name, text)
    print(f"{name}: {len(manifests.documents)} documents in build/k8s/{name}.yaml")
    count = 0
    rules = [(item.number, item.says, item.faults(manifests)) for item in RULES]
    if digests:
        rules.append(("OPS-13", "every image is named by digest", list(forms.undigested(manifests))))
    for number, says, faults in rules:
        print(f"  {'ok  ' if not faults else 'FAIL'} {number:<7} {says}")
        for fault in faults:
            print(f"         {fault}")
        count += len(faults)
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything holds, 1 when a rule is broken, 2 when something cannot be rendered."""
    parser = argparse.ArgumentParser(prog="python -m k8s.checks", description=__doc__)
    parser.add_argument("overlays", type=Path, nargs="*")
    parser.add_argument("--digests", action="store_true", help="every image must be named by digest")
    options = parser.parse_args(arguments)
    try:
        faults = sum(check(name, folder, digests=options.digests) for name, folder in overlays(options.overlays))
        faults += 0 if options.overlays else alerts()
    except RenderFailed as error:
        print(f"k8s: {error}", file=sys.stderr)
        return 2
    print(f"{len(RULES)} rules, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
