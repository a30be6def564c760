//! What is the sidecar's stays the sidecar's: when a pod is created, changed, or debugged.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use pointsman_test_support::{LONG, wait_for};
use serde_json::{Value, json};

use crate::fixture::{AUDIENCE, ROOT, cluster, create, injected, plain, shared};
use crate::patch::{apply, planned};

/// A pod as the webhook leaves it.
fn whole() -> Value {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bot"}, "spec": plain()});
    let patch = planned(&pod).unwrap();
    apply(&pod, &patch)
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = whole();
    change(&mut pod["spec"]);
    pod
}

#[tokio::test]
async fn nobody_else_gets_what_is_ours_by_creating_a_pod() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("policies").await?;
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let mount = |name: &str| json!([{"name": name, "mountPath": "/stolen"}]);
    let token =
        json!({"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "t"}});
    wait_for("the policies are in force", LONG, || async {
        let stolen = changed(|spec| spec["containers"][0]["volumeMounts"] = mount("pointsman-keys"));
        Ok(create(&api, &stolen, true).await.is_err().then_some(()))
    })
    .await?;
    create(&api, &whole(), true).await?;
    let init = |spec: &mut Value, container: Value| {
        spec["initContainers"].as_array_mut().unwrap().push(container);
    };
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            "keys in the application",
            changed(|spec| spec["containers"][0]["volumeMounts"] = mount("pointsman-keys")),
            "only the init container \"pointsman\" may mount",
        ),
        (
            "token in the application",
            changed(|spec| spec["containers"][0]["volumeMounts"] = mount("pointsman-token")),
            "only the init container \"pointsman\" may mount",
        ),
        (
            "state in an init container",
            changed(|spec| {
                init(spec, json!({"name": "i", "image": "i", "volumeMounts": mount("pointsman-state")}));
            }),
            "only the init container \"pointsman\" may mount",
        ),
        (
            "our audience in another volume",
            changed(|spec| {
                spec["volumes"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"name": "x", "projected": {"sources": [token]}}));
                spec["containers"][0]["volumeMounts"] = mount("x");
            }),
            "tokens for audience pointsman.dev/sidecar belong into the volume pointsman-token",
        ),
        (
            "another image under our name",
            changed(|spec| spec["initContainers"][0]["image"] = json!("registry.example/mine:1")),
            "is not one that the operator injects",
        ),
        (
            "a command of its own",
            changed(|spec| spec["initContainers"][0]["command"] = json!(["/bin/sh"])),
            "leave it as it was injected",
        ),
        (
            "other arguments",
            changed(|spec| spec["initContainers"][0]["args"] = json!(["run"])),
            "leave it as it was injected",
        ),
        (
            "variables of its own",
            changed(|spec| {
                spec["initContainers"][0]["env"] = json!([{"name": "POINTSMAN_CA_FILE", "value": "/x"}])
            }),
            "leave it as it was injected",
        ),
        (
            "a hook",
            changed(|spec| {
                spec["initContainers"][0]["lifecycle"] = json!({"postStart": {"exec": {"command": ["x"]}}})
            }),
            "leave it as it was injected",
        ),
        (
            "no sidecar but a container that ends",
            changed(|spec| drop(spec["initContainers"][0].as_object_mut().unwrap().remove("restartPolicy"))),
            "restartPolicy",
        ),
        (
            "a volume of others in our container",
            changed(|spec| {
                spec["volumes"].as_array_mut().unwrap().push(json!({"name": "data", "emptyDir": {}}));
                let mounts = spec["initContainers"][0]["volumeMounts"].as_array_mut().unwrap();
                mounts.push(json!({"name": "data", "mountPath": "/data"}));
            }),
            "may mount no volume that others write",
        ),
        (
            "keys on a disk",
            changed(|spec| {
                spec["volumes"][3] = json!({"name": "pointsman-keys", "hostPath": {"path": "/tmp"}});
            }),
            "are emptyDirs",
        ),
        (
            "shared processes",
            changed(|spec| spec["shareProcessNamespace"] = json!(true)),
            "may not share processes",
        ),
        ("the node's processes", changed(|spec| spec["hostPID"] = json!(true)), "may not share processes"),
    ];
    for (case, pod, message) in cases {
        let refused = create(&api, &pod, true).await.err().unwrap_or_else(|| panic!("{case} was taken"));
        assert!(refused.to_string().contains(message), "{case}: {refused}");
    }
    // A pod that has nothing of ours is none of our business, whatever it shares.
    let mut other = json!({"metadata": {"name": "other"}, "spec": plain()});
    other["spec"]["shareProcessNamespace"] = json!(true);
    create(&api, &other, true).await?;
    Ok(())
}

/// Before the operator has started for the first time its list of images is empty: nothing passes for ours, and everything
/// else is created as ever; so it is when the list was deleted.
#[tokio::test]
async fn without_an_operator_the_policies_keep_nobody_from_creating_ordinary_pods() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let namespace = control_plane.create_namespace("ordinary").await?;
    let api: Api<Pod> = Api::namespaced(control_plane.new_client().await?, &namespace);
    let ordinary = json!({"metadata": {"name": "ordinary"}, "spec": plain()});
    let refused = async || create(&api, &whole(), true).await.err().map(|error| error.to_string());
    wait_for("an image that nobody lists is refused", LONG, || async {
        let refused = refused().await;
        Ok(refused.filter(|why| why.contains("is not one that the operator injects")).map(drop))
    })
    .await?;
    create(&api, &ordinary, true).await?;
    control_plane.run_kubectl(&["delete", "configmap", "pointsman-sidecar", "-n", ROOT]).await?;
    wait_for("the list is gone", LONG, || async { Ok(refused().await.is_none().then_some(())) }).await?;
    create(&api, &ordinary, true).await?;
    Ok(())
}

#[tokio::test]
async fn nor_by_changing_or_debugging_one_that_runs() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("running").await?;
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    injected(&shared, namespace, "bot").await?;
    let image =
        json!({"spec": {"initContainers": [{"name": "pointsman", "image": "registry.example/mine:1"}]}});
    let params = PatchParams::default();
    let swapped = api.patch("bot", &params, &Patch::Strategic(&image)).await;
    let refused = swapped.expect_err("our image stays").to_string();
    assert!(refused.contains("may not be changed in a pod"), "{refused}");
    let theirs = json!({
        "metadata": {"labels": {"tier": "gold"}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:2"}]},
    });
    api.patch("bot", &params, &Patch::Strategic(&theirs)).await?;
    for (case, container, message) in [
        ("our processes", json!({"targetContainerName": "pointsman"}), "may not share processes"),
        (
            "our keys",
            json!({"volumeMounts": [{"name": "pointsman-keys", "mountPath": "/k"}]}),
            "only the init container \"pointsman\" may mount",
        ),
    ] {
        let mut debugger = json!({"name": "shell", "image": "registry.example/shell:1"});
        debugger.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let patch = json!({"spec": {"ephemeralContainers": [debugger]}});
        let added = api.patch_ephemeral_containers("bot", &params, &Patch::Strategic(&patch)).await;
        let refused = added.err().unwrap_or_else(|| panic!("{case} was shared")).to_string();
        assert!(refused.contains(message), "{case}: {refused}");
    }
    let fine = json!({"name": "shell", "image": "registry.example/shell:1", "targetContainerName": "app"});
    let patch = json!({"spec": {"ephemeralContainers": [fine]}});
    api.patch_ephemeral_containers("bot", &params, &Patch::Strategic(&patch)).await?;
    let exec = |container: &'static str| async move {
        let arguments = ["exec", "-n", namespace, "bot", "-c", container, "--", "/pointsman"];
        shared.control_plane.run_kubectl(&arguments).await.expect_err("no node runs it").to_string()
    };
    let refused = exec("pointsman").await;
    assert!(refused.contains("nobody may run or attach to anything"), "{refused}");
    let unscheduled = exec("app").await;
    assert!(!unscheduled.contains("nobody may run"), "{unscheduled}");
    Ok(())
}

#[tokio::test]
async fn tokens_of_our_audience_are_for_kubelets_and_for_whoever_may_do_everything() -> anyhow::Result<()> {
    let shared = shared().await?;
    let control_plane = shared.control_plane;
    let namespace = &control_plane.create_namespace("minting").await?;
    // As the stock role `edit` gives it.
    control_plane
        .apply_yaml(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: editor, namespace: {namespace}}}\nrules: [{{apiGroups: [\"\"], resources: [serviceaccounts/token], verbs: [create]}}]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: editor, namespace: {namespace}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: editor}}\nsubjects: [{{kind: User, name: eve}}]\n"
        ))
        .await?;
    let mint = |audience: &'static str| {
        let arguments = [
            "create",
            "token",
            "default",
            "-n",
            namespace,
            "--audience",
            audience,
            "--as=eve",
            "--as-group=devs",
        ];
        async move { control_plane.run_kubectl(&arguments).await }
    };
    wait_for("eve may mint other tokens", LONG, || async { Ok(Some(mint("elsewhere").await?)) }).await?;
    let refused = mint(AUDIENCE).await.expect_err("not ours").to_string();
    assert!(refused.contains("are projected into injected pods"), "{refused}");
    // A kubelet, for a pod of its own node.
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let mut pod = json!({"metadata": {"name": "bot"}, "spec": plain()});
    pod["spec"]["nodeName"] = json!("node-1");
    let uid = create(&api, &pod, false).await?.metadata.uid.unwrap();
    let bound = ["--bound-object-kind=Pod", "--bound-object-name=bot", &format!("--bound-object-uid={uid}")];
    let kubelet = ["--as=system:node:node-1", "--as-group=system:nodes"];
    let arguments =
        [&["create", "token", "default", "-n", namespace, "--audience", AUDIENCE][..], &bound, &kubelet];
    wait_for("the kubelet gets its token", LONG, || async {
        control_plane.run_kubectl(&arguments.concat()).await?;
        Ok(Some(()))
    })
    .await
}
