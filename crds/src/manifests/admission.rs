//! What stands between people and pods: the webhook that injects, and the policies that keep what is ours to our container.
//!
//! The webhook's `caBundle` is not here: the operator owns that field. Nothing here names an image: the operator lists its
//! own in a ConfigMap, which one policy takes as its parameter.

use serde_json::{Value, json};

use super::rbac::{ROOT_NAMESPACE, labels};

/// The label that asks for a sidecar, on a namespace or a pod; `disabled` on either refuses it.
const INJECT: &str = "pointsman.dev/inject";
/// Our container, and the volumes of it that nobody else may mount.
const CONTAINER: &str = "pointsman";
const PRIVATE_VOLUMES: &str = "['pointsman-token', 'pointsman-keys', 'pointsman-state']";
const AUDIENCE: &str = "pointsman.dev/sidecar";
/// Lists the images that the operator has injected.
const IMAGES: &str = "pointsman-sidecar";
/// Namespaces that no webhook of ours may ever keep from working.
const NEVER: [&str; 4] = [ROOT_NAMESPACE, "kube-system", "kube-public", "kube-node-lease"];

/// The files under `manifests/admission/`, by name.
pub(super) fn files() -> Vec<(&'static str, Vec<Value>)> {
    vec![("webhook", vec![webhook()]), ("policies", policies())]
}

/// Two entries, because the selectors of one are ANDed: a namespace that asks, and a pod that asks by itself.
fn webhook() -> Value {
    let by_namespace = [
        requirement(INJECT, "In", &["enabled"]),
        requirement("kubernetes.io/metadata.name", "NotIn", &NEVER),
    ];
    let by_pod = [
        requirement(INJECT, "NotIn", &["enabled", "disabled"]),
        requirement("kubernetes.io/metadata.name", "NotIn", &NEVER),
    ];
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "pointsman", "labels": labels() },
        "webhooks": [
            entry("namespace.inject.pointsman.dev", &by_namespace, &requirement(INJECT, "NotIn", &["disabled"])),
            entry("pod.inject.pointsman.dev", &by_pod, &requirement(INJECT, "In", &["enabled"])),
        ],
    })
}

fn entry(name: &str, namespaces: &[Value], pods: &Value) -> Value {
    json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": { "name": "pointsman", "namespace": ROOT_NAMESPACE, "path": "/mutate", "port": 443 },
        },
        // With one replica of the operator; with more, `Fail`.
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": { "matchExpressions": namespaces },
        "objectSelector": { "matchExpressions": [pods] },
        "reinvocationPolicy": "IfNeeded",
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
            "scope": "Namespaced",
        }],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    })
}

fn policies() -> Vec<Value> {
    [vec![images()], pods(), image(), exec(), tokens()].concat()
}

/// The list, empty: it stands before the operator has started, so that no image passes for ours until then. What the
/// operator has written outlives the release: pods that run its images do too.
fn images() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": IMAGES, "namespace": ROOT_NAMESPACE, "labels": labels(),
            "annotations": { "helm.sh/resource-policy": "keep" },
        },
    })
}

/// The final pod, when it is created, changed, or given a container to debug with.
fn pods() -> Vec<Value> {
    let rules =
        json!([rule(&["CREATE", "UPDATE"], &["pods"]), rule(&["UPDATE"], &["pods/ephemeralcontainers"]),]);
    let variables = json!([
        { "name": "inits", "expression": "has(object.spec.initContainers) ? object.spec.initContainers : []" },
        { "name": "debuggers", "expression": "has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : []" },
        { "name": "volumes", "expression": "has(object.spec.volumes) ? object.spec.volumes : []" },
        { "name": "ours", "expression": format!("variables.inits.filter(c, c.name == '{CONTAINER}')") },
        { "name": "before", "expression": format!(
            "oldObject != null && has(oldObject.spec.initContainers) ? oldObject.spec.initContainers.filter(c, c.name == '{CONTAINER}').map(c, c.image) : []") },
    ]);
    let apart = |list: &str, condition: &str| {
        format!(
            "{list}.all(c, {condition}!has(c.volumeMounts) || c.volumeMounts.all(m, !(m.name in {PRIVATE_VOLUMES})))"
        )
    };
    let mounted = "only the init container \"pointsman\" may mount the volumes pointsman-token, pointsman-keys and pointsman-state: remove the mount";
    let validations = json!([
        validation(&apart("variables.inits", &format!("c.name == '{CONTAINER}' || ")), mounted),
        validation(&apart("object.spec.containers", ""), mounted),
        validation(&apart("variables.debuggers", ""), mounted),
        validation(
            &format!(
                "variables.debuggers.all(c, !has(c.targetContainerName) || c.targetContainerName != '{CONTAINER}')"
            ),
            "a debugging container may not share processes with the container \"pointsman\": choose another target",
        ),
        validation(
            &format!(
                "variables.volumes.all(v, v.name == 'pointsman-token' || !has(v.projected) || !has(v.projected.sources) || v.projected.sources.all(s, !has(s.serviceAccountToken) || !has(s.serviceAccountToken.audience) || s.serviceAccountToken.audience != '{AUDIENCE}'))"
            ),
            "tokens for audience pointsman.dev/sidecar belong into the volume pointsman-token: remove the source",
        ),
        validation(
            "variables.ours.all(c, has(c.restartPolicy) && c.restartPolicy == 'Always' && !has(c.command) && !has(c.lifecycle) && !has(c.env) && !has(c.envFrom) && has(c.args) && c.args.size() >= 2 && c.args[0] == 'sidecar' && c.args[1] == 'run')",
            "the init container \"pointsman\" runs \"sidecar run\" with restartPolicy Always, and without a command, hooks or variables of its own: leave it as it was injected",
        ),
        validation(
            "variables.ours.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, m.name in ['pointsman-token', 'pointsman-trust', 'pointsman-keys', 'pointsman-state'] || m.name.startsWith('kube-api-access-')))",
            "the init container \"pointsman\" may mount no volume that others write: remove the mount",
        ),
        validation(
            "variables.volumes.all(v, !(v.name in ['pointsman-keys', 'pointsman-state']) || has(v.emptyDir))",
            "the volumes pointsman-keys and pointsman-state are emptyDirs: rename the other volume",
        ),
        validation(
            "variables.ours.size() == 0 || ((!has(object.spec.shareProcessNamespace) || !object.spec.shareProcessNamespace) && (!has(object.spec.hostPID) || !object.spec.hostPID))",
            "a pod with the container \"pointsman\" may not share processes (shareProcessNamespace, hostPID): other containers could read its memory",
        ),
        validation(
            "variables.before.size() == 0 || variables.ours.map(c, c.image) == variables.before",
            "the image of the container \"pointsman\" may not be changed in a pod: recreate the pod",
        ),
    ]);
    // Pods that have nothing of ours are none of our business.
    let ours = format!(
        "(has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == '{CONTAINER}')) || (has(object.spec.volumes) && object.spec.volumes.exists(v, v.name in {PRIVATE_VOLUMES} || (has(v.projected) && has(v.projected.sources) && v.projected.sources.exists(s, has(s.serviceAccountToken) && has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience == '{AUDIENCE}'))))"
    );
    let spec = json!({
        "matchConditions": [{ "name": "has-something-of-ours", "expression": ours }],
        "variables": variables,
        "validations": validations,
    });
    policy("pointsman-pods", rules, spec, None)
}

/// Whoever calls itself our container must be it.
fn image() -> Vec<Value> {
    let named = format!(
        "has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == '{CONTAINER}')"
    );
    let known = format!(
        "object.spec.initContainers.all(c, c.name != '{CONTAINER}' || (has(params.data) && params.data.exists(k, params.data[k] == c.image)))"
    );
    let spec = json!({
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "matchConditions": [{ "name": "has-our-container", "expression": named }],
        "validations": [validation(&known,
            "the image of the init container \"pointsman\" is not one that the operator injects (ConfigMap pointsman-sidecar lists them): leave the container out, and it is injected")],
    });
    // A missing parameter counts before the match conditions: with Deny, nobody in the cluster could create any pod once the
    // list is deleted. With Allow, whoever may delete it gets ten seconds without this check.
    let parameter =
        json!({ "name": IMAGES, "namespace": ROOT_NAMESPACE, "parameterNotFoundAction": "Allow" });
    policy("pointsman-image", json!([rule(&["CREATE"], &["pods"])]), spec, Some(parameter))
}

/// Nobody needs a process in our container.
fn exec() -> Vec<Value> {
    let rules = json!([rule(&["CONNECT"], &["pods/exec", "pods/attach"])]);
    let spec = json!({
        "validations": [validation(
            &format!("!has(object.container) || object.container != '{CONTAINER}'"),
            "nobody may run or attach to anything in the container \"pointsman\": see its logs, and /metrics on port 14101")],
    });
    policy("pointsman-exec", rules, spec, None)
}

/// Tokens that open the operator's streams are for kubelets to fetch, and for whoever may do everything.
fn tokens() -> Vec<Value> {
    let rules = json!([rule(&["CREATE"], &["serviceaccounts/token"])]);
    let asked = format!("has(object.spec.audiences) && object.spec.audiences.exists(a, a == '{AUDIENCE}')");
    let spec = json!({
        "matchConditions": [{ "name": "for-our-audience", "expression": asked }],
        "validations": [validation(
            "'system:nodes' in request.userInfo.groups || authorizer.group('pointsman.dev').resource('sidecartokens').check('create').allowed()",
            "tokens for audience pointsman.dev/sidecar are projected into injected pods; whoever must ask for one needs create on sidecartokens.pointsman.dev")],
    });
    policy("pointsman-tokens", rules, spec, None)
}

/// A policy and its binding. They hold in every namespace but those that no webhook of ours touches.
fn policy(name: &str, rules: Value, mut spec: Value, parameter: Option<Value>) -> Vec<Value> {
    spec["failurePolicy"] = json!("Fail");
    let namespaces =
        json!({ "matchExpressions": [requirement("kubernetes.io/metadata.name", "NotIn", &NEVER)] });
    spec["matchConstraints"] = json!({ "namespaceSelector": namespaces, "resourceRules": rules });
    let mut binding = json!({ "policyName": name, "validationActions": ["Deny"] });
    if let Some(parameter) = parameter {
        binding["paramRef"] = parameter;
    }
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": { "name": name, "labels": labels() }, "spec": spec,
        })
    };
    vec![object("ValidatingAdmissionPolicy", spec), object("ValidatingAdmissionPolicyBinding", binding)]
}

fn validation(expression: &str, message: &str) -> Value {
    json!({ "expression": expression, "message": message, "reason": "Forbidden" })
}

fn rule(operations: &[&str], resources: &[&str]) -> Value {
    json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": resources })
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({ "key": key, "operator": operator, "values": values })
}
