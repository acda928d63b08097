"""The check of dashboards and alerts is silent on what agrees and finds each mistake that is planted.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import unittest

import operators_check

PAGE = """# HELP pricetime_ready 1 when orders are taken.
# TYPE pricetime_ready gauge
pricetime_ready 1
# HELP pricetime_orders Orders.
# TYPE pricetime_orders counter
pricetime_orders_total{result="accepted"} 7
# HELP pricetime_stage_seconds Times.
# TYPE pricetime_stage_seconds histogram
# UNIT pricetime_stage_seconds seconds
pricetime_stage_seconds_sum{stage="commit"} 0.5
pricetime_stage_seconds_count{stage="commit"} 2
pricetime_stage_seconds_bucket{le="0.1",stage="commit"} 1
pricetime_stage_seconds_bucket{le="+Inf",stage="commit"} 2
# EOF
"""
SAMPLES = operators_check.exposed(PAGE)
MANUAL = "# Operations\n\n### PostgreSQL is lost: what then?\n"
GOOD = (
    'histogram_quantile(0.99, sum by (le) (rate(pricetime_stage_seconds_bucket{stage="commit"}[5m]))) > 1 '
    'and on (instance) pricetime_ready == 0 or rate(pricetime_orders_total{result!="rejected"}[5m]) > 0'
)


def alert(**changes):
    notes = {"summary": "s", "runbook": "docs/operations.md#postgresql-is-lost-what-then"}
    rule = {"alert": "A", "expr": GOOD, "labels": {"severity": "page"}, "annotations": notes}
    return rule | changes


class OperatorsCheck(unittest.TestCase):
    def problems(self, rule):
        return operators_check.alert_problems(rule, SAMPLES, lambda page: MANUAL)

    def test_what_agrees_is_passed_over(self):
        self.assertEqual(self.problems(alert()), [])

    def test_each_planted_mistake_is_found(self):
        notes = alert()["annotations"]
        mistakes = [
            (alert(expr=GOOD.replace("pricetime_ready", "pricetime_raedy")), "there is no metric pricetime_raedy"),
            (alert(expr=GOOD.replace("pricetime_orders_total", "pricetime_orders")), "there is no metric"),
            (alert(expr=GOOD.replace('"commit"', '"comit"')), "is 'comit'"),
            (alert(expr=GOOD.replace("stage=", "step=")), "has no label step"),
            (alert(expr=GOOD.replace("[5m]", "", 1)), "is no PromQL"),
            (alert(expr="vector(1)"), "selects nothing"),
            (alert(labels={"severity": "panic"}), "severity"),
            (alert(annotations=notes | {"summary": ""}), "summary"),
            (alert(annotations=notes | {"runbook": "docs/operations.md#postgresql-is-found"}), "runbook"),
            (alert(annotations=notes | {"runbook": "docs/security.md#postgresql-is-lost-what-then"}), "runbook"),
        ]
        for rule, expected in mistakes:
            found = self.problems(rule)
            self.assertEqual(len(found), 1, (expected, found))
            self.assertIn(expected, found[0])

    def test_the_manual_lists_what_there_is(self):
        listed = "`pricetime_ready` `pricetime_orders_total` `pricetime_stage_seconds`"
        self.assertEqual(operators_check.documented_problems(listed, SAMPLES), [])
        found = operators_check.documented_problems(listed.replace("ready", "raedy"), SAMPLES)
        self.assertEqual(len(found), 2)

    def test_a_page_that_is_none_is_refused(self):
        with self.assertRaises(ValueError):
            operators_check.exposed(PAGE.replace("# EOF\n", ""))


if __name__ == "__main__":
    unittest.main()
