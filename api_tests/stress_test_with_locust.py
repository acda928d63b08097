"""The same load under the name that older instructions use: locust -f api_tests/stress_test_with_locust.py"""

from locustfile import MatchingUser

__all__ = ["MatchingUser"]
