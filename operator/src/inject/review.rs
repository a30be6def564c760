//! One question of the API server, and its answer. Always "yes": a pod without a sidecar is better than no pod.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};

use super::plan::{Operation, plan};
use super::refusal::Refusal;
use super::{Settings, is_exempt};

/// The API server cuts longer ones.
const MOST_WARNING_BYTES: usize = 250;

/// A question that cannot be answered.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the AdmissionReview: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

/// What became of a pod; a label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It gets a sidecar, or what it lacked of one.
    Patched,
    /// Nothing is missing, or it wants none.
    Unchanged,
    /// It asks for one and cannot have it.
    Refused,
}

#[derive(Deserialize)]
struct Question {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    uid: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    operation: String,
    object: Pod,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Answers an AdmissionReview. `old` is the version of a cluster that is too old for a sidecar.
pub fn answer(body: &[u8], settings: &Settings, old: Option<&str>) -> Result<(Vec<u8>, Outcome), Unreadable> {
    let Question { request } = serde_json::from_slice(body)?;
    let planned = planned(&request, settings, old);
    let (patch, warnings, outcome) = match planned {
        Ok(operations) if operations.is_empty() => (None, Vec::new(), Outcome::Unchanged),
        Ok(operations) => {
            let patch = serde_json::to_vec(&operations).expect("a patch serialises");
            (Some(ByteString(patch)), Vec::new(), Outcome::Patched)
        }
        Err(refusal) => (None, vec![warning(&refusal)], Outcome::Refused),
    };
    let patch_type = patch.is_some().then_some("JSONPatch");
    let response = Response { uid: request.uid, allowed: true, patch_type, patch, warnings };
    let answer = Answer { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    Ok((serde_json::to_vec(&answer).expect("an answer serialises"), outcome))
}

/// The selectors of the webhook's configuration have judged namespace and label already; this judges again what it can see.
fn planned(request: &Request, settings: &Settings, old: Option<&str>) -> Result<Vec<Operation>, Refusal> {
    let asked = request.operation == "CREATE" && !is_exempt(&request.namespace, &settings.root_namespace);
    if !asked {
        return Ok(Vec::new());
    }
    let operations = plan(&request.object, settings)?;
    match old {
        Some(version) if !operations.is_empty() => Err(Refusal::OldKubernetes(version.to_owned())),
        _ => Ok(operations),
    }
}

fn warning(refusal: &Refusal) -> String {
    let text = format!("pointsman: no sidecar: {refusal}");
    text[..text.floor_char_boundary(MOST_WARNING_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::super::settings::example;
    use super::*;

    fn review(namespace: &str, operation: &str, spec: Value, old: Option<&str>) -> (Value, Outcome) {
        let question = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "namespace": namespace, "operation": operation,
                "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bot"}, "spec": spec},
            },
        });
        let (answer, outcome) = answer(question.to_string().as_bytes(), &example(), old).unwrap();
        (serde_json::from_slice(&answer).unwrap(), outcome)
    }

    fn plain() -> Value {
        json!({"containers": [{"name": "app", "image": "app"}]})
    }

    #[test]
    fn a_pod_is_admitted_with_its_patch() {
        let (answer, outcome) = review("shop", "CREATE", plain(), None);
        let response = &answer["response"];
        assert_eq!(outcome, Outcome::Patched);
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(true)));
        assert_eq!(response["patchType"], "JSONPatch");
        let patch: ByteString = serde_json::from_value(response["patch"].clone()).unwrap();
        let patch: Value = serde_json::from_slice(&patch.0).unwrap();
        assert!(patch.as_array().unwrap().iter().all(|operation| operation["op"] == "add"), "{patch}");
    }

    #[test]
    fn a_pod_that_cannot_have_a_sidecar_is_admitted_with_a_warning() {
        let mut spec = plain();
        spec["hostNetwork"] = json!(true);
        let (answer, outcome) = review("shop", "CREATE", spec, None);
        assert_eq!(outcome, Outcome::Refused);
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(answer["response"]["patch"], Value::Null);
        let warning = answer["response"]["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("pointsman: no sidecar: hostNetwork:"), "{warning}");
        let (answer, _) = review("shop", "CREATE", plain(), Some("1.32"));
        let warning = answer["response"]["warnings"][0].as_str().unwrap();
        assert!(warning.ends_with("Kubernetes 1.32; injection needs 1.33 or newer"), "{warning}");
    }

    #[test]
    fn what_is_none_of_our_business_is_left_alone() {
        for (namespace, operation) in
            [("kube-system", "CREATE"), ("pointsman-system", "CREATE"), ("shop", "UPDATE")]
        {
            let (answer, outcome) = review(namespace, operation, plain(), None);
            assert_eq!(outcome, Outcome::Unchanged, "{namespace} {operation}");
            assert_eq!(answer["response"], json!({"uid": "u-1", "allowed": true}));
        }
    }

    #[test]
    fn what_is_no_review_is_an_error() {
        assert!(answer(b"{}", &example(), None).is_err());
        assert!(answer(b"", &example(), None).is_err());
    }
}
