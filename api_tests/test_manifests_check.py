"""The check of the Kubernetes manifests is silent on those that are there and finds each mistake that is planted.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import copy
import unittest

import manifests_check

MANIFESTS = [document for _, document in manifests_check.documents(manifests_check.FOLDER)]


def manifest(documents, name):
    return next(document for document in documents if manifests_check.name_of(document) == name)


class ManifestsCheck(unittest.TestCase):
    def test_the_manifests_are_passed_over(self):
        self.assertEqual(manifests_check.problems_of(MANIFESTS), [])

    def test_each_planted_mistake_is_found(self):
        def pod(documents):
            return manifest(documents, "StatefulSet pricetime")["spec"]["template"]["spec"]

        def container(documents):
            return pod(documents)["containers"][0]

        def selector(documents):
            return manifest(documents, "Service pricetime")["spec"]["selector"]

        mistakes = [
            (lambda d: manifest(d, "StatefulSet pricetime")["spec"].update(replicas="two"), "replicas|two"),
            (lambda d: container(d).update(imagePullPolice="Always"), "imagePullPolice"),
            (lambda d: container(d)["securityContext"].update(readOnlyRootFilesystem=False), "readOnlyRootFilesystem"),
            (lambda d: container(d)["securityContext"].pop("capabilities"), "no capabilities"),
            (lambda d: pod(d)["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
            (lambda d: container(d).pop("livenessProbe"), "livenessProbe"),
            (lambda d: container(d)["readinessProbe"]["httpGet"].update(port="htpp"), "htpp"),
            (lambda d: container(d).update(image="pricetime:latest"), "a version"),
            (lambda d: container(d)["resources"].pop("limits"), "limit of memory"),
            (lambda d: manifest(d, "Secret pricetime")["stringData"].pop("redis-url"), "REDIS_URL_FILE"),
            (lambda d: d.remove(manifest(d, "PodDisruptionBudget pricetime")), "disruption budget"),
            (
                lambda d: manifest(d, "Service pricetime")["spec"]["selector"].update(app="other"),
                "nothing has the labels",
            ),
            (lambda d: d.remove(manifest(d, "ConfigMap pricetime-proxy")), "no ConfigMap pricetime-proxy"),
        ]
        for plant, expected in mistakes:
            documents = copy.deepcopy(MANIFESTS)
            plant(documents)
            found = "\n".join(manifests_check.problems_of(documents))
            self.assertRegex(found, expected)


if __name__ == "__main__":
    unittest.main()
