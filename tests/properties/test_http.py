"""Whatever is sent to a served run: an answer that its OpenAPI document has, and never a failure."""

from collections.abc import Iterator

import pytest

from properties.profile import hold_all
from properties.serving_api import Api, bodies, documented, headers, served


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(tmp_path_factory.mktemp("api")) as running:
        yield running


def test_what_the_document_allows_or_just_does_not_is_answered_as_it_says(api: Api) -> None:
    targets = documented(api)
    assert len(targets) == len([1 for routes in api.document["paths"].values() for _ in routes])
    for target in targets:
        hold_all(target, 10)


def test_bodies_that_are_nearly_right_are_answered_as_the_document_says(api: Api) -> None:
    hold_all(bodies(api), 300)


def test_headers_that_are_nearly_right_are_answered_as_the_document_says(api: Api) -> None:
    hold_all(headers(api), 300)
