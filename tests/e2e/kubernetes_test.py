"""The manifests of deploy/kubernetes, without a cluster: the fields and types of the API, and whether what names
something else in them, in the exporter and in the rules names what is there."""

import contextlib
import copy
import json
import re
import subprocess

import namespaces
import peers
from exporter import EXPORTER, ExporterCase
from exposition import promtool
from http_client import PATIENCE, Connection
from kubernetes_fields import faults_of
from probe import environment
from prometheus import ROOT
from yaml_text import PYTHON, documents

DEPLOYED = ROOT / "deploy" / "kubernetes"
NAME = {"app.kubernetes.io/name": "smtp-probe-exporter"}
LONGEST_DEADLINE = 120
OWN_JOB = "smtp_probe_exporter"


class ManifestCase(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = {path.name: documents(path.read_text()) for path in DEPLOYED.glob("*.yaml")}
        cls.all = [one for found in cls.files.values() for one in found]

    def of(self, kind):
        return [one for one in self.all if one["kind"] == kind]

    def the(self, kind):
        (one,) = self.of(kind)
        return one

    @property
    def pod(self):
        return self.the("Deployment")["spec"]["template"]

    @property
    def container(self):
        (one,) = self.pod["spec"]["containers"]
        return one


class Fields(ManifestCase):

    def test_manifests(self):
        for name, found in self.files.items():
            for one in found:
                with self.subTest(name):
                    self.assertEqual(faults_of(one), [])

    def test_faults_are_found(self):
        probe = self.of("Probe")[0]
        self.assertEqual(faults_of(probe), [])
        for change in (lambda one: one["spec"].update(scrapeTimeOut="30s"), lambda one: one["spec"].update(module=5),
                       lambda one: one["spec"]["prober"].pop("url"), lambda one: one.update(kind="Prob"),
                       lambda one: one["spec"]["targets"]["staticConfig"].update(static="mx1.example.net")):
            bad = copy.deepcopy(probe)
            change(bad)
            self.assertEqual(len(faults_of(bad)), 1, bad)

    def test_kustomization(self):
        kustomization = self.the("Kustomization")
        self.assertEqual({*kustomization["resources"], "kustomization.yaml"}, set(self.files))
        (made,) = kustomization["configMapGenerator"]
        self.assertEqual(made["files"], ["smtp-probe.yml"])
        self.assertTrue((DEPLOYED / "smtp-probe.yml").exists())
        (image,) = kustomization["images"]
        self.assertEqual(image["name"], self.container["image"])


class References(ManifestCase):

    def test_labels_and_selectors(self):
        self.assertEqual(self.pod["metadata"]["labels"], NAME)
        deployment = self.the("Deployment")["spec"]
        self.assertEqual(deployment["selector"]["matchLabels"], NAME)
        for one in deployment["template"]["spec"]["topologySpreadConstraints"]:
            self.assertEqual(one["labelSelector"]["matchLabels"], NAME)
        service = self.the("Service")
        self.assertEqual((service["spec"]["selector"], service["metadata"]["labels"]), (NAME, NAME))
        self.assertEqual(self.the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], NAME)
        self.assertLess(self.the("PodDisruptionBudget")["spec"]["minAvailable"], deployment["replicas"])
        self.assertEqual(self.the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], NAME)
        # The ServiceMonitor finds the Service by the labels of that.
        self.assertEqual(self.the("ServiceMonitor")["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])

    def test_ports(self):
        (port,) = self.container["ports"]
        listens = [one for one in self.container["args"] if one.startswith("--web.listen-address")]
        self.assertEqual(listens, [f"--web.listen-address=:{port['containerPort']}"])
        (served,) = self.the("Service")["spec"]["ports"]
        self.assertEqual((served["port"], served["targetPort"]), (port["containerPort"], port["name"]))
        for health in ("livenessProbe", "readinessProbe"):
            self.assertEqual(self.container[health]["httpGet"]["port"], port["name"])
        (endpoint,) = self.the("ServiceMonitor")["spec"]["endpoints"]
        self.assertEqual(endpoint["port"], served["name"])
        (ingress,) = self.the("NetworkPolicy")["spec"]["ingress"]
        self.assertEqual([one["port"] for one in ingress["ports"]], [port["name"]])
        service = self.the("Service")["metadata"]["name"]
        namespace = self.the("Kustomization")["namespace"]
        for probe in self.of("Probe"):
            self.assertEqual(probe["spec"]["prober"]["url"], f"{service}.{namespace}.svc:{served['port']}")

    def test_volumes(self):
        volumes = {one["name"]: one for one in self.pod["spec"]["volumes"]}
        mounts = {one["name"]: one for one in self.container["volumeMounts"]}
        self.assertEqual(set(volumes), set(mounts))
        self.assertTrue(all(one["readOnly"] for one in mounts.values()))
        (made,) = self.the("Kustomization")["configMapGenerator"]
        self.assertEqual(volumes["config"]["configMap"]["name"], made["name"])
        self.assertIn(f"--config.file={mounts['config']['mountPath']}/{made['files'][0]}", self.container["args"])
        # Files of the secret that the sample of a module names.
        for path in re.findall(r"_file: (\S+)", (DEPLOYED / "smtp-probe.yml").read_text()):
            self.assertTrue(path.startswith(mounts["secrets"]["mountPath"] + "/"), path)

    def test_hardening(self):
        pod, container = self.pod["spec"], self.container["securityContext"]
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertGreater(pod["securityContext"]["runAsUser"], 0)
        self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(container, {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                     "capabilities": {"drop": ["ALL"]}})
        self.assertIs(pod["automountServiceAccountToken"], False)
        waits = self.container["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.assertGreater(pod["terminationGracePeriodSeconds"], LONGEST_DEADLINE + waits)


class Product(ManifestCase):

    def test_flags(self):
        flags = set(re.findall(r"--[a-z][\w.-]+", self.run_once("--help").stdout))
        used = {one.split("=")[0] for one in self.container["args"]}
        self.assertLessEqual(used, flags)
        self.assertEqual(self.container["command"], ["/usr/bin/smtp_probe_exporter"])

    def test_configuration(self):
        done = self.run_once("--config.check", f"--config.file={DEPLOYED / 'smtp-probe.yml'}")
        self.assertEqual(done.returncode, 0, done.stderr)
        # What is commented out is good too; the secret is where the pod would have it.
        text = (DEPLOYED / "smtp-probe.yml").read_text()
        whole = re.sub(r"(?m)^  #(?=\w|  )", "  ", text)
        self.assertNotEqual(whole, text)
        secret = self.file("secret", "secret")
        config = self.file("whole.yml", re.sub(r"(?<=password_file: )\S+", str(secret), whole))
        done = self.run_once("--config.check", f"--config.file={config}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_runs_with_its_arguments(self):
        """In a network of its own, on the port of the manifest; its probes of health are answered there, and the
        modules and targets of each Probe object are served."""
        lacking = namespaces.missing()
        if lacking:
            self.skipTest(lacking)
        (made,) = self.the("Kustomization")["configMapGenerator"]
        arguments = [one.replace("/etc/smtp-probe", str(DEPLOYED)) for one in self.container["args"]]
        self.assertTrue((DEPLOYED / made["files"][0]).exists())
        address = ("127.0.0.1", self.container["ports"][0]["containerPort"])

        def ask(path):
            with Connection(address) as connection:
                return connection.request(path, headers=[("X-Prometheus-Scrape-Timeout-Seconds", "1")])

        with contextlib.ExitStack() as stack:
            stack.enter_context(namespaces.own_network())
            exporter = subprocess.Popen([EXPORTER, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=environment())
            stack.callback(exporter.wait)
            stack.callback(exporter.kill)

            def ready():
                with contextlib.suppress(OSError):
                    return ask(self.container["readinessProbe"]["httpGet"]["path"]).status == 200
                return exporter.poll() is not None
            peers.wait_until(ready, "not ready", PATIENCE)
            self.assertEqual(ask(self.container["livenessProbe"]["httpGet"]["path"]).status, 200)
            (endpoint,) = self.the("ServiceMonitor")["spec"]["endpoints"]
            self.assertEqual(ask(endpoint["path"]).status, 200)
            for probe in self.of("Probe"):
                spec = probe["spec"]
                for target in spec["targets"]["staticConfig"]["static"]:
                    # There is no name server here, but module and target are allowed.
                    answer = ask(f"{spec['prober']['path']}?module={spec['module']}&target={target}")
                    self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(ask("/probe?module=mx&target=mx.elsewhere.test").status, 403)
            exporter.terminate()
            self.assertEqual(exporter.wait(PATIENCE), 0)


class Monitoring(ManifestCase):

    def test_rules_are_those_of_the_dashboards(self):
        done = subprocess.run([PYTHON, ROOT / "scripts" / "prometheus-rule.py", "--check"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        wanted = [documents((ROOT / "dashboards" / f"smtp_{name}.yml").read_text())[0] for name in ("rules", "alerts")]
        self.assertEqual([one["spec"] for one in self.of("PrometheusRule")], wanted)

    def test_rules(self):
        for one in self.of("PrometheusRule"):
            rules = self.file("rules.yml", json.dumps(one["spec"]))
            code, said = promtool("check", "rules", rules)
            self.assertEqual(code, 0, said)

    def test_jobs(self):
        """The job of the exporter's own metrics is the one that the alerts ask for."""
        asked = set(re.findall(r'up\{job="(\w+)"\}', json.dumps(self.of("PrometheusRule")).replace("\\", "")))
        self.assertEqual(asked, {OWN_JOB})
        (endpoint,) = self.the("ServiceMonitor")["spec"]["endpoints"]
        self.assertIn({"targetLabel": "job", "replacement": OWN_JOB}, endpoint["relabelings"])
        for probe in self.of("Probe"):
            self.assertNotEqual(probe["spec"]["jobName"], OWN_JOB)

    def test_scrape_configurations(self):
        """What the operator makes of the objects, as far as they say it, is good for Prometheus; `instance` is the
        target and `module` the module."""
        jobs = []
        for probe in self.of("Probe"):
            spec, static = probe["spec"], probe["spec"]["targets"]["staticConfig"]
            self.assertLess(float(spec["scrapeTimeout"].rstrip("s")), 60)
            jobs.append({
                "job_name": f"probe/{probe['metadata']['name']}", "scrape_interval": spec["interval"],
                "scrape_timeout": spec["scrapeTimeout"], "scheme": spec["prober"]["scheme"],
                "metrics_path": spec["prober"]["path"], "params": {"module": [spec["module"]]},
                "static_configs": [{"targets": static["static"]}],
                "relabel_configs": [
                    {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"},
                    {"target_label": "job", "replacement": spec["jobName"]},
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": spec["prober"]["url"]},
                    *({re.sub("[A-Z]", lambda one: "_" + one[0].lower(), name): value for name, value in rule.items()}
                      for rule in static["relabelingConfigs"])]})
        config = self.file("prometheus.json", json.dumps({"scrape_configs": jobs}))
        for number, probe in enumerate(self.of("Probe")):
            code, said = promtool("check", "service-discovery", "--timeout=2s", config, jobs[number]["job_name"])
            self.assertEqual(code, 0, said)
            found = [one["labels"] for one in json.loads(said)]
            self.assertEqual({one["instance"] for one in found},
                             set(probe["spec"]["targets"]["staticConfig"]["static"]))
            self.assertEqual({(one["module"], one["job"]) for one in found},
                             {(probe["spec"]["module"], probe["spec"]["jobName"])})
