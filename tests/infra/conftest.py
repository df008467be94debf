"""The template applied to moto, once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.infra.applied import Stack
from tests.infra.rights import template
from tests.roots.s3.conftest import cloud  # noqa: F401 - a fixture
from tests.support.cloud import REGION, Cloud


@pytest.fixture(scope="module")
def stack(cloud: Cloud) -> Iterator[Stack]:  # noqa: F811
    made = Stack(REGION, cloud.endpoint)
    made.apply(template())
    yield made
