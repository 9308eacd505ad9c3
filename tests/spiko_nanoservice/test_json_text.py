"""JSON from outside is parsed within bounds."""

from __future__ import annotations

import pytest

from spiko_nanoservice.contract import ContractError, parse_json, parse_object


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1e400", "beyond the range of floats"),
        ("-1e999", "beyond the range of floats"),
        ("[NaN]", "NaN: not a JSON value"),
        ("[Infinity]", "Infinity: not a JSON value"),
        ("[-Infinity]", "-Infinity: not a JSON value"),
        ("9" * 20, "integers have at most 19 digits"),
        ("-" + "9" * 5_000, "integers have at most 19 digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": 1', "Expecting ',' delimiter"),
        (b"\xff\xff", "invalid start byte"),
    ],
)
def test_a_text_that_is_not_plain_json_is_a_contract_error(text: str | bytes, named: str) -> None:
    """Given a value that Python's parser would take or fail on, then it is a ContractError that names it."""
    with pytest.raises(ContractError, match=named):
        parse_json(text)


@pytest.mark.parametrize("text", ["[1]", "3", '"a"', "null"])
def test_a_message_must_be_an_object(text: str) -> None:
    """Given another value than an object, then it is a ContractError."""
    with pytest.raises(ContractError, match="must be a JSON object"):
        parse_object(text)


def test_ordinary_values_are_parsed() -> None:
    """Given plain JSON, then the values come back."""
    assert {"a": [1, -(2**62), 1.5, None, "ü"]} == parse_json(
        '{"a": [1, -4611686018427387904, 1.5, null, "ü"]}'
    )
