"""`takeup audit` as it is typed, on a running stack."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from app.demo.origin import Origin
from app.services.storage import keys
from tests.stack import RunningStack, clean_environment


def run_audit(data_dir: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", "--data-dir", str(data_dir), *arguments],
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def audited(stack: RunningStack, *arguments: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Exit code, findings and summary."""
    answer = run_audit(stack.data_dir, "--json", *arguments)
    assert answer.stderr == ""
    *findings, summary = map(json.loads, answer.stdout.splitlines())
    return answer.returncode, findings, summary


def test_lost_file_is_told_and_with_fix_stored_again(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    size = stack.wait(scene, "ready")["original"]["bytes"]
    (original,) = (
        key for key in stack.bucket.keys(keys.scene_prefix(scene["project_id"], scene["id"])) if "orig" in key
    )
    stack.bucket.delete([original])

    code, findings, summary = audited(stack)
    assert code == 1
    assert {(finding["kind"], finding["where"], finding["bytes"], finding["outcome"]) for finding in findings} == {
        ("missing_object", original, size, "found")
    }
    assert (summary["summary"]["missing_object"]["count"], summary["remaining"]) == (1, 1)

    answer = run_audit(stack.data_dir)
    assert answer.returncode == 1
    assert answer.stdout.startswith("objects that no scene owns                 none\n")
    assert f"FOUND  {original}" in answer.stdout
    assert answer.stdout.endswith("Run it with --fix to do what each line says.\n")

    code, findings, summary = audited(stack, "--fix")
    assert (code, [finding["outcome"] for finding in findings], summary["remaining"]) == (0, ["fixed"], 0)
    assert stack.wait(scene, "ready")["generation"] == 2
    code, findings, _ = audited(stack)
    assert (code, findings) == (0, [])
    assert "Nothing is wrong: " in run_audit(stack.data_dir).stdout


def test_server_that_does_not_answer_is_one_readable_line(stack: RunningStack, tmp_path: Path) -> None:
    told = {name: value for name, value in stack.environment.items() if name not in os.environ}
    for name, value, line in (
        ("MONGODB_URI", "mongodb://127.0.0.1:1/", "The database does not answer: "),
        ("S3_ENDPOINT_URL", "http://127.0.0.1:1", "bucket"),
    ):
        answer = run_audit(tmp_path, **{**told, name: value})
        assert (answer.returncode, answer.stdout) == (2, "")
        assert line in answer.stderr
        assert answer.stderr.count("\n") == 1
