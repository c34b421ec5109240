"""Datasets over REST, against a real server."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.datasets.files import hours, make_csv
from tests.faults.harness import CutLine, Lab, wait_until

LIMIT = 2_000_000
CSV = make_csv(hours(50)).encode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server without worker and sandbox test, whose uploads may have 2 MB."""
    folder = tmp_path_factory.mktemp("datasets")
    arguments = [
        "--AlphintraLab.worker=False",
        "--AlphintraLab.sandbox_test=False",
        f"--LabConfig.upload_limit={LIMIT}",
    ]
    with Lab(folder / "home", folder / "workspace", arguments=arguments) as running:
        wait_until(lambda: len(running.json("GET", "/api/datasets")["items"]) == 7, "datasets")
        yield running


def upload(lab: Lab, content: bytes, status: int = 201, **query: str) -> dict[str, Any]:
    answer = lab.request("POST", "/api/datasets/upload", content=content, params=query)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def count_descriptors(lab: Lab) -> int:
    """Files without a name that the server holds open in its store."""
    assert lab.process is not None
    found = 0
    for entry in Path(f"/proc/{lab.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            target = str(entry.readlink())
            found += target.startswith(str(lab.home / "store")) and target.endswith("(deleted)")
    return found


def test_the_platforms_datasets_are_listed_page_by_page(lab: Lab) -> None:
    first = lab.json("GET", "/api/datasets?limit=3")
    second = lab.json("GET", f"/api/datasets?limit=100&cursor={first['next']}")
    names = [one["name"] for one in first["items"] + second["items"]]
    assert len(first["items"]) == 3
    assert {"aapl-1d", "eurusd-1h", "sp500-1d", "us-stocks-1d"} <= set(names)
    assert len(names) == len(set(names))


def test_a_file_sent_as_body_and_as_form_is_the_same_version(lab: Lab) -> None:
    body = upload(lab, CSV, name="sent", filename="btc.csv")
    assert body["dataset"]["symbols"] == ["BTC"]
    assert body["dataset"]["rows"] == 50
    assert body["dataset"]["source"] == "uploaded from btc.csv"
    assert body["dataset"]["notes"] == ["times had no zone and were read as UTC"]
    form = lab.request(
        "POST",
        "/api/datasets/upload",
        files={"file": ("some/folder/btc.csv.gz", gzip.compress(CSV), "text/csv")},
        data={"name": "sent"},
    )
    assert form.status_code == 201, form.text
    assert form.json()["dataset"]["version_id"] == body["dataset"]["version_id"]
    named = lab.request(
        "POST",
        "/api/datasets/upload",
        data={"name": "formed", "symbol": "XBT"},
        files={"file": ("btc.csv", CSV)},
    )
    assert named.json()["dataset"]["symbols"] == ["XBT"]


def test_a_dataset_is_read_changed_and_deleted(lab: Lab) -> None:
    upload(lab, CSV, name="life", symbol="BTC")
    detail = lab.json("GET", "/api/datasets/life")
    assert detail["dataset"]["score"] == 1.0
    assert detail["instruments"][0]["symbol"] == "BTC"
    assert lab.json("GET", f"/api/datasets/{detail['dataset']['id']}") == detail
    upload(lab, make_csv(hours(60)).encode(), name="life", symbol="BTC")
    versions = lab.json("GET", "/api/datasets/life/versions")["items"]
    assert [(one["number"], one["rows"]) for one in versions] == [(2, 60), (1, 50)]
    changed = lab.json("PATCH", "/api/datasets/life", {"name": "death", "description": "d"})
    assert (changed["dataset"]["name"], changed["dataset"]["description"]) == ("death", "d")
    assert lab.request("DELETE", "/api/datasets/death").status_code == 204
    missing = lab.json("GET", "/api/datasets/death", status=404)
    assert missing["code"] == "not_found"


def test_the_report_names_what_is_wrong(lab: Lab) -> None:
    text = make_csv(hours(50)).replace(",110\n", ",-110\n")
    detail = upload(lab, text.encode(), name="wrong", symbol="BTC")
    assert [(one["check"], one["rows"]) for one in detail["report"]["findings"]] == [
        ("negative_volume", [10])
    ]
    assert lab.json("POST", "/api/datasets/wrong/validate") == detail["report"]


def test_a_preview_has_rows_statistics_and_a_series(lab: Lab) -> None:
    path = "/api/datasets/eurusd-1h/preview?offset=6224&points=100&start=2017-12-29&end=2017-12-30"
    preview = lab.json("GET", path)
    assert preview["symbol"] == "EURUSD"
    assert preview["total_rows"] == 6225
    last = ["2017-12-29T21:00:00Z", 1.19984, 1.2013, 1.19931, 1.20075, 4885529785]
    assert preview["rows"] == [last]
    assert len(preview["series"]["time"]) == 22
    assert preview["series"]["close"][-1] == 1.20075
    assert preview["statistics"][0]["name"] == "time"
    stocks = lab.json("GET", "/api/datasets/us-stocks-1d/preview?symbol=MSFT&limit=1&version=1")
    assert stocks["symbol"] == "MSFT"


def test_a_download_holds_what_is_in_the_store(lab: Lab) -> None:
    answer = lab.request("GET", "/api/datasets/us-stocks-1d/download?symbols=IBM,AAPL")
    assert answer.headers["content-disposition"] == 'attachment; filename="us-stocks-1d-v1.csv"'
    frame = pd.read_csv(io.StringIO(answer.text))
    assert frame["symbol"].unique().tolist() == ["AAPL", "IBM"]
    assert len(frame) == 2 * 3270
    parquet = lab.request("GET", "/api/datasets/eurusd-1h/download?format=parquet")
    assert len(pd.read_parquet(io.BytesIO(parquet.content))) == 6225
    assert (
        upload(lab, parquet.content, name="copy")["dataset"]["sha256"]
        == (lab.json("GET", "/api/datasets/eurusd-1h")["dataset"]["sha256"])
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/api/datasets/eurusd1h", 404, "Did you mean 'eurusd-1h'"),
        ("GET", "/api/datasets?limit=0", 422, "limit"),
        ("GET", "/api/datasets/eurusd-1h/preview?symbol=EURUSX", 422, "Did you mean 'EURUSD'"),
        ("GET", "/api/datasets/eurusd-1h/preview?start=soon", 422, "start='soon'"),
        ("GET", "/api/datasets/eurusd-1h/preview?points=9", 422, "points"),
        ("GET", "/api/datasets/eurusd-1h/preview?version=7", 404, "no version 7"),
        ("GET", "/api/datasets/eurusd-1h/download?format=xls", 422, "format"),
        ("GET", "/api/datasets/eurusd-1h/download?symbols=A", 422, "no symbol 'A'"),
        ("DELETE", "/api/datasets/eurusd-1h", 409, "platform's own"),
        ("POST", "/api/datasets/none/validate", 404, "no dataset 'none'"),
    ],
)
def test_what_cannot_be_is_answered_in_words(
    lab: Lab, method: str, path: str, status: int, said: str
) -> None:
    answer = lab.json(method, path, status=status)
    assert said in answer["message"]


@pytest.mark.parametrize(
    ("content", "query", "status", "field", "said"),
    [
        (b"", {"name": "x"}, 422, "file", "empty"),
        (b"", {"name": "x", "filename": "x.csv"}, 422, "file", "empty"),
        (b"a,b\n1,2\n", {"name": "x"}, 422, "file", "columns found: a, b"),
        (CSV, {}, 422, "name", "no name"),
        (CSV, {"name": "Not A Name"}, 422, "name", "Try 'not-a-name'"),
        (CSV, {"name": "eurusd-1h"}, 409, "name", "platform's own"),
        (CSV, {"name": "x", "day_first": "maybe"}, 422, "day_first", "bool"),
        (CSV, {"name": "x", "nmae": "y"}, 422, "nmae", "no query parameter"),
        (CSV, {"name": "x", "symbol": "a b"}, 422, "symbol", "blanks"),
    ],
)
def test_a_bad_upload_names_the_field(
    lab: Lab, content: bytes, query: dict[str, str], status: int, field: str, said: str
) -> None:
    answer = upload(lab, content, status, **query)
    assert answer["field"] == field
    assert said in answer["message"]
    assert "x" not in [one["name"] for one in lab.json("GET", "/api/datasets")["items"]]
    assert count_descriptors(lab) == 0, "its temporary file is gone"


def test_an_ambiguous_date_is_asked_about_and_the_answer_taken(lab: Lab) -> None:
    text = b"date,close\n03/04/2017,1\n04/04/2017,2\n"
    assert upload(lab, text, 422, name="asked")["field"] == "day_first"
    detail = upload(lab, text, name="asked", symbol="A", day_first="true")
    assert detail["dataset"]["start"] == "2017-04-03T00:00:00Z"


def test_a_form_without_a_file_or_cut_short_is_refused(lab: Lab) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    whole = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n'
    for content, status in ((whole, 422), (whole[:-8], 422), (b"no form at all", 400)):
        answer = lab.request("POST", "/api/datasets/upload", content=content, headers=headers)
        assert answer.status_code == status, answer.text
    answer = lab.request(
        *("POST", "/api/datasets/upload"),
        content=whole,
        headers={"Content-Type": "multipart/form-data"},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("length", ["known", "unknown", "form"])
def test_an_upload_over_the_limit_is_told_the_limit(lab: Lab, length: str) -> None:
    content = b"x" * (LIMIT + 200_000)
    if length == "form":
        answer = lab.request(
            "POST", "/api/datasets/upload", files={"file": content}, data={"name": "big"}
        )
    else:
        pieces = [content[n : n + 65536] for n in range(0, len(content), 65536)]
        sent = content if length == "known" else iter(pieces)
        answer = lab.request("POST", "/api/datasets/upload?name=big", content=sent)
    assert answer.status_code == 413, answer.text
    assert "2.0 MB" in answer.json()["message"]
    assert answer.json()["field"] == "file"
    wait_until(lambda: count_descriptors(lab) == 0, "the temporary file is gone")


def open_upload(lab: Lab, headers: dict[str, str]) -> socket.socket:
    """A connection on which an upload has begun: the head is sent, the body is the caller's."""
    head = f"POST /api/datasets/upload?name=slow HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head += f"Authorization: token {lab.token}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", lab.port), timeout=20)
    connection.sendall(head.encode())
    return connection


def test_an_upload_over_the_limit_is_refused_before_its_body_is_sent(lab: Lab) -> None:
    with open_upload(lab, {"Content-Length": str(10**12)}) as connection:
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413")
    with open_upload(lab, {"Content-Length": str(10**12), "Expect": "100-continue"}) as connection:
        answer = connection.recv(65536).decode()
        assert answer.startswith("HTTP/1.1 413")
        assert json.loads(answer.partition("\r\n\r\n")[2])["code"] == "too_large"
        assert connection.recv(1) == b"", "and the line is closed"


def test_a_refused_sender_that_goes_on_sending_is_cut_off_at_last(lab: Lab) -> None:
    with open_upload(lab, {"Content-Length": str(10**12)}) as connection:
        sent = 0
        with pytest.raises(OSError):  # reset or broken pipe, as it comes
            while sent < 1 << 30:
                sent += connection.send(b"x" * 65536)
    assert sent < 256 << 20


def test_an_upload_that_is_cut_leaves_nothing(lab: Lab) -> None:
    with open_upload(lab, {"Content-Length": str(LIMIT)}) as connection:
        connection.sendall(CSV + b"x" * 1_500_000)
        wait_until(lambda: count_descriptors(lab) == 1, "the upload has begun")
    wait_until(lambda: count_descriptors(lab) == 0, "its temporary file is gone")
    assert "slow" not in [one["name"] for one in lab.json("GET", "/api/datasets")["items"]]


def test_a_download_that_is_cut_leaves_nothing(lab: Lab) -> None:
    with CutLine(lab.port) as line:
        head = (
            f"GET /api/datasets/us-stocks-1d/download HTTP/1.1\r\nHost: 127.0.0.1:{line.port}\r\n"
        )
        head += f"Authorization: token {lab.token}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", line.port), timeout=20) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    wait_until(lambda: count_descriptors(lab) == 0, "its temporary file is gone")


def test_who_is_not_known_may_not_upload(lab: Lab) -> None:
    answer = lab.request(
        "POST", "/api/datasets/upload?name=x", content=CSV, headers={"Authorization": "token no"}
    )
    assert answer.status_code == 403
    assert count_descriptors(lab) == 0


def test_the_server_answers_while_a_large_file_is_read(lab: Lab) -> None:
    rows = make_csv([str(1_500_000_000 + 60 * n) for n in range(60_000)]).encode()
    assert len(rows) < LIMIT
    upload_line = open_upload(lab, {"Content-Length": str(len(rows))})
    with upload_line as connection:
        connection.sendall(rows)
        slowest = 0.0
        connection.setblocking(False)
        for _ in range(20):
            start = time.monotonic()
            lab.request("GET", "/health")
            slowest = max(slowest, time.monotonic() - start)
        connection.settimeout(30)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
    assert slowest < 1.0


def test_no_error_was_the_labs_own(lab: Lab) -> None:
    """Last, over all that was asked above."""
    assert "Traceback" not in lab.read_log()
    assert "Uncaught exception" not in lab.read_log()
