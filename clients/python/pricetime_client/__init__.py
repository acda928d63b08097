"""A small client of pricetime: orders that are safe to repeat, and a local book that checks itself."""

from .book import Book
from .feed import Feed, GapError
from .http import Client, Placed, ProblemError, UnknownOutcomeError

__all__ = ["Book", "Client", "Feed", "GapError", "Placed", "ProblemError", "UnknownOutcomeError"]
