"""Errors for users: one sentence, never a stack trace."""

from __future__ import annotations

import pytest

from transfergrid.runtime.errors import UserError, escaped, listed, suggest


def test_a_user_error_is_a_value_error():
    assert issubclass(UserError, ValueError)


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("resnet81", ["densenet121", "resnet18"], " (did you mean 'resnet18'?)"),
        ("lerning_rate", ("learning_rate", "epochs"), " (did you mean 'learning_rate'?)"),
        ("zzz", ["resnet18"], ""),
        ("resnet18", [], ""),
        (81, [8, 320, 811], " (did you mean '811'?)"),
    ],
)
def test_suggestions(name, allowed, expected):
    assert suggest(name, allowed) == expected


def test_suggestions_accept_any_iterable():
    assert suggest("sdg", (word for word in ("adam", "sgd"))) == " (did you mean 'sgd'?)"


def test_lists_keep_their_order():
    assert listed(["b", "a", 3]) == "b, a, 3"
    assert listed([]) == ""
    assert listed(name for name in "ab") == "a, b"


def test_long_lists_are_cut_and_counted():
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    assert listed(range(13)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (13 in all)"
    assert listed(range(5), most=2) == "0, 1, ... (5 in all)"


def test_an_error_shows_no_control_codes() -> None:
    told = "image a\x1b[31m\u202e\udcff.png\n is missing, \t\u00e9 and \u4e2d are not"
    shown = str(UserError(told))
    assert shown == ("image a\\x1b[31m\\u202e\\udcff.png\n is missing, \t\u00e9 and \u4e2d are not")
    assert f"{UserError(told)}" == escaped(shown) == shown
    shown.encode("utf-8")
