"""What runs do in processes of their own, to be stopped or refused something there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stedi import Lakehouse, StediError
from stedi.landing.secret import known_secrets, secrets_of_user
from stedi.privacy.private import noise
from stedi.roots.local.files import LocalFiles
from stedi.run import retain
from stedi.science import private_release
from stedi.storage.warehouse import Warehouse


def run_and_stop(root: str, declarations: str, step: int) -> None:
    """Run; the process stops itself before its commit number `step`, and holds the lock."""
    commit, steps = Warehouse.commit, iter(range(100))

    def stopping(self: Warehouse, *args: object, **options: object) -> object:
        if next(steps) == step:
            print("stopped", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return commit(self, *args, **options)  # type: ignore[arg-type]

    Warehouse.commit = stopping  # type: ignore[method-assign, assignment]
    Lakehouse(root, declarations=declarations).run()
    print("done", flush=True)


def run_as_nobody(warm: str, root: str, declarations: str) -> None:
    """Run as somebody who may not write wherever they like; prints what is wrong."""
    Lakehouse(
        warm, declarations=declarations
    ).run()  # all is imported: nobody may not read Python's
    if os.geteuid() == 0:  # who may write anywhere
        os.setgid(65534)
        os.setuid(65534)
    try:
        Lakehouse(root, declarations=declarations).run()
    except StediError as error:
        print(error, flush=True)


def release_and_die(root: str, declarations: str, folder: str, at: int) -> None:
    """Release; the process is killed before or after it puts a file or a folder in its place."""
    steps = iter(range(100))

    def dying(done: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any) -> Any:
            for is_done in (False, True):
                if next(steps) == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                if not is_done:
                    result = done(*arguments)
            return result

        return do

    LocalFiles.add = dying(LocalFiles.add)  # type: ignore[method-assign]
    Path.replace = dying(Path.replace)  # type: ignore[method-assign]
    Lakehouse(root, declarations=declarations).release(folder)


def release_privately_and_die(root: str, declarations: str, folder: str, at: int) -> None:
    """Release privately; the process is killed before or after a step that can be seen."""
    steps = iter(range(100))

    def dying(done: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = done(*arguments, **options)
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return do

    LocalFiles.add = dying(LocalFiles.add)  # type: ignore[method-assign]
    Path.replace = dying(Path.replace)  # type: ignore[method-assign]
    Warehouse.commit = dying(Warehouse.commit)  # type: ignore[method-assign]
    vars(private_release)["with_noise"] = dying(noise.with_noise)
    Lakehouse(root, declarations=declarations).release_private(folder)


def run_and_die(root: str, declarations: str, now: int, at: int) -> None:
    """Run at a time (epoch ms); the process is killed before or after it replaces a file."""
    steps = iter(range(1000))

    def dying(done: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = done(*arguments, **options)
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return do

    vars(retain)["epoch_ms"] = lambda: now
    LocalFiles.replace = dying(LocalFiles.replace)  # type: ignore[method-assign]
    LocalFiles.remove = dying(LocalFiles.remove)  # type: ignore[method-assign]
    Warehouse.commit = dying(Warehouse.commit)  # type: ignore[method-assign]
    Warehouse.expire = dying(Warehouse.expire)  # type: ignore[method-assign]
    Lakehouse(root, declarations=declarations).run()


def command_and_die(arguments: list[str], at: int) -> None:
    """Run a command; the process is killed before or after an event of its files, number `at`."""
    from stedi.cli.commands import app

    steps = iter(range(10_000))

    def dying(done: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = done(*arguments, **options)
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return do

    for owner, name in (
        *((LocalFiles, name) for name in ("add", "replace", "remove", "publish")),
        *(
            (Path, name)
            for name in ("replace", "mkdir", "write_text", "write_bytes", "hardlink_to")
        ),
        (Warehouse, "commit"),
    ):
        setattr(owner, name, dying(getattr(owner, name)))
    app(arguments, standalone_mode=False)
    print(f"{next(steps)} events", flush=True)


def command_as_nobody(warm: str, declarations: str, commands: list[list[str]]) -> None:
    """Run commands as somebody who may read only what they may; prints how each ended."""
    Lakehouse(warm, declarations=declarations).run()  # all is imported
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    for command in commands:
        lakehouse = Lakehouse(command[1], declarations=declarations)
        try:
            problems = lakehouse.status().problems if command[0] == "status" else None
            if command[0] == "run":
                lakehouse.run()
            elif command[0] == "verify":
                problems = lakehouse.status(verify=True).problems
            elif command[0] == "explain":
                lakehouse.explain("customer_trusted")
            elif command[0] == "export":
                lakehouse.export_duckdb(Path(command[1]).parent / "free" / "export.duckdb")
            elif command[0] == "query":
                lakehouse.query("SELECT COUNT(*) FROM customer_trusted").to_arrow()
            print(command[0], "done", problems or "", flush=True)
        except StediError as error:
            print(command[0], error.exit_status, error, flush=True)


def secret_as_nobody(place: str) -> None:
    """Ask for the secret as somebody who may not read everything; prints what is said."""
    folder = Path(place).parent
    if os.geteuid() == 0 and not folder.stat().st_mode & 0o700:
        for path in folder.parents:
            if "pytest" in str(path):
                path.chmod(0o755)
        os.setgid(65534)
        os.setuid(65534)
    try:
        secrets_of_user()
    except StediError as error:
        print(type(error).__name__, error, flush=True)
    print("known:", len(known_secrets()), flush=True)


def rotate_and_die(root: str, at: int) -> None:
    """Make a new secret; the process is killed before or after it puts or removes a file."""
    steps = iter(range(100))

    def dying(done: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = done(*arguments, **options)
            if next(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return do

    Path.replace = dying(Path.replace)  # type: ignore[method-assign]
    Path.unlink = dying(Path.unlink)  # type: ignore[method-assign]
    LocalFiles.add = dying(LocalFiles.add)  # type: ignore[method-assign]
    Lakehouse(root).rotate_secret()
