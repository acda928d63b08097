"""The Kubernetes manifests are what their schemas say, name what there is, and give nothing more rights than it needs.

The schemas come with the package kubernetes-validate: nothing is fetched.

Run from the project root: .venv/bin/python api_tests/manifests_check.py
"""

import sys
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy/k8s"
VERSION = "1.33"
WORKLOADS = {"Deployment", "StatefulSet"}


def documents(folder):
    """The manifests that the kustomization lists or makes, each with its file's name."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    listed = kustomization["resources"]
    present = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    if present != set(listed):
        raise ValueError(f"the kustomization lists {sorted(listed)}, and there are {sorted(present)}")
    written = [(name, document) for name in listed for document in yaml.safe_load_all((folder / name).read_text())]
    made = [("kustomization.yaml", config_map(folder, maker)) for maker in kustomization["configMapGenerator"]]
    return written + made


def config_map(folder, maker):
    """What a configMapGenerator makes, but for the hash behind its name."""
    data = {name: (folder / name).read_text() for name in maker["files"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": maker["name"]}, "data": data}


def name_of(document):
    return f"{document.get('kind')} {document.get('metadata', {}).get('name')}"


def schema_problems(document):
    """What the schema of its kind says against a manifest; fields that it does not have among it."""
    try:
        kubernetes_validate.validate(document, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{name_of(document)}: {error.message}"]
    return []


def container_problems(where, pod, container):
    """What a container lacks: probes, limits, and the restrictions that each of ours bears."""
    wanted = {
        "runAsNonRoot": pod.get("securityContext", {}).get("runAsNonRoot") is True,
        "readOnlyRootFilesystem": container.get("securityContext", {}).get("readOnlyRootFilesystem") is True,
        "no privileges": container.get("securityContext", {}).get("allowPrivilegeEscalation") is False,
        "no capabilities": container.get("securityContext", {}).get("capabilities", {}).get("drop") == ["ALL"],
        "livenessProbe": "livenessProbe" in container,
        "readinessProbe": "readinessProbe" in container,
        "a limit of memory": "memory" in container.get("resources", {}).get("limits", {}),
        "a version": container.get("image", "").rpartition(":")[2][:1].isdigit(),
    }
    return [f"{where}: {container['name']} has no {what}" for what, there in wanted.items() if not there]


def reference_problems(documents):
    """What is named and is not there: what selectors select, ports, secrets and their keys."""
    problems = []
    workloads = [document for document in documents if document["kind"] in WORKLOADS]
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in workloads]
    held = {
        (document["kind"], document["metadata"]["name"]): document.get("stringData", document.get("data", {}))
        for document in documents
        if document["kind"] in {"Secret", "ConfigMap"}
    }
    for document in documents:
        spec = document.get("spec", {})
        selector = spec.get("selector", spec.get("podSelector", {}))
        selector = selector.get("matchLabels", selector)
        if selector and not any(selector.items() <= label.items() for label in labels):
            problems.append(f"{name_of(document)}: nothing has the labels {selector}")
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        budgets = [document for document in documents if document["kind"] == "PodDisruptionBudget"]
        chosen = [budget["spec"]["selector"]["matchLabels"] for budget in budgets]
        if workload["spec"]["selector"]["matchLabels"] not in chosen:
            problems.append(f"{name_of(workload)}: it has no disruption budget")
        mounts = {}
        for volume in pod.get("volumes", []):
            kind, name = next(
                (
                    (kind, volume.get(key, {}).get(field))
                    for key, kind, field in [("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name")]
                    if key in volume
                ),
                (None, None),
            )
            if kind and (kind, name) not in held:
                problems.append(f"{name_of(workload)}: there is no {kind} {name}")
            mounts[volume["name"]] = held.get((kind, name))
        for container in pod["containers"]:
            problems += container_problems(name_of(workload), pod, container)
            files = {
                f"{mount['mountPath']}/{key}"
                for mount in container.get("volumeMounts", [])
                for key in mounts.get(mount["name"]) or {}
            }
            for variable in container.get("env", []):
                if variable["name"].endswith("_FILE") and variable["value"] not in files:
                    problems.append(
                        f"{name_of(workload)}: {variable['name']} names {variable['value']}, which is in no secret"
                    )
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                if port is not None and port not in ports:
                    problems.append(f"{name_of(workload)}: its {probe} asks the port {port}, which it does not have")
    return problems


def problems_of(documents):
    """All that is wrong with these manifests."""
    schema = [problem for document in documents for problem in schema_problems(document)]
    return schema or reference_problems(documents)


def main():
    found = documents(FOLDER)
    problems = problems_of([document for _, document in found])
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(found)} manifests agree with the schemas of Kubernetes {VERSION}")


if __name__ == "__main__":
    main()
