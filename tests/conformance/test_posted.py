"""The messages of a record by their ids."""

from __future__ import annotations

import pytest

from checker.conformance.posted import Post, Posted


def sent() -> Post:
    post = Post(["a", "b.c"])
    post.add("b.c.1.1", "a", "Vote", (1, True), post.pack({"b.c": 3}))
    post.add("b.c.1.2", "b.c", "Count", (1, 1), post.pack({"a": 2, "b.c": 4}))
    post.add("b.c.2.1", "a", "Vote", (1, False), post.pack("no clock"))
    return post


def test_what_was_sent_is_found_as_it_was() -> None:
    post = sent()
    assert post.get("b.c.1.1") == Posted("b.c", "a", "Vote", (1, True), {"b.c": 3})
    found = post.get("b.c.1.2")
    assert found == Posted("b.c", "b.c", "Count", (1, 1), {"a": 2, "b.c": 4})
    assert type(found.payload[1]) is int, "a number is not the bool that is equal to it"
    assert post.get("b.c.2.1") == Posted("b.c", "a", "Vote", (1, False), {})


@pytest.mark.parametrize(
    "mid", ["", "b.c", "b.c.1", "b.c.1.0", "b.c.1.3", "b.c.1.01", "b.c.1.-1", "b.c.1.²", "b.c.1.١", "a.1.1", "b.c.01.1"]
)
def test_no_other_id_is_one(mid: str) -> None:
    assert sent().get(mid) is None


def test_a_copy_is_another_one() -> None:
    post = sent()
    other = post.copy()
    assert post == other
    other.remove("b.c.1.2")
    assert other.get("b.c.1.2") is None and post.get("b.c.1.2") is not None and post != other
    other.add("b.c.1.3", "a", "Vote", (1, True), other.pack({}))
    assert post.get("b.c.1.3") is None and other.get("b.c.1.3") is not None
