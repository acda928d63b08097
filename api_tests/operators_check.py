"""What operators go by agrees with the service.

Every metric and label value that the dashboard and the alerts name is on the service's page of metrics, every alert
names a runbook that is there, and docs/operations.md lists every metric and no other.

Run from the project root: MATCHING_BASE_URL=http://127.0.0.1:8000 .venv/bin/python api_tests/operators_check.py
"""

import json
import os
import re
import sys
from pathlib import Path

import promql_parser
import requests
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parent.parent
OPERATIONS = "docs/operations.md"
ALERTS = "deploy/prometheus/alerts.yml"
DASHBOARDS = "deploy/grafana/dashboards"
SEVERITIES = {"page", "ticket"}
# Labels that Prometheus adds to what it scrapes.
OF_PROMETHEUS = {"instance", "job"}


def exposed(text):
    """The samples of a page of metrics: for each name the values of its labels. The parser is a strict one."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = samples.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return samples


def selectors(expression):
    """The metrics that an expression selects, each with its matchers."""
    found = []
    rest = [promql_parser.parse(expression)]
    while rest:
        node = rest.pop()
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, [(m.name, m.op, m.value) for m in node.matchers.matchers]))
        for part in ("lhs", "rhs", "expr", "vector_selector", "param"):
            child = getattr(node, part, None)
            if isinstance(child, promql_parser.Expr):
                rest.append(child)
        rest.extend(getattr(node, "args", []))
    return found


def expression_problems(where, expression, samples):
    """What an expression names and the service does not have."""
    try:
        selected = selectors(expression)
    except ValueError as error:
        return [f"{where}: {expression!r} is no PromQL: {error}"]
    problems = [] if selected else [f"{where}: {expression!r} selects nothing"]
    for metric, matchers in selected:
        if metric not in samples:
            problems.append(f"{where}: there is no metric {metric}")
            continue
        for label, operator, value in matchers:
            values = samples[metric].get(label)
            if values is None:
                problems.append(f"{where}: {metric} has no label {label}")
            elif operator == promql_parser.MatchOp.Equal and value not in values:
                problems.append(f"{where}: no {label} of {metric} is {value!r}")
    return problems


def anchors(markdown):
    """The anchors of a page's headings, as they are made from their words."""
    headings = re.findall(r"^#+ +(.+?) *$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def alert_problems(rule, samples, read):
    """What is wrong with an alert. `read` gives the text of a file of the project."""
    name = rule.get("alert", "a rule without a name")
    problems = expression_problems(name, rule.get("expr", ""), samples)
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        problems.append(f"{name}: its severity is none of {sorted(SEVERITIES)}")
    notes = rule.get("annotations", {})
    if not notes.get("summary"):
        problems.append(f"{name}: it has no summary")
    page, _, anchor = notes.get("runbook", "").partition("#")
    if page != OPERATIONS or anchor not in anchors(read(page)):
        problems.append(f"{name}: its runbook {notes.get('runbook')!r} is not there")
    return problems


def expressions(dashboard):
    """The expressions of a dashboard, each with the title of its panel."""
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def documented_problems(markdown, samples):
    """What the page lists and the service does not have, and the other way round."""
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    listed = set(re.findall(r"`(pricetime_\w+)`", markdown))
    missing = [f"{OPERATIONS} does not list {name}" for name in sorted(families - listed)]
    return missing + [f"{OPERATIONS} lists {name}, which is not there" for name in sorted(listed - families)]


def check(samples):
    """All that is wrong."""
    problems = documented_problems((ROOT / OPERATIONS).read_text(), samples)
    rules = [rule for group in yaml.safe_load((ROOT / ALERTS).read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        problems += alert_problems(rule, samples, lambda page: (ROOT / page).read_text())
    shown = 0
    for path in sorted((ROOT / DASHBOARDS).glob("*.json")):
        for title, expression in expressions(json.loads(path.read_text())):
            shown += 1
            problems += expression_problems(f"{path.name}, {title}", expression, samples)
    if len(rules) < 15 or shown < 30:
        problems.append(f"only {len(rules)} alerts and {shown} expressions on dashboards were found")
    return problems, len(rules), shown


def main():
    text = requests.get(os.environ["MATCHING_BASE_URL"] + "/metrics", timeout=10).text
    samples = exposed(text)
    problems, rules, shown = check(samples)
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(samples)} samples, {rules} alerts and {shown} expressions on dashboards agree")


if __name__ == "__main__":
    main()
