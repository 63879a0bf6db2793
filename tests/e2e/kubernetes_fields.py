"""The fields that the manifests of deploy/kubernetes may have, with their types: the part of the API's schemas that
they use. There is no cluster to ask; a field that is not here is taken for a misspelt one. A name that ends in `!` must
be there."""

QUANTITY = ("quantity",)
PORT = ("port",)
MAP = {"*": str}
META = {"name!": str, "namespace": str, "labels": MAP, "annotations": MAP}
SELECTOR = {"matchLabels!": MAP}
HTTP_GET = {"path!": str, "port!": PORT, "scheme": str}
HEALTH = {"httpGet!": HTTP_GET, "periodSeconds": int, "failureThreshold": int, "timeoutSeconds": int,
          "initialDelaySeconds": int}
CONTAINER = {
    "name!": str, "image!": str, "imagePullPolicy": str, "command": [str], "args": [str],
    "ports": [{"name": str, "containerPort!": int, "protocol": str}],
    "env": [{"name!": str, "value": str}],
    "lifecycle": {"preStop": {"exec": {"command!": [str]}, "sleep": {"seconds!": int}}},
    "livenessProbe": HEALTH, "readinessProbe": HEALTH, "startupProbe": HEALTH,
    "resources": {"requests": {"cpu": QUANTITY, "memory": QUANTITY}, "limits": {"cpu": QUANTITY, "memory": QUANTITY}},
    "securityContext": {"allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool, "capabilities": {"drop": [str]}},
    "volumeMounts": [{"name!": str, "mountPath!": str, "readOnly": bool, "subPath": str}],
}
POD = {
    "automountServiceAccountToken": bool, "enableServiceLinks": bool, "terminationGracePeriodSeconds": int,
    "serviceAccountName": str, "nodeSelector": MAP,
    "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int,
                        "seccompProfile": {"type!": str}},
    "topologySpreadConstraints": [{"maxSkew!": int, "topologyKey!": str, "whenUnsatisfiable!": str,
                                   "labelSelector": SELECTOR}],
    "containers!": [CONTAINER],
    "volumes": [{"name!": str, "configMap": {"name!": str}, "emptyDir": {},
                 "secret": {"secretName!": str, "optional": bool, "defaultMode": int}}],
}
RELABEL = {"sourceLabels": [str], "targetLabel": str, "replacement": str, "regex": str, "action": str}
RULE = {"record": str, "alert": str, "expr!": str, "for": str, "labels": MAP, "annotations": MAP}
NETWORK_PORT = {"port": PORT, "protocol": str}

# (apiVersion, kind) -> what stands beside these two.
KINDS = {
    ("apps/v1", "Deployment"): {"metadata!": META, "spec!": {
        "replicas": int, "selector!": SELECTOR,
        "strategy": {"type": str, "rollingUpdate": {"maxUnavailable": PORT, "maxSurge": PORT}},
        "template!": {"metadata!": {"labels!": MAP, "annotations": MAP}, "spec!": POD}}},
    ("v1", "Service"): {"metadata!": META, "spec!": {
        "selector!": MAP, "type": str, "clusterIP": str,
        "ports!": [{"name": str, "port!": int, "targetPort": PORT, "protocol": str}]}},
    ("policy/v1", "PodDisruptionBudget"): {"metadata!": META, "spec!": {
        "minAvailable": PORT, "maxUnavailable": PORT, "selector!": SELECTOR}},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"metadata!": META, "spec!": {
        "podSelector!": SELECTOR, "policyTypes": [str],
        "ingress": [{"from": [{"namespaceSelector": SELECTOR, "podSelector": SELECTOR}], "ports": [NETWORK_PORT]}],
        "egress": [{"ports": [NETWORK_PORT]}]}},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"metadata!": META, "spec!": {
        "selector!": SELECTOR, "jobLabel": str,
        "endpoints!": [{"port": str, "path": str, "interval": str, "scrapeTimeout": str, "relabelings": [RELABEL]}]}},
    ("monitoring.coreos.com/v1", "Probe"): {"metadata!": META, "spec!": {
        "jobName": str, "interval": str, "scrapeTimeout": str, "module": str,
        "prober": {"url!": str, "scheme": str, "path": str},
        "targets": {"staticConfig": {"static!": [str], "labels": MAP, "relabelingConfigs": [RELABEL]}}}},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {"metadata!": META, "spec!": {
        "groups!": [{"name!": str, "interval": str, "rules!": [RULE]}]}},
    ("kustomize.config.k8s.io/v1beta1", "Kustomization"): {
        "namespace": str, "resources": [str], "configMapGenerator": [{"name!": str, "files": [str]}],
        "images": [{"name!": str, "newName": str, "newTag": str}]},
}


def faults(value, wanted, where):
    """What is wrong with a value, each with its path."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{where}: not a map: {value!r}"]
        known = {name.rstrip("!"): one for name, one in wanted.items()}
        found = [f"{where}.{name[:-1]}: missing" for name in wanted if name.endswith("!") and name[:-1] not in value]
        for name, one in value.items():
            if name not in known and "*" not in known:
                found.append(f"{where}.{name}: unknown")
            else:
                found += faults(one, known.get(name, known.get("*")), f"{where}.{name}")
        return found
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{where}: not a list: {value!r}"]
        return [fault for i, one in enumerate(value) for fault in faults(one, wanted[0], f"{where}[{i}]")]
    types = {QUANTITY: (str, int), PORT: (int, str)}.get(wanted, wanted)
    # In Python a bool is an int.
    right = isinstance(value, types) and not (isinstance(value, bool) and wanted is not bool)
    return [] if right else [f"{where}: {value!r} is of another type"]


def faults_of(manifest):
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind not in KINDS:
        return [f"{kind}: unknown"]
    rest = {name: one for name, one in manifest.items() if name not in ("apiVersion", "kind")}
    return faults(rest, KINDS[kind], kind[1])
