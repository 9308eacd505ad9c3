"""Byte strings are read and written as Go's encoding/base64 does."""

from __future__ import annotations

import pytest

from kube_devserver.objects.byte_values import canonical_base64


@pytest.mark.parametrize(
    ("text", "canonical"), [("", ""), ("YQ==", "YQ=="), ("Y\nQ=\r\n=\n", "YQ=="), ("YR==", "YQ==")]
)
def test_line_ends_and_stray_bits_are_dropped(text: str, canonical: str) -> None:
    """Given base64 that Go accepts, when it is read, then what is written is canonical."""
    assert canonical_base64(text) == canonical


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        ("!", 0), ("a b=", 1), ("YQ-_", 2), ("=", 0), ("Y=Q=", 1), ("YQ", 0), ("YW=", 3), ("YW=x", 2),
        ("YQ==x", 4), ("YWI=YQ==", 4), ("YWJj!", 4), ("YWJjY", 4), ("\nY", 1), ("ä", 0),
    ],
)  # fmt: skip
def test_the_message_names_the_byte_that_go_names(text: str, byte: int) -> None:
    """Given text that is not base64, when it is read, then the message is that of Go."""
    with pytest.raises(ValueError, match=f"^illegal base64 data at input byte {byte}$"):
        canonical_base64(text)
