"""As much of the AWS command line as docs/aws.md uses, over boto3: the stand-in has no other.

A service, an operation and its options, by the SDK's own description of them; `aws s3 cp`; and
`aws cloudformation deploy`, which applies the template (tests/infra/applied.py). An option that the
operation doesn't take is an error.

    python -m tests.support.awscli s3api list-buckets --query Buckets[].Name --output text
"""

from __future__ import annotations

import json
import os
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]
import jmespath  # type: ignore[import-untyped, unused-ignore]

from tests.infra.applied import Stack

OF_THE_COMMAND_LINE = ("query", "output")
RENAMED = {"notification-endpoint": "endpoint"}
"""Options that the command line calls otherwise than the operation does."""
REGION = "AWS_REGION"
STACKS = "STACKS"
"""The environment variable with a file for the names of stacks that were deployed."""


def main(words: list[str]) -> None:
    match words:
        case ["s3", "cp", *rest]:
            copy(rest)
        case ["cloudformation", "deploy", *rest]:
            deploy(rest)
        case [service, verb, *rest]:
            call(service, verb, rest)
        case _:
            raise SystemExit(f"aws {words}: not understood")


def options(words: list[str]) -> dict[str, list[str]]:
    """Options with the words behind each."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            assert name not in found or name in ("exclude", "include"), f"--{name} twice"
            found.setdefault(name, [])
        else:
            found.setdefault(name, []).append(word)
    return found


def call(service: str, verb: str, words: list[str]) -> None:
    client = boto3.client({"s3api": "s3"}.get(service, service), region_name=os.environ[REGION])
    operation = "".join(word.capitalize() for word in verb.split("-"))
    names = {name.lower(): name for name in client.meta.service_model.operation_names}
    model = client.meta.service_model.operation_model(names[operation.lower()])
    members = model.input_shape.members if model.input_shape else {}
    by_option = {re.sub("[^a-z]", "", name.lower()): name for name in members}
    given = options(words)
    asked: dict[str, Any] = {}
    for option, values in given.items():
        if option in OF_THE_COMMAND_LINE:
            continue
        option = RENAMED.get(option, option)
        is_off = option.startswith("no-") and option.replace("-", "") not in by_option
        name = by_option[option.removeprefix("no-" if is_off else "").replace("-", "")]
        asked[name] = value_of(members[name], values, is_off=is_off)
    method = re.sub(r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])", "_", model.name).lower()
    if service == "cloudformation":  # moto's needs packages that development lacks
        assert asked["StackName"] in Path(os.environ[STACKS]).read_text().split()
        return
    answer = getattr(client, method)(**asked)
    answer.pop("ResponseMetadata", None)
    if "query" in given:
        answer = jmespath.search(given["query"][0], answer)
    if given.get("output") == ["text"]:
        print("\t".join(answer) if isinstance(answer, list) else answer)
    elif answer:
        print(json.dumps(answer, indent=4, default=str))


def value_of(shape: Any, values: list[str], *, is_off: bool) -> Any:
    match shape.type_name:
        case "boolean":
            return not is_off
        case "integer" | "long":
            return int(values[0])
        case "list":
            return values
        case "blob":
            return Path(values[0]).read_bytes()
    return values[0]


def copy(words: list[str]) -> None:
    """Files to a bucket: one, or those below a folder that the filters leave, the last one deciding."""
    is_recursive = "--recursive" in words
    filters, places = [], []
    left = iter(word for word in words if word != "--recursive")
    for word in left:
        if word in ("--exclude", "--include"):
            filters.append((word == "--include", next(left)))
        else:
            assert not word.startswith("--"), word
            places.append(word)
    source, target = places
    bucket, _, key = target.removeprefix("s3://").partition("/")
    client = boto3.client("s3", region_name=os.environ[REGION])
    if not is_recursive:
        client.upload_file(source, bucket, key)
        return
    for path in sorted(p for p in Path(source).rglob("*") if p.is_file()):
        name = path.relative_to(source).as_posix()
        decisions = [include for include, pattern in filters if fnmatchcase(name, pattern)]
        if decisions[-1] if decisions else True:
            client.upload_file(str(path), bucket, f"{key}{name}")


def deploy(words: list[str]) -> None:
    given = options(words)
    assert {*given} == {"stack-name", "template-file", "capabilities", "tags"}
    text = Path(given["template-file"][0]).read_text()
    assert len(text.encode()) <= 51_200, "only with --s3-bucket"
    assert given["capabilities"] == ["CAPABILITY_NAMED_IAM"]
    stack = Stack(os.environ[REGION])
    stack.apply(json.loads(text))
    assert all(tag.count("=") == 1 for tag in given["tags"])
    Path(os.environ[STACKS]).write_text(given["stack-name"][0])


if __name__ == "__main__":
    main(sys.argv[1:])
