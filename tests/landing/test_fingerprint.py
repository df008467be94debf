"""Fingerprints are keyed, and the key lies outside the lakehouse folder with mode 0600."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.secret import secret_of_user
from tests.conftest import already_run


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("STEDI_SECRET")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "stedi" / "secret"


def test_the_secret_is_made_once_and_is_the_users_alone(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    first = Fingerprinter.of_user().of_file(tmp_path / "file")
    assert config.stat().st_mode & 0o777 == 0o600
    assert Fingerprinter.of_user().of_file(tmp_path / "file") == first
    assert list(config.parent.iterdir()) == [config]


def test_a_secret_that_others_can_read_is_refused(config: Path) -> None:
    Fingerprinter.of_user()
    config.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        Fingerprinter.of_user()


def test_the_same_bytes_have_another_fingerprint_under_another_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert Fingerprinter(b"a").of_file(tmp_path / "file") != Fingerprinter(b"b").of_file(
        tmp_path / "file"
    )


@already_run
def test_verifying_with_another_secret_says_so(
    small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEDI_SECRET", "another, of at least thirty-two bytes")
    assert small_lakehouse.status().ok
    problems = small_lakehouse.status(verify=True).problems
    assert problems
    assert all("STEDI_SECRET" in problem for problem in problems)


@already_run
def test_the_secret_is_nowhere_in_the_lakehouse_folder(small_lakehouse: Lakehouse) -> None:
    secret = os.environ["STEDI_SECRET"].encode()
    assert not [
        p for p in small_lakehouse.root.rglob("*") if p.is_file() and secret in p.read_bytes()
    ]


@pytest.mark.parametrize("secret", ["x", "a" * 31, "short", "a" * 64, "abc" * 40, "é" * 15])
def test_a_secret_that_can_be_guessed_is_refused(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("STEDI_SECRET", secret)
    with pytest.raises(UsageError, match="STEDI_SECRET") as caught:
        Fingerprinter.of_user()
    assert secret.strip() not in str(caught.value) or secret == "x"


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n", b"\0" * 64, b"0" * 63])
def test_a_stored_secret_that_was_cut_or_emptied_is_refused(config: Path, content: bytes) -> None:
    Fingerprinter.of_user()
    config.write_bytes(content)
    with pytest.raises(UsageError, match="backup"):
        Fingerprinter.of_user()
    config.unlink()
    assert Fingerprinter.of_user()


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{}\r\n", "{} \n\n"])
def test_white_space_around_a_secret_is_no_part_of_it_wherever_it_comes_from(
    config: Path, monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    secret = b"a secret of thirty-two bytes or more"
    config.parent.mkdir(parents=True)
    config.write_text(around.format(secret.decode()))
    config.chmod(0o600)
    assert secret_of_user() == secret
    monkeypatch.setenv("STEDI_SECRET", around.format(secret.decode()))
    assert secret_of_user() == secret


@pytest.mark.parametrize("secret", ["", " ", "\n", " \t\r\n "])
def test_a_secret_that_is_set_and_empty_is_none_and_no_other_takes_its_place(
    config: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """A scheduler that lacks the value sets an empty one: a new secret would read all again."""
    monkeypatch.setenv("STEDI_SECRET", secret)
    with pytest.raises(UsageError, match="set, and empty"):
        secret_of_user()
    assert not config.exists()


def test_the_name_of_a_stored_secret_is_never_taken_for_the_secret(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (" arn:aws:s3:::bucket-of-a-long-name", "ARN:AWS:S3:::BUCKET-OF-A-LONG-NAME\n"):
        monkeypatch.setenv("STEDI_SECRET", name)
        with pytest.raises(UsageError, match="not the ARN of a secret"):
            secret_of_user()


def test_a_secret_of_bytes_that_are_no_text_is_one(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = bytes(range(200, 240))
    monkeypatch.setenv("STEDI_SECRET", os.fsdecode(secret))
    assert secret_of_user() == secret
