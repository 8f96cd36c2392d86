"""The parts of the demo that need no year of flights."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mulle.delivery.backtest.model import BacktestReport, PolicyReport
from mulle.errors import UsageError
from mulle.workspace.demo.endpoint import Caller
from mulle.workspace.demo.play import choose, play
from mulle.workspace.demo.report import page
from mulle.workspace.demo.table import table

DAY = datetime(2013, 2, 1, tzinfo=UTC)


def policy(auc: float, cpu: float) -> PolicyReport:
    return PolicyReport(
        weekly_auc=[auc, None, auc],
        weekly_log_loss=[0.5, None, 0.6],
        mean_auc=auc,
        mean_log_loss=0.55,
        retrainings=3,
        promotions=2,
        rollbacks=0,
        alerts=1,
        cpu_seconds=cpu,
        regret=0.01,
        answered=10,
        champion_as_of=None,
        events=[],
    )


def backtest(**policies: PolicyReport) -> BacktestReport:
    return BacktestReport(
        id="1",
        at=DAY,
        deployment="delay",
        pipeline="delay",
        start=DAY,
        end=DAY,
        seed=0,
        questions=10,
        labelled=9,
        weeks=[DAY],
        metrics=["roc_auc", "log_loss"],
        oracle=policy(0.7, 9.0),
        policies=policies,
        distinct_trainings=3,
        training_cpu_seconds=1.0,
    )


def test_the_cheapest_of_the_policies_that_are_as_good_as_the_best_is_chosen() -> None:
    report = backtest(never=policy(0.60, 0.0), monthly=policy(0.6795, 12.0), drift=policy(0.681, 50.0))
    assert choose(report) == "monthly"


def test_a_policy_that_is_clearly_better_is_worth_its_cost() -> None:
    assert choose(backtest(monthly=policy(0.670, 12.0), drift=policy(0.681, 50.0))) == "drift"


def told(**policies: PolicyReport) -> dict[str, Any]:
    return {name: {key: getattr(one, key) for key in PolicyReport.__struct_fields__} for name, one in policies.items()}


def test_every_policy_has_a_line_with_its_weeks_drawn_on_one_scale() -> None:
    lines = table(told(never=policy(0.6, 0.0), drift=policy(0.7, 50.0)))
    assert [line.split()[0] for line in lines[1:]] == ["never", "drift"]
    assert lines[1].endswith("▁ ▁")
    assert lines[2].endswith("█ █")


def test_the_page_shows_a_missing_week_as_a_gap_and_escapes_what_it_is_told() -> None:
    report = {
        "policies": told(**{"a<b": policy(0.6, 0.0)}),
        "found": ["<one>"],
        "chosen": "a<b",
        "rows": 3,
        "period": "a year",
        "weeks": ["02-01", "02-08", "02-15"],
        "oracle": "every week",
        "why_text": "mulle why",
        "endpoint": {"deployment": "delay", "requests": 4, "failures": 0},
    }
    made = page(report)
    assert made.count("<polyline") == 4
    assert "<one>" not in made
    assert "a&lt;b" in made


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty"):
        play(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


class Moody(BaseHTTPRequestHandler):
    """Answers every third request with an error."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Moody.asked += 1
        body = b'{"predictions": [{"id": "x", "revision": 2}]}' if Moody.asked % 3 else b"{}"
        self.send_response(200 if Moody.asked % 3 else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_caller_counts_what_failed_and_who_answered() -> None:
    server = HTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    caller = Caller(f"http://127.0.0.1:{server.server_port}", "delay", clients=1)
    caller.ask([{"a": 1}] * 9)
    server.shutdown()
    server.server_close()
    assert (caller.requests, caller.failures, len(caller.answers[2])) == (9, 3, 6)


def test_the_clients_go_on_while_something_happens() -> None:
    server = HTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    caller = Caller(f"http://127.0.0.1:{server.server_port}", "delay", clients=1)
    before: list[int] = []

    def wait_for_more() -> None:
        before.append(caller.requests)
        while caller.requests < 30:
            time.sleep(0.01)

    caller.ask([{"a": 1}] * 10, meanwhile=wait_for_more)
    server.shutdown()
    server.server_close()
    assert before[0] >= 4
    assert caller.requests >= 35
