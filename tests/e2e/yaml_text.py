"""YAML read by Debian's python3-yaml, whatever Python runs the tests."""

import json
import subprocess

PYTHON = "/usr/bin/python3"


def documents(text):
    """All documents of a text as JSON would have them; a ValueError that says what is wrong."""
    done = subprocess.run(
        [PYTHON, "-c", "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)"],
        input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    return json.loads(done.stdout)


def document(text):
    (one,) = documents(text)
    return one
