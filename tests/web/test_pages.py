from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import BASE
from tests.web.shop import project

import mulle
from mulle import server
from mulle.errors import MulleError
from mulle.web.pages.runs import BEAT
from mulle.workspace import Workspace, standing

STARTS = [
    "/",
    "/runs",
    "/pipelines",
    "/datasets",
    "/models",
    "/deployments",
    "/timeline",
    "/backtests",
    "/resources",
    "/studies",
    "/audit",
]
LINK = re.compile(r'(?:href|hx-get|action)="(/[^"]*)"')


def path_of(url: str) -> str:
    return urlsplit(url.replace("&amp;", "&"))._replace(fragment="").geturl()


def kind_of(url: str) -> str:
    """Pages that differ only in which thing they show: one of each is enough."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|b3:[0-9a-f]{64}|\d+", "N", url)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_link_of_every_page_leads_somewhere(pages: TestClient, language: str) -> None:
    waiting, seen, broken = list(STARTS), set(map(kind_of, STARTS)), []
    while waiting:
        url = waiting.pop()
        answer = pages.get(url, headers={"accept-language": language})
        if answer.status_code != 200:
            broken.append((url, answer.status_code))
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        for link in map(path_of, LINK.findall(answer.text)):
            post_only = link.endswith(("/acknowledge", "/feedback", "/rollback"))
            if kind_of(link) not in seen and not post_only:
                seen.add(kind_of(link))
                waiting.append(link)
    assert (broken, len(seen) > 40) == ([], True)


@pytest.mark.parametrize("url", STARTS)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_empty_workspace_says_on_every_page_which_command_to_run(empty: TestClient, url: str, language: str) -> None:
    answer = empty.get(url, headers={"accept-language": language})
    assert (answer.status_code, 'class="empty"' in answer.text or url == "/audit") == (200, True)


@pytest.mark.parametrize("url", STARTS)
def test_every_page_names_its_question_and_its_command(pages: TestClient, url: str) -> None:
    page = pages.get(url).text
    assert re.search(r'<p class="asks">[^<]+</p>', page)
    assert 'data-copy="mulle ' in page


@pytest.mark.parametrize("url", STARTS)
def test_no_page_loads_anything_from_another_place(pages: TestClient, url: str) -> None:
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', pages.get(url).text) == []


@pytest.mark.parametrize("url", STARTS)
def test_a_page_carries_no_script_of_its_own(pages: TestClient, url: str) -> None:
    answer = pages.get(url)
    inline = re.findall(r"<script(?![^>]*(?:src=|application/json))|\son\w+=", answer.text)
    assert (inline, "default-src 'self'" in answer.headers["content-security-policy"]) == ([], True)


def test_home_shows_what_waits_for_somebody_until_it_is_acknowledged(pages: TestClient, lived: Workspace) -> None:
    alert = lived.monitors.alerts(open_only=True)[0]
    assert alert.text in pages.get("/").text
    pages.post(f"/alerts/{alert.id}/acknowledge", headers={"origin": "http://127.0.0.1:8300"})
    assert f"/alerts/{alert.id}/acknowledge" not in pages.get("/").text


def test_home_shows_one_line_a_watch_however_often_it_fired(pages: TestClient, lived: Workspace) -> None:
    watches = {(one.deployment, one.watch) for one in lived.monitors.alerts(open_only=True, limit=500)}
    assert pages.get("/").text.count("/acknowledge") == len(watches)


def test_the_prediction_page_goes_from_the_answer_to_the_rows(pages: TestClient, lived: Workspace) -> None:
    answer = lived.predictions.list("returns", 1)[0]
    page = pages.get(f"/predictions/{answer.id}").text
    assert [
        kind for kind in ("revision", "model_version", "run", "step_run", "dataset_version") if kind not in page
    ] == []
    assert "training_set" in page


def test_a_label_can_be_told_on_the_page_of_a_prediction(pages: TestClient, lived: Workspace) -> None:
    answer = lived.predictions.list("returns", 1)[0]
    pages.post(f"/predictions/{answer.id}/feedback", data={"label": "true"})
    assert lived.predictions.show(answer.id).label is True


def test_a_form_of_another_site_changes_nothing(pages: TestClient, lived: Workspace) -> None:
    answer = lived.predictions.list("returns", 2)[1]
    sent = pages.post(
        f"/predictions/{answer.id}/feedback", data={"label": "9"}, headers={"origin": "http://evil.example"}
    )
    assert sent.status_code == 403


def test_the_ledger_is_verified_on_its_page(pages: TestClient) -> None:
    assert 'class="tag ok">verified' in pages.get("/audit/verify").text


def test_the_ledger_can_be_narrowed_to_one_subject(pages: TestClient) -> None:
    rows = re.findall(r'<tr id="event-.*?</tr>', pages.get("/audit?subject=model:returns@1").text, re.DOTALL)
    assert rows
    assert all("/models/returns/1" in row for row in rows)


def test_search_finds_by_name(pages: TestClient) -> None:
    assert 'href="/models/returns"' in pages.get("/search?q=retur").text


def test_search_takes_an_id_straight_to_its_page(pages: TestClient, lived: Workspace) -> None:
    answer = lived.predictions.list("returns", 1)[0]
    assert f'href="/predictions/{answer.id}"' in pages.get(f"/search?q={answer.id}").text


def test_a_run_that_ended_ends_its_stream_at_once(pages: TestClient, lived: Workspace) -> None:
    run = lived.runs.list(1)[0]
    text = pages.get(f"/runs/{run.id}/live").text
    assert text.startswith('event: points\ndata: {"loss":')
    assert text.endswith('event: end\ndata: "succeeded"\n\n')


def test_a_run_that_runs_is_followed_until_it_ends(empty: TestClient, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as reader:
        with mulle.start_run(path=tmp_path) as run:
            mulle.log_metric("loss", 0.5, 0)
            following = reader.submit(empty.get, f"/runs/{run}/live")
            time.sleep(BEAT * 1.5)
            mulle.log_metric("loss", 0.25, 1)
            time.sleep(BEAT * 1.5)
        events = following.result().text
    assert [json.loads(data)["loss"]["values"] for data in re.findall("points\ndata: (.*)", events)] == [
        [0.5],
        [0.5, 0.25],
    ]
    assert events.endswith('event: end\ndata: "succeeded"\n\n')


def test_an_unknown_name_is_told_with_its_cure(pages: TestClient) -> None:
    answer = pages.get("/models/retruns")
    assert answer.status_code == 404
    assert "returns" in answer.text


def test_what_fails_inside_a_page_is_told_in_its_place(pages: TestClient) -> None:
    answer = pages.get("/datasets/nothing/1/profile", headers={"hx-request": "true"})
    assert (answer.status_code, "<html" in answer.text, 'role="alert"' in answer.text) == (404, False, True)


def test_the_language_of_the_query_is_remembered(pages: TestClient) -> None:
    answer = pages.get("/?lang=ko")
    assert ('<html lang="ko"' in answer.text, answer.cookies.get("lang")) == (True, "ko")
    pages.cookies.clear()


def test_the_theme_of_the_cookie_is_rendered_so_that_nothing_flashes(pages: TestClient) -> None:
    assert 'data-theme="dark"' in pages.get("/", headers={"cookie": "theme=dark"}).text


def test_an_asset_named_by_its_content_is_kept_for_ever(pages: TestClient) -> None:
    url = re.findall(r'href="(/static/mulle.css\?v=[^"]+)"', pages.get("/").text)[0]
    assert "immutable" in pages.get(url).headers["cache-control"]


def test_the_http_face_is_beside_the_pages(pages: TestClient) -> None:
    answer = pages.post("/api/v1/models.list", json={})
    assert [model["name"] for model in answer.json()] == ["returns"]


def test_the_http_face_tells_errors_as_json_beside_the_pages(pages: TestClient) -> None:
    answer = pages.post("/api/v1/models.show", json={"ref": "retruns"})
    assert (answer.status_code, sorted(answer.json())) == (404, ["cause", "cure", "error"])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (standing.IMPORTING, "프로젝트를 불러오는 중입니다"),
        (f"{standing.TURN_FAILED}: no wind", "물레의 마지막 회전이 실패했습니다: no wind"),
        ("the project does not import", "the project does not import"),
    ],
)
def test_how_the_project_stands_is_said_in_the_language(message: str, said: str, tmp_path: Path) -> None:
    project(tmp_path, days=1)
    wrong = MulleError(message, cause=standing.FORMER_GOES_ON)
    with Workspace.create(tmp_path) as workspace:
        faces = server.app(workspace, problem=lambda: wrong)
        with TestClient(faces, base_url=BASE) as client:
            page = client.get("/audit?lang=ko").text
    assert said in page
    assert "이전 버전의 회전이 아직 진행 중입니다" in page


def test_a_history_is_drawn_with_its_branches_and_tags(pages: TestClient) -> None:
    page = pages.get("/datasets/prices").text
    assert all(f">{name}</span>" in page for name in ("main", "sale", "trial", "v1.0"))
    assert page.count('<svg viewBox="0 0 3 1"') == 5
    assert "merges @2" in page
    assert pages.get("/datasets/prices", params={"at": "trial"}).text.count('<svg viewBox="0 0 1 1"') == 2


def test_a_version_is_found_by_any_of_its_names(pages: TestClient) -> None:
    for name in ("trial", "v1.0", "HEAD~1"):
        assert "price" in pages.get(f"/datasets/prices/{name}").text
    assert pages.get("/datasets/prices/none").status_code == 404


def test_a_diff_shows_cells_and_who_learned(pages: TestClient) -> None:
    page = pages.get("/datasets/prices/diff", params={"a": "1", "b": "sale", "profiles": "1"}).text
    assert '<span class="s7">1</span> → <span class="s3">0.5</span>' in page
    assert "How the values moved" in page
    assert "model:returns@1" in pages.get("/datasets/orders/diff", params={"a": "1", "b": "21"}).text


def test_files_are_compared_by_path(pages: TestClient) -> None:
    page = pages.get("/datasets/photos/diff").text
    assert "b.jpg" in page
    assert "a.jpg" not in page


def test_the_plan_of_a_pipeline_says_why(pages: TestClient) -> None:
    asked = {"params": {"strength": "0.123"}, "headers": {"accept-language": "en"}}
    told = pages.get("/pipelines/returns/plan", **asked).text  # type: ignore[arg-type]
    assert re.search(r"parameter strength: [\d.]+ → 0\.123", told)
    refused = pages.get("/pipelines/returns/plan", params={"strength": "much"})
    assert (refused.status_code, "cannot be" in refused.text) == (400, True)


def test_a_study_that_nobody_works_at_ends_its_stream_at_once(pages: TestClient) -> None:
    assert pages.get("/studies/returns/live").text == 'event: end\ndata: "idle"\n\n'


def test_a_study_answers_over_http_as_at_the_prompt(pages: TestClient, lived: Workspace) -> None:
    answer = pages.post("/api/v1/studies.show", json={"name": "returns"}).json()
    assert answer["best"]["values"] == lived.studies.best("returns").values
    assert len(pages.post("/api/v1/studies.trials", json={"name": "returns", "limit": 3}).json()) == 3


def test_the_page_of_a_pipeline_shows_its_last_sweep(tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "p"\n[run]\nexecutor = "in-process"\n')
    project = "import mulle\n\n@mulle.step\ndef half(n: int) -> float:\n    return n / 2\n\n"
    (tmp_path / "project.py").write_text(f"{project}@mulle.pipeline\ndef main(n: int = 1):\n    return half(n)\n")
    with Workspace.open(tmp_path) as ws:
        made = ws.sweep("main", {"n": [6, 9]})
        page = TestClient(server.app(ws), base_url=BASE).get("/pipelines/main").text
    assert f"mulle runs sweep {made.id}" in page
    assert all(f"/runs/{one.run}" in page for one in made.runs)
    assert "4.5" in page
