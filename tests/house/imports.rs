//! Who imports whom. The rules are those of ARCHITECTURE.md; a change there is a change here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::root;

/// Which of our crates each of our crates may import, outside of its tests.
const EDGES: [(&str, &[&str]); 12] = [
    ("crds", &[]),
    ("config", &[]),
    ("core", &["config"]),
    ("wire", &["config"]),
    ("models", &["config"]),
    ("train", &["config", "models"]),
    ("simulated", &["config"]),
    ("sidecar", &["config", "core", "wire", "models", "simulated"]),
    ("operator", &["crds", "config", "core", "models"]),
    ("cli", &["crds", "config", "core", "wire", "models", "simulated", "sidecar", "operator", "train"]),
    ("test-support", &[]),
    ("tests", &[]),
];

const KUBERNETES: [&str; 4] = ["kube", "kube-client", "kube-core", "k8s-openapi"];
const INPUT_OUTPUT: [&str; 6] = ["tokio", "hyper", "hyper-util", "tonic", "rustls", "reqwest"];
const CHANCE: [&str; 3] = ["rand", "fastrand", "getrandom"];

/// What each crate never reaches, not even through others, outside of its tests.
const NEVER: [(&str, &[&[&str]]); 7] = [
    ("core", &[&KUBERNETES, &INPUT_OUTPUT, &CHANCE]),
    ("wire", &[&KUBERNETES, &INPUT_OUTPUT, &CHANCE]),
    ("config", &[&KUBERNETES, &INPUT_OUTPUT, &CHANCE]),
    ("models", &[&KUBERNETES, &INPUT_OUTPUT, &CHANCE]),
    ("train", &[&KUBERNETES, &INPUT_OUTPUT, &CHANCE]),
    ("simulated", &[&KUBERNETES]),
    ("sidecar", &[&KUBERNETES]),
];

/// The packages that each package imports outside of its tests and build scripts, by name.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn read() -> Self {
        let mut cargo = Command::new(env!("CARGO"));
        // Only this platform, so that nothing is fetched that the build does not use.
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform]);
        cargo.current_dir(root());
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
        let names: BTreeMap<&str, &str> = array(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let nodes = array(&metadata["resolve"]["nodes"]).iter();
        let edges = nodes.map(|node| (names[text(&node["id"])], imports(node, &names)));
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, imported) in edges {
            graph.entry(name.to_owned()).or_default().extend(imported);
        }
        Self(graph)
    }

    fn reaches<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(name) = open.pop() {
            open.extend(self.0[name].iter().map(String::as_str).filter(|next| seen.insert(*next)));
        }
        seen
    }
}

fn imports(node: &Value, names: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    let is_normal = |edge: &&Value| array(&edge["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
    array(&node["deps"]).iter().filter(is_normal).map(|edge| names[text(&edge["pkg"])].to_owned()).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("cargo's metadata has a list here")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo's metadata has a text here")
}

#[test]
fn our_crates_import_only_whom_they_may() {
    let graph = Graph::read();
    let ours = |name: &str| name.strip_prefix("pointsman-").map(str::to_owned);
    let found: BTreeMap<String, BTreeSet<String>> = graph
        .0
        .iter()
        .filter_map(|(name, imported)| {
            Some((ours(name)?, imported.iter().filter_map(|name| ours(name)).collect()))
        })
        .collect();
    let known: BTreeSet<_> = EDGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), known, "every crate has a rule");
    for (name, allowed) in EDGES {
        let wrong: Vec<_> = found[name].iter().filter(|import| !allowed.contains(&import.as_str())).collect();
        assert!(wrong.is_empty(), "{name} imports {wrong:?}, and may import only {allowed:?}");
    }
}

#[test]
fn pure_crates_reach_neither_kubernetes_nor_sockets_nor_chance() {
    let graph = Graph::read();
    for (name, never) in NEVER {
        let package = format!("pointsman-{name}");
        let reached = graph.reaches(&package);
        let wrong: Vec<_> = never.iter().copied().flatten().filter(|name| reached.contains(**name)).collect();
        assert!(
            wrong.is_empty(),
            "{name} reaches {wrong:?}; see `cargo tree -p pointsman-{name} -i <crate>`"
        );
    }
    // The same walk does find what is there.
    assert!(graph.reaches("pointsman-operator").contains("kube-client"));
}
