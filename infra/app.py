"""Writes the template: `make infra`, or `python -m infra.app [STAGE]` where the CDK is installed.

One template without assets, parameters or Lambda functions. That of `prod` is committed.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import aws_cdk
from aws_cdk import App, BootstraplessSynthesizer, Stack
from cdk_nag import AwsSolutionsChecks

from infra import alarms, catalog, jobs, nightly, people, storage
from infra.deployment import Deployment
from infra.places import Folders, in_template
from infra.policies import Rights
from infra.settings import STAGES, Settings, Stage
from stedi.declared import packaged, read_declarations

FOLDER = Path(__file__).parent
MOST_BYTES = 51_200
"""Of a template that `aws cloudformation deploy` sends without a bucket to put it in."""


def template(settings: Settings) -> dict[str, Any]:
    """The template of a deployment; fails on a finding of cdk-nag that is not explained."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder, analytics_reporting=False)
        stack = Stack(
            app,
            settings.name,
            synthesizer=BootstraplessSynthesizer(),
            description=f"STEDI Lakehouse, {settings.stage}: made by `make infra`",
        )
        names = in_template(settings)
        folders = Folders.of(read_declarations(packaged()))
        deployment = Deployment(stack, settings, names, folders, Rights(names, folders))
        for module in (storage, people, catalog, jobs, nightly, alarms):
            module.add(deployment)
        aws_cdk.Validations.of(app).add_plugins(AwsSolutionsChecks())
        app.synth()
        made = json.loads((Path(folder) / f"{settings.name}.template.json").read_text())
    for resource in made["Resources"].values():
        resource.pop("Metadata", None)  # only cdk-nag reads it
        if resource.get("DependsOn") and _names(resource["Properties"], *resource["DependsOn"]):
            del resource["DependsOn"]
    return cast(dict[str, Any], _short(made))


def _names(properties: Any, *resources: str) -> bool:
    """Whether properties refer to resources, so that CloudFormation knows the order."""
    text = json.dumps(properties)
    return all(f"${{{name}." in text or f"${{{name}}}" in text for name in resources)


def _short(tree: Any) -> Any:
    """The same template in fewer bytes: lists of one in statements, and references, as such."""
    if isinstance(tree, list):
        return [_short(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if match := re.fullmatch(r"\$\{([\w:]+)\}", str(tree.get("Fn::Sub"))):
        return {"Ref": match[1]}
    if "Effect" in tree:  # a statement; what it is called stands in `docs/aws`
        tree = _single({key: value for key, value in tree.items() if key != "Sid"})
        if "Condition" in tree:
            tree["Condition"] = {k: _single(v) for k, v in tree["Condition"].items()}
    return {key: _short(value) for key, value in tree.items()}


def _single(tree: dict[str, Any]) -> dict[str, Any]:
    """Values of a dictionary, those of lists of one as such."""
    return {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in tree.items()}


def text(made: dict[str, Any]) -> str:
    """A template as a file: a line a resource, so that changes can be read and it stays small."""
    resources = made.pop("Resources")
    head = json.dumps(made, separators=(",", ":"), sort_keys=True)[:-1]
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(resource, separators=(',', ':'))}"
        for name, resource in sorted(resources.items())
    )
    return f'{head},"Resources":{{\n{lines}\n}}}}\n'


def main(stage: Stage) -> None:
    """Write the template of a stage, and say where."""
    written = text(template(STAGES[stage]))
    name = "stedi" if stage == "prod" else f"stedi-{stage}"
    path = FOLDER / f"{name}.template.json"
    path.write_text(written)
    if len(written.encode()) > MOST_BYTES:
        raise SystemExit(f"{path.name} has {len(written.encode()):,} bytes, over {MOST_BYTES:,}")
    print(f"{path.name}: {len(written.encode()):,} bytes")


if __name__ == "__main__":
    main(cast(Stage, sys.argv[1] if len(sys.argv) > 1 else "prod"))
