"""The proofs by which both sides of a session show that they have the same key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spiko_nanoservice.contract import ContractError, encode
from spiko_nanoservice.contract.handshake import (
    Admission,
    EpochKey,
    Purpose,
    check,
    is_genuine,
    make_challenge,
    parse_keys,
    prove,
    render_keys,
)

NONCE, OTHER_NONCE = "a" * 32, "b" * 32
OLD, NOW, NEW = (EpochKey(epoch, bytes([epoch] * 32)) for epoch in (1, 2, 3))
ADDRESS = "10.0.0.9"
NO_MACS = (Admission("\u20ac"), Admission("\ud800"), Admission("\x00"))


def exchange(
    client: tuple[EpochKey, ...],
    eureka: tuple[EpochKey, ...],
    dialed: str = ADDRESS,
    wanted: Purpose = Purpose.JOIN,
    granted: Purpose = Purpose.JOIN,
) -> bool:
    """Exchange the messages of a handshake; return whether the client finds the eureka genuine."""
    challenge = make_challenge(eureka, NONCE)
    proof, expected = prove(encode(challenge), wanted, dialed, client, OTHER_NONCE)
    return is_genuine(encode(check(encode(proof), granted, ADDRESS, eureka, challenge)), expected)


@pytest.mark.parametrize(
    ("client", "eureka"),
    [((NOW, OLD), (NOW, OLD)), ((NEW, NOW), (NOW, OLD)), ((NOW, OLD), (NEW, NOW)), ((OLD,), (NOW, OLD))],
    ids=["the same epochs", "the client has a new epoch", "the eureka has a new epoch", "only the old epoch"],
)
def test_sides_with_an_epoch_in_common_accept_each_other(
    client: tuple[EpochKey, ...], eureka: tuple[EpochKey, ...]
) -> None:
    """Given keys of which one epoch is in common, then both sides find each other genuine."""
    assert exchange(client, eureka)


def test_a_client_two_epochs_behind_is_refused() -> None:
    """Given keys without an epoch in common, then the error names both sides' epochs."""
    with pytest.raises(ContractError, match="no key in common: epochs here 1, at the eureka 3, 2"):
        exchange((OLD,), (NEW, NOW))


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": (replace(NOW, key=b"x" * 32),)},
        {"dialed": "10.0.0.8"},
        {"wanted": Purpose.READ},
        {"granted": Purpose.CONTROL},
    ],
    ids=["another key", "another address", "a weaker purpose", "a stronger purpose"],
)
def test_a_proof_holds_for_one_key_address_and_purpose(wrong: dict[str, object]) -> None:
    """Given a proof by another key, for another eureka, or for another purpose, then it is refused: a pod
    that poses as a eureka cannot relay the proof of its client.
    """
    with pytest.raises(ContractError, match="proof: not valid"):
        exchange(**{"client": (NOW,), "eureka": (NOW,)} | wrong)  # type: ignore[arg-type]


def test_a_proof_holds_for_one_challenge() -> None:
    """Given a recorded proof, when it is replayed on another connection, then it is refused."""
    proof, _ = prove(encode(make_challenge((NOW,), NONCE)), Purpose.JOIN, ADDRESS, (NOW,), OTHER_NONCE)

    with pytest.raises(ContractError, match="proof: not valid"):
        check(encode(proof), Purpose.JOIN, ADDRESS, (NOW,), make_challenge((NOW,), OTHER_NONCE))


def test_a_eureka_without_the_key_is_not_genuine() -> None:
    """Given a server that reflects the client's proof or sends anything else, then it is not genuine."""
    challenge = encode(make_challenge((NOW,), NONCE))
    proof, expected = prove(challenge, Purpose.JOIN, ADDRESS, (NOW,), OTHER_NONCE)

    for answer in ({"mac": proof.mac}, {"mac": ""}, {"mac": 7}, {}, *map(encode, NO_MACS)):
        assert not is_genuine(answer, expected)


@pytest.mark.parametrize("mac", [admission.mac for admission in NO_MACS], ids=ascii)
def test_a_proof_of_other_characters_is_not_valid(mac: str) -> None:
    """Given a proof that is not hexadecimal, or a lone surrogate as JSON can have it, then it is refused."""
    challenge = make_challenge((NOW,), NONCE)
    proof, _ = prove(encode(challenge), Purpose.JOIN, ADDRESS, (NOW,), OTHER_NONCE)

    with pytest.raises(ContractError, match="proof: not valid"):
        check(encode(replace(proof, mac=mac)), Purpose.JOIN, ADDRESS, (NOW,), challenge)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"nonce": "short", "epochs": [2]},
        {"nonce": "G" * 32, "epochs": [2]},
        {"nonce": NONCE, "epochs": [2**40]},
        {"nonce": NONCE, "epochs": [-1]},
        {"nonce": NONCE, "epochs": [1, 2, 3]},
        {"nonce": NONCE, "epochs": "2"},
    ],
)
def test_an_invalid_challenge_is_refused(message: dict[str, object]) -> None:
    """Given an invalid challenge, then the client sends no proof."""
    with pytest.raises(ContractError):
        prove(message, Purpose.JOIN, ADDRESS, (NOW,), OTHER_NONCE)


def test_key_files_hold_the_two_highest_epochs_and_are_not_shown() -> None:
    """Given a key file, then the keys come back, the highest epoch first, and no message shows one."""
    assert (NEW, NOW) == parse_keys(render_keys((NOW, NEW, OLD)))
    assert NOW.key.hex() not in repr(NOW)
    cut = NOW.key.hex()[:-2]
    for text in ("", "[]", f'{{"x": "{"0" * 64}"}}', f'{{"1": "{cut}"}}', '{"1": 7}'):
        with pytest.raises(ContractError) as error:
            parse_keys(text)
        assert NOW.key.hex()[:8] not in str(error.value)
