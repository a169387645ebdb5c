"""The key that was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from love_thy_neighbors.runs.nearest import dotted, nearest, no_such_key

KEYS = dotted(
    {"lr": 0.1, "epochs": 3, "split": 0, "data": {"dir": "x"}, "trainer": {"limit_val_batches": 1, "devices": 1}}
)


@pytest.mark.parametrize(
    ("given_key", "meant"),
    [
        ("learning_rate", "lr"),
        ("trainer.max_epochs", "epochs"),
        ("epoch", "epochs"),
        ("dir", "data.dir"),
        ("limit_val_batch", "trainer.limit_val_batches"),
        ("training.devices", "trainer.devices"),
        ("zzz", None),
    ],
)
def test_the_nearest_key(given_key: str, meant: str | None) -> None:
    assert nearest(given_key, KEYS) == meant
    sentence = no_such_key(given_key, KEYS, "train.py")
    assert sentence.startswith(f"{given_key}: ")
    assert ("mean" in sentence) == (meant is not None)


@given(st.sampled_from(KEYS))
def test_a_key_is_nearest_to_itself(key: str) -> None:
    assert nearest(key, KEYS) == key
