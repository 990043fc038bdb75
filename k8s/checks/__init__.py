"""Rules that rendered manifests keep (OPS-n); `python -m k8s.checks` renders every overlay and runs them all."""
