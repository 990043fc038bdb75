"""Resources of the Prometheus Operator from k8s/alerts: kustomize cannot put a file's content below a key of another.

`python -m k8s.checks` writes them to build/k8s/prometheus-rules.yaml; plain Prometheus reads the files themselves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ALERTS = Path(__file__).parent / "alerts"


def documents(folder: Path = ALERTS) -> Iterator[dict[str, Any]]:
    """One PrometheusRule for each file of rules; files of tests are left out."""
    for path in sorted(folder.glob("*.yaml")):
        if path.name.endswith("_test.yaml"):
            continue
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": f"plantops-{path.stem}",
                "namespace": "plantops",
                "labels": {
                    "app.kubernetes.io/name": "plantops",
                    "app.kubernetes.io/component": "monitoring",
                    "app.kubernetes.io/part-of": "plantops",
                },
            },
            "spec": yaml.safe_load(path.read_text()),
        }
