"""Files in object stores and on web servers, as sources."""

from __future__ import annotations

import gzip
import json
import sys

import pytest
from servers import SECRET

import assay
from assay.errors import RecipeError, SourceError, StorageError
from assay.objects import Store
from assay.sources import web

pytestmark = pytest.mark.usefixtures("planted")


def lines(start: int, stop: int) -> bytes:
    return b"".join(b'{"n": %d, "text": "text %d"}\n' % (n, n) for n in range(start, stop))


@pytest.fixture
def build(tmp_path):
    def built(source, **recipe):
        whole = {"name": "shop", "source": source, **recipe}
        return assay.build(whole, out=tmp_path / "versions", workers=1)

    return built


@pytest.fixture
def filled(bucket):
    """A bucket with five files, one of them packed, one hidden, one of no data."""
    store = Store(bucket)
    store.write("raw/a.jsonl", lines(0, 10))
    store.write("raw/b.jsonl.gz", gzip.compress(lines(10, 30)))
    store.write("raw/deep/c.jsonl", lines(30, 60))
    store.write("raw/_hidden.jsonl", lines(60, 100))
    store.write("raw/notes.md", b"# nothing to read")
    return bucket


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("raw/a.jsonl", 10),
        ("raw", 60),
        ("raw/", 60),
        ("raw/*.jsonl", 50),
        ("raw/**/*.jsonl*", 100),
        ("raw/[ab].*", 30),
    ],
)
def test_objects_patterns_and_folders_are_read_like_files(filled, what, rows, tmp_path):
    recipe = {"name": "t", "source": f"{filled}/{what}"}
    assert assay.check(f"{filled}/{what}", recipe).rows == rows


def test_what_has_not_changed_is_not_fetched_again(filled, build, monkeypatch):
    fetched = []
    plain = Store.fetch
    monkeypatch.setattr(
        Store, "fetch", lambda self, one, to: fetched.append(one.key) or plain(self, one, to)
    )
    first = build(f"{filled}/raw")
    assert sorted(fetched) == ["raw/a.jsonl", "raw/b.jsonl.gz", "raw/deep/c.jsonl"]
    fetched.clear()
    assert build(f"{filled}/raw").reused
    assert fetched == []
    Store(filled).write("raw/a.jsonl", lines(0, 11))
    assert build(f"{filled}/raw").rows["read"] == 61
    assert fetched == ["raw/a.jsonl"]
    assert [one["name"] for one in first.manifest["sources"]].count("a.jsonl") == 1


def test_a_version_of_a_place_has_the_hash_of_one_of_local_files(filled, build, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines(0, 10))
    local = assay.build(
        {"name": "shop", "source": str(tmp_path / "a.jsonl")}, out=tmp_path / "o", workers=1
    )
    assert build(f"{filled}/raw/a.jsonl").manifest["hash"] == local.manifest["hash"]


def test_a_large_object_comes_in_pieces_of_one_state(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("assay.objects._PIECE", 1000)
    store = Store(bucket)
    body = lines(0, 500)
    store.write("big.jsonl", body)
    (one,) = store.list()
    store.fetch(one, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == body
    store.write("big.jsonl", body[::-1])
    with pytest.raises(assay.errors.StorageError, match="changed while it was read"):
        store.fetch(one, tmp_path / "copy")


def test_what_a_store_refuses_is_one_error(filled, build, monkeypatch):
    def refused(source):
        with pytest.raises(SourceError) as caught:
            build(source)
        assert SECRET not in str(caught.value)
        return str(caught.value)

    assert "did you mean 'raw/a.jsonl'?" in refused(f"{filled}/raw/a.json")
    assert "No object matches" in refused(f"{filled}/raw/*.tsv")
    assert "no such bucket" in refused("s3://nobody-has-this-bucket/x.csv")
    assert "by a query" in refused("postgresql://localhost/shop")
    monkeypatch.setenv("LAKE", filled)
    assert "No object matches" in refused("${LAKE}/*.tsv")
    assert "no LAKE_URL" in refused("${LAKE_URL}/*.tsv")


def test_keys_and_endpoint_may_stand_in_the_home_folder(filled, monkeypatch, tmp_path):
    import os

    home = tmp_path / "home-of-somebody" / ".aws"
    home.mkdir(parents=True)
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    (home / "credentials").write_text("[work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (home / "config").write_text(f"[profile work]\nregion = us-east-1\nendpoint_url = {endpoint}\n")
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert len(Store(filled).list("raw")) == 5


@pytest.fixture
def at_home(filled, monkeypatch, tmp_path):
    """A home folder of its own with AWS settings, and no keys in the environment."""
    home = tmp_path / "home" / ".aws"
    home.mkdir(parents=True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home.parent))

    def settings(text, profile="work"):
        (home / "config").write_text(text)
        monkeypatch.setenv("AWS_PROFILE", profile)
        return Store(filled)

    return settings


def test_a_profile_without_keys_is_followed_by_amazons_own_library(at_home, tmp_path):
    pytest.importorskip("boto3")
    answer = {"Version": 1, "AccessKeyId": "AKIAOTHER", "SecretAccessKey": "b",
              "SessionToken": "t"}  # fmt: skip
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    store = at_home(f"[profile work]\ncredential_process = cat {tmp_path}/answer.json\n")
    assert len(store.list("raw")) == 5


@pytest.mark.parametrize(
    ("settings", "profile", "what", "hint"),
    [
        ("[profile other]\n", "work", "names the profile 'work'", None),
        ("[profile work]\ncredential_process = false\n", "work", "gives no credentials", "SSO"),
        (
            "[profile work]\nsso_start_url = https://a.example\nsso_region = us-east-1\n"
            "sso_account_id = 1\nsso_role_name = r\n",
            "work", "gives no credentials", "aws sso login --profile work",
        ),
    ],
)  # fmt: skip
def test_a_profile_that_gives_no_credentials_says_what_to_do(
    at_home, settings, profile, what, hint
):
    pytest.importorskip("boto3")
    with pytest.raises(StorageError, match=what) as caught:
        at_home(settings, profile).list("raw")
    assert (hint or "") in str(caught.value.hint or "")
    assert SECRET not in str(caught.value)


def test_without_amazons_library_a_profile_without_keys_names_two_ways(at_home, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StorageError, match="needs Amazon's own library") as caught:
        at_home("[profile work]\nrole_arn = arn:aws:iam::1:role/r\n").list("raw")
    assert "pip install boto3" in str(caught.value.hint)
    assert "export-credentials --profile work" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "ExpiredToken", "have expired"),
        (403, "InvalidAccessKeyId", "does not know this access key"),
        (403, "SignatureDoesNotMatch", "secret key does not fit"),
        (403, "RequestTimeTooSkewed", "clock of this machine"),
        (403, "AccessDenied", "may not do this here"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_credentials(site, monkeypatch, status, code, said):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKEEPER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.address)

    def refuse(handler):
        body = f"<Error><Code>{code}</Code><Message>no {SECRET}</Message></Error>".encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    site.answer = refuse
    with pytest.raises(StorageError) as caught:
        Store("s3://box").list()
    assert said in str(caught.value) and caught.value.hint
    assert SECRET not in str(caught.value)


def test_a_store_that_answers_500_now_and_then_is_asked_again(site, build, monkeypatch):
    """A store of our own, since moto never fails: one object, and a listing of it."""
    body, failures = lines(0, 40), {"GET": 2, "LIST": 2}

    def answer(handler):
        listing = "list-type" in handler.path
        kind = "LIST" if listing else "GET"
        if failures[kind]:
            failures[kind] -= 1
            handler.send_error(500 if failures[kind] else 503)
            return True
        said = body
        if listing:
            said = (
                b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents>'
                b"<Key>a.jsonl</Key><Size>%d</Size><ETag>&quot;x&quot;</ETag>"
                b"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                b"</ListBucketResult>" % len(body)
            )
        handler.send_response(200 if listing else 206)
        handler.send_header("Content-Length", str(len(said)))
        handler.send_header("Content-Range", f"bytes 0-{len(said) - 1}/{len(said)}")
        handler.send_header("ETag", '"x"')
        handler.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        handler.end_headers()
        handler.wfile.write(said)
        return True

    pytest.importorskip("obstore")
    site.answer = answer
    monkeypatch.setattr("assay.objects.FIRST_WAIT", 0.01)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.address)
    assert build("s3://bucket/a.jsonl").rows["read"] == 40
    assert failures == {"GET": 0, "LIST": 0}
    failures["LIST"] = 1000
    with pytest.raises(SourceError, match=r"500.*asked again with growing pauses"):
        build("s3://bucket/a.jsonl")


def test_a_file_on_the_web_is_fetched_once(site, build):
    site.files["/data/a.jsonl"] = lines(0, 20)
    version = build(f"{site.address}/data/a.jsonl?X-Amz-Signature={SECRET}&page=1")
    assert version.rows["read"] == 20
    (source,) = version.manifest["sources"]
    assert source["name"] == "a.jsonl"
    assert source["at"].startswith("ETag")
    assert version.manifest["recipe"]["source"] == f"{site.address}/data/a.jsonl?page=1"
    assert build(f"{site.address}/data/a.jsonl?page=1").reused
    assert [how for how, _, _ in site.asked].count("GET") == 1
    site.files["/data/a.jsonl"] = lines(0, 21)
    assert build(f"{site.address}/data/a.jsonl?page=1").rows["read"] == 21


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("tags", [True, False])
def test_a_line_that_breaks_is_taken_up_again(site, tmp_path, monkeypatch, ranges, tags):
    monkeypatch.setattr(web, "FIRST_WAIT", 0.001)
    body = lines(0, 2000)
    site.files["/a.jsonl"], site.tags, site.ranges = body, tags, ranges
    site.troubles = [("status", 503), ("cut", 1000), ("status", 500), ("cut", 5000)]
    path, _ = web.download(f"{site.address}/a.jsonl", tmp_path)
    assert path.read_bytes() == body
    assert (tmp_path / path.name).exists()
    assert not list(tmp_path.glob(".*"))


def test_a_server_that_always_breaks_gives_one_error(site, build, monkeypatch):
    monkeypatch.setattr(web, "FIRST_WAIT", 0.001)
    site.files["/a.jsonl"] = lines(0, 20)
    site.troubles = [("status", 500)] * 50
    user = f"http://someone:{SECRET}@{site.address.removeprefix('http://')}/a.jsonl"
    with pytest.raises(SourceError, match="after 6 tries: 500") as caught:
        build(user)
    assert SECRET not in str(caught.value)
    site.troubles = []
    with pytest.raises(SourceError, match="does not give this file: 404"):
        build(f"{site.address}/nothing.jsonl")


def test_user_and_password_are_said_to_that_server_only(site, build, monkeypatch, tmp_path):
    import base64

    site.files["/a.jsonl"] = lines(0, 20)
    build(f"http://someone:{SECRET}@{site.address.removeprefix('http://')}/a.jsonl")
    said = base64.b64encode(f"someone:{SECRET}".encode()).decode()
    assert all(headers.get("Authorization") == f"Basic {said}" for _, _, headers in site.asked)

    elsewhere = site.address.replace("127.0.0.1", "localhost")

    def answer(handler):
        if handler.path != "/moved.jsonl":
            return False
        handler.send_response(302)
        handler.send_header("Location", f"{elsewhere}/a.jsonl")
        handler.end_headers()
        return True

    site.answer = answer
    site.asked.clear()
    build(f"http://someone:{SECRET}@{site.address.removeprefix('http://')}/moved.jsonl")
    assert {path: "Authorization" in headers for _, path, headers in site.asked} == {
        "/moved.jsonl": True,
        "/a.jsonl": False,
    }


def test_a_recipe_is_not_begun_with_a_password_in_it(site, tmp_path, monkeypatch):
    site.files["/a.jsonl"] = lines(0, 50)
    open_to_all = f"{site.address}/a.jsonl"
    closed = f"http://x:{SECRET}@{site.address.removeprefix('http://')}/a.jsonl"
    with pytest.raises(SourceError, match="no place for one"):
        assay.init(closed, out=tmp_path / "assay.yaml")
    monkeypatch.setenv("PLACE", closed)
    assay.init("${PLACE}", target="n", out=tmp_path / "assay.yaml")
    assert "${PLACE}" in (tmp_path / "assay.yaml").read_text()
    version = assay.build(tmp_path / "assay.yaml", out=tmp_path / "versions", workers=1)
    assert version.rows["read"] == 50
    assert open_to_all not in (tmp_path / "assay.yaml").read_text()


def test_urls_stand_in_recipes_unexpanded(site, tmp_path, monkeypatch):
    site.files["/a.jsonl"] = lines(0, 20)
    monkeypatch.setenv("SITE", f"http://x:{SECRET}@{site.address.removeprefix('http://')}")
    recipe = tmp_path / "assay.yaml"
    recipe.write_text("name: t\nsource: ['${SITE}/a.jsonl']\n")
    version = assay.build(recipe, out=tmp_path / "versions", workers=1)
    assert version.manifest["recipe"]["source"] == ["${SITE}/a.jsonl"]
    recipe.write_text("name: t\nsource: {sqll: x}\n")
    with pytest.raises(RecipeError, match=r"names a place[\s\S]*did you mean 'sql'"):
        assay.build(recipe, out=tmp_path / "versions")
