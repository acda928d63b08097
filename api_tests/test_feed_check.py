"""The check of the feed is silent on a true book and finds each bug that is planted in the messages it was made from.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import copy
import unittest

from feed_check import SYMBOL, compare
from pricetime_client import Book, Feed, GapError

SNAPSHOT = {
    "type": "snapshot",
    "seq": 10,
    "data": {"bids": [["99.5", "2", 1], ["99", "1", 2]], "asks": [["100", "4", 3], ["101", "1", 1]]},
}
# A purchase takes the best ask, and what is left of it rests.
UPDATE = {"type": "update", "seq": 12, "data": {"bids": [["100", "0.5", 1]], "asks": [["100", "0", 0]]}}
DEPTH = {
    "seq": 12,
    "book_seq": 12,
    "bids": [["100", "0.5", 1], ["99.5", "2", 1], ["99", "1", 2]],
    "asks": [["101", "1", 1]],
}


class Asker:
    """A service that shows one depth."""

    def __init__(self, depth):
        self.shown = depth

    def depth(self, _symbol):
        return self.shown


class Messages:
    """A feed that gives these messages, one after the other."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.books = {}

    def next(self, timeout):
        del timeout
        self.books.setdefault(SYMBOL, Book(SYMBOL)).apply(self.messages.pop(0))


class TheComparison(unittest.TestCase):
    def test_a_true_book_is_equal(self):
        self.assertTrue(compare(Messages(SNAPSHOT, UPDATE), Asker(DEPTH)))

    def test_a_book_that_went_on_is_not_compared(self):
        later = {**UPDATE, "seq": 13}
        self.assertFalse(compare(Messages(SNAPSHOT, later), Asker(DEPTH)))

    def test_planted_bugs_are_found(self):
        def in_snapshot(side, *levels):
            return lambda snapshot, _: snapshot["data"].__setitem__(side, list(levels))

        def in_update(side, *levels):
            return lambda _, update: update["data"].__setitem__(side, list(levels))

        bugs = [
            ("a level that is gone stays", "asks", in_update("asks")),
            ("a level is missing", "bids", in_update("bids")),
            ("a quantity is another one", "bids", in_update("bids", ["100", "0.6", 1])),
            ("a number of orders is another one", "bids", in_snapshot("bids", ["99.5", "2", 2], ["99", "1", 2])),
            ("a level is on the other side", "asks", in_update("asks", ["100", "0", 0], ["100", "0.5", 1])),
            ("a level far from the best is missing", "bids", in_snapshot("bids", ["99.5", "2", 1])),
            ("a digit is lost", "asks", in_snapshot("asks", ["100", "4", 3], ["101.0", "1", 1])),
        ]
        for what, side, plant in bugs:
            with self.subTest(what):
                snapshot, update = copy.deepcopy(SNAPSHOT), copy.deepcopy(UPDATE)
                plant(snapshot, update)
                with self.assertRaises(AssertionError) as found:
                    compare(Messages(snapshot, update), Asker(DEPTH))
                self.assertIn(f"{side} at row 12", str(found.exception))


class TheChannel(unittest.TestCase):
    """What the client notices before anything reaches the book."""

    def feed_after(self, *messages):
        """A feed that is not connected and has taken these messages of the book's channel."""
        feed = Feed("ws://127.0.0.1:1", [f"book:{SYMBOL}"])
        for message in messages:
            self.assertTrue(feed._take({"channel": f"book:{SYMBOL}", **message}))
        return feed

    def test_a_gap_is_found(self):
        gaps = [
            ("a message is missing", [{**SNAPSHOT, "prev": None}], {**UPDATE, "seq": 14, "prev": 12}),
            ("the snapshot is missing", [], {**UPDATE, "prev": 10}),
        ]
        for what, before, message in gaps:
            with self.subTest(what), self.assertRaises(GapError):
                self.feed_after(*before)._take({"channel": f"book:{SYMBOL}", **message})

    def test_a_message_that_comes_again_changes_nothing(self):
        feed = self.feed_after({**SNAPSHOT, "prev": None}, {**UPDATE, "prev": 10})
        again = {"channel": f"book:{SYMBOL}", **UPDATE, "prev": 10, "data": {"bids": [], "asks": [["101", "0", 0]]}}
        self.assertFalse(feed._take(again))
        self.assertTrue(compare(feed, Asker(DEPTH)))


if __name__ == "__main__":
    unittest.main()
