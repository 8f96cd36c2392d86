from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from tests.data.sources.webserver import Site, cuts, says, serving, sleeps

import mulle
import mulle.http.app  # the package of that name, which must not hide the source
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.errors import DataError, ProjectError


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        made.content = b"a,b\n1,x\n2,y\n"
        yield made


def rows(data: DataService) -> list[Any]:
    return data.read("rows").rows()


def test_what_a_url_gives_is_fetched_once_until_it_changes(collect: Any, data: DataService, site: Site) -> None:
    source = mulle.http(f"{site.url}/x.csv")
    assert (collect(source), collect(source)) == ([2], [])
    assert site.asked("if-none-match")[1] == site.etag
    site.content = b"a,b\n7,z\n"
    assert (collect(source), collect(source)) == ([1], [])
    assert rows(data) == [(7, "z")]


def test_a_file_that_grew_gives_the_new_lines(collect: Any, data: DataService, site: Site) -> None:
    source = mulle.http(f"{site.url}/x.csv", changed="error")
    collect(source)
    site.content += b"3,z\n"
    assert collect(source) == [3]
    assert data.head("rows").number == 2


def test_a_change_may_be_an_error(collect: Any, site: Site) -> None:
    source = mulle.http(f"{site.url}/x.csv", changed="error")
    collect(source)
    site.content = b"a,b\n7,z\n"
    with pytest.raises(DataError, match="has changed since it was taken"):
        collect(source)


def test_without_validators_equal_content_is_no_new_version(collect: Any, site: Site) -> None:
    site.tags = False
    source = mulle.http(f"{site.url}/x.csv")
    assert (collect(source), collect(source)) == ([2], [])


def test_a_date_is_asked_with_where_there_is_no_tag(collect: Any, site: Site) -> None:
    site.tags, site.dates = False, True
    collect(mulle.http(f"{site.url}/x.csv"))
    site.troubles = [says(304)]
    assert collect(mulle.http(f"{site.url}/x.csv")) == []
    assert site.asked("if-modified-since")[1] == "Mon, 01 Jan 2024 00:00:00 GMT"


def test_a_cut_download_goes_on_where_it_stood(collect: Any, data: DataService, site: Site) -> None:
    site.content = pl.DataFrame({"a": range(50_000)}).write_csv().encode()
    site.troubles = [cuts(100_000), cuts(150_000)]
    collect(mulle.http(f"{site.url}/x.csv"))
    assert data.read("rows")["a"].sum() == sum(range(50_000))
    asked = [int((each or "bytes=0-").removeprefix("bytes=").rstrip("-")) for each in site.asked("range")]
    assert asked[0] == 0 < asked[1] <= 100_000 < asked[2] <= 150_000


def test_a_later_collection_resumes_too(collect: Any, data: DataService, site: Site) -> None:
    site.content = pl.DataFrame({"a": range(50_000)}).write_csv().encode()
    site.troubles = [cuts(100_000)]
    with pytest.raises(DataError, match="cannot be reached"):
        collect(mulle.http(f"{site.url}/x.csv", retries=0))
    collect(mulle.http(f"{site.url}/x.csv", retries=0))
    assert site.asked("range")[1] is not None
    assert data.head("rows").rows == 50_000


def test_content_that_changed_during_a_cut_is_fetched_from_its_beginning(
    collect: Any, data: DataService, site: Site
) -> None:
    site.content = pl.DataFrame({"a": range(50_000)}).write_csv().encode()
    site.troubles = [cuts(100_000)]
    with pytest.raises(DataError):
        collect(mulle.http(f"{site.url}/x.csv", retries=0))
    site.content = pl.DataFrame({"a": range(50_000, 0, -1)}).write_csv().encode()
    collect(mulle.http(f"{site.url}/x.csv", retries=0))
    assert data.read("rows")["a"].to_list() == list(range(50_000, 0, -1))


def test_errors_that_may_pass_are_tried_again_with_longer_waits(
    collect: Any, data: DataService, site: Site, clock: VirtualClock
) -> None:
    site.troubles = [says(503), says(429, Retry_After="7"), says(500)]
    before = clock.now()
    assert collect(mulle.http(f"{site.url}/x.csv")) == [2]
    waited = (clock.now() - before).total_seconds() - 3600
    assert waited == 0.5 + 7 + 2


def test_what_does_not_pass_is_told(collect: Any, site: Site) -> None:
    site.troubles = [says(503)] * 3
    with pytest.raises(DataError, match="answers 503") as caught:
        collect(mulle.http(f"{site.url}/x.csv", retries=2))
    assert caught.value.cause == "it was asked 3 times"


@pytest.mark.parametrize(("code", "cure"), [(404, "mend the URL"), (401, "credentials"), (403, "credentials")])
def test_a_refusal_is_told_at_once_with_its_cure(collect: Any, site: Site, code: int, cure: str) -> None:
    site.troubles = [says(code)]
    with pytest.raises(DataError, match=f"answers {code}") as caught:
        collect(mulle.http(f"{site.url}/x.csv"))
    assert cure in (caught.value.cure or "")
    assert len(site.seen) == 1


def test_a_server_that_is_silent_is_not_waited_for(collect: Any, site: Site) -> None:
    site.troubles = [sleeps(0.5)]
    with pytest.raises(DataError, match="cannot be reached") as caught:
        collect(mulle.http(f"{site.url}/x.csv", timeout="100ms", retries=0))
    assert caught.value.cause == "no answer within 0.1 s"


def test_a_server_that_is_not_there(collect: Any) -> None:
    with serving() as site:
        url = site.url
    with pytest.raises(DataError, match="cannot be reached"):
        collect(mulle.http(f"{url}/x.csv", retries=1))


def test_credentials_do_not_follow_to_another_host(
    collect: Any, data: DataService, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "t0p")
    source = mulle.http(f"{site.url}/x.csv", headers={"authorization": "Bearer ${TOKEN}"})
    with serving() as other:
        other.content = b"a,b\n9,z\n"
        site.troubles = [says(302, Location="/y.csv"), says(302, Location=f"{other.url}/z.csv")]
        collect(source)
        assert site.asked("authorization") == ["Bearer t0p", "Bearer t0p"]
        assert other.asked("authorization") == [None]
    assert rows(data) == [(9, "z")]


def test_a_redirect_to_a_file_is_refused(collect: Any, site: Site) -> None:
    site.troubles = [says(302, Location="file:///etc/passwd")]
    with pytest.raises(DataError, match="answers 302"):
        collect(mulle.http(f"{site.url}/x.csv"))


def test_a_redirect_in_a_circle_ends(collect: Any, site: Site) -> None:
    site.troubles = [says(302, Location="/x.csv")] * 50
    with pytest.raises(DataError, match="answers 302"):
        collect(mulle.http(f"{site.url}/x.csv"))


def test_the_type_says_the_format_where_the_name_does_not(collect: Any, data: DataService, site: Site) -> None:
    site.kind, site.content = "application/x-ndjson", b'{"a":1}\n'
    collect(mulle.http(f"{site.url}/export?id=7"))
    assert rows(data) == [(1,)]


def test_a_format_that_nothing_says_has_to_be_said(collect: Any, data: DataService, site: Site) -> None:
    site.kind = "application/octet-stream"
    with pytest.raises(DataError, match="neither its name nor its type"):
        collect(mulle.http(f"{site.url}/export"))
    assert collect(mulle.http(f"{site.url}/export", format="csv")) == [2]


def test_parquet_over_http(collect: Any, data: DataService, site: Site, tmp_path: Any) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "x.parquet")
    site.content = (tmp_path / "x.parquet").read_bytes()
    collect(mulle.http(f"{site.url}/x.parquet"))
    assert rows(data) == [(1,), (2,)]


def test_secrets_of_a_url_are_not_shown(collect: Any, data: DataService, site: Site) -> None:
    url = site.url.replace("://", "://me:hush@") + "/x.csv?token=hush&page=1"
    with pytest.raises(DataError) as caught:
        collect(mulle.http(url.replace("/x.csv", "/x.csv"), retries=0, timeout="1s", format="parquet"))
    assert "hush" not in str(caught.value)


def test_another_scheme_is_no_url_to_fetch() -> None:
    with pytest.raises(ProjectError, match="no URL that can be fetched"):
        mulle.http("ftp://x/y.csv")
    assert mulle.http.app is not None  # type: ignore[attr-defined]
