"""`python -m tests.conformance --suite DIR`: run a selection of the suite and write docs/conformance.md."""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

from tests.conformance.reasons import Reasons
from tests.conformance.report import page
from tests.conformance.running import ROOT, Result, last_results, make_environment, run_suite
from tests.conformance.selection import SELECTIONS

PAGE = ROOT / "docs" / "conformance.md"


def main() -> None:
    options = _options()
    suite = options.suite.resolve()
    if not (suite / "s3tests" / "functional" / "test_s3.py").exists():
        raise SystemExit(f"{suite} holds no ceph/s3-tests: give a checkout of it by --suite or S3TESTS.")
    output = (options.output or suite.with_name(f"{suite.name}.results")).resolve()
    if output.is_relative_to(ROOT):
        raise SystemExit(f"{output} lies in the repository: results stay outside.")
    selection = SELECTIONS[options.selection]
    if options.last:
        results = last_results(selection, output)
    else:
        results = run_suite(make_environment(suite), suite, selection, options.only, options.jobs, output)
    reasons = Reasons()
    _print(results, reasons)
    if options.only:
        return
    if len(results) != selection.expected:
        print(f"{selection.name} has {len(results)} tests; it had {selection.expected} when it was chosen.")
    existing = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(page(existing, selection, results, _describe(suite), reasons))
    print(f"wrote {PAGE.relative_to(ROOT)}; all outcomes are in {output}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--suite", type=Path, required=True, help="a checkout of ceph/s3-tests")
    parser.add_argument("--selection", choices=list(SELECTIONS), default="core")
    parser.add_argument("--only", default="", help="pytest's -k on top of the selection; writes no page")
    parser.add_argument("--last", action="store_true", help="run nothing: explain the last run's outcomes anew")
    parser.add_argument("--jobs", type=int, default=4, help="processes that run tests (default: 4)")
    parser.add_argument("--output", type=Path, help="where outcomes go (default: beside the suite)")
    return parser.parse_args()


def _print(results: list[Result], reasons: Reasons) -> None:
    failed = [result for result in results if result.outcome != "passed"]
    for result in failed:
        reason = reasons.of(result.name)
        last = next((line for line in reversed(result.message.splitlines()) if line.startswith("E ")), "")
        print(f"{result.outcome} {result.name} [{reason.kind if reason else '?'}] {last[1:].strip()[:200]}")
    untidy = sum(not result.cleaned_up for result in results)
    seconds = sum(result.seconds for result in results)
    print(f"{len(results) - len(failed)} of {len(results)} passed, {untidy} cleanups failed, {seconds:.0f} s of tests")
    unused = reasons.unused({result.name for result in failed})
    if unused:
        print(f"reasons.toml explains what does not fail in this run: {', '.join(unused)}")


def _describe(suite: Path) -> str:
    """Which version of the suite it was, by what it holds."""
    text = (suite / "s3tests" / "functional" / "test_s3.py").read_bytes()
    lines = f"{text.count(bytes([10])):,}"
    return f"The suite's test_s3.py had {lines} lines, SHA-256 `{sha256(text).hexdigest()[:16]}`."


if __name__ == "__main__":
    main()
