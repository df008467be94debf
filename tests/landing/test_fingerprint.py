"""Fingerprints are keyed, and the key lies outside the root with mode 0600."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from stedi.landing.fingerprint import Fingerprinter
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
def test_the_secret_is_nowhere_below_the_root(small_lakehouse: Lakehouse) -> None:
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
