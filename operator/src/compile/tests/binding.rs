//! Which policy answers for a virtual model of a pod.

use super::*;

fn bound(manifests: &str, pod: &Pod) -> Vec<String> {
    let compiled = compile(&world(manifests));
    bind(&compiled, pod).into_iter().map(|(model, name)| format!("{model} {name}")).collect()
}

fn models() -> String {
    provider("sim", "shop", &["m"], "") + &provider("sim", "pointsman-system", &["m"], "")
}

const BOT: &str = "  targetSelector: {matchLabels: {app: bot}}\n";

#[test]
fn nearer_policies_win_before_priority_and_priority_before_names() {
    let all = [
        policy("root", "pointsman-system", &["m"], "  priority: 1000\n"),
        policy("fallback", "shop", &["m"], "  priority: 500\n"),
        policy("a", "shop", &["m"], BOT),
        policy("b", "shop", &["m"], BOT),
        policy("c", "shop", &["m"], &format!("{BOT}  priority: 1\n")),
    ];
    let bot = pod("shop", &[("app", "bot")]);
    for (count, winner) in
        [(1, "pointsman-system/root"), (2, "shop/fallback"), (3, "shop/a"), (4, "shop/a"), (5, "shop/c")]
    {
        assert_eq!(bound(&(models() + &all[..count].concat()), &bot), [format!("auto {winner}")]);
    }
    assert_eq!(bound(&(models() + &all.concat()), &pod("shop", &[("app", "web")])), ["auto shop/fallback"]);
}

#[test]
fn the_order_in_which_objects_are_read_changes_nothing() {
    let all = [
        policy("b", "shop", &["m"], BOT),
        policy("a", "shop", &["m"], BOT),
        policy("c", "shop", &["m"], BOT),
    ];
    let bot = pod("shop", &[("app", "bot")]);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let manifests: String = order.iter().map(|&i| all[i].as_str()).collect();
        assert_eq!(bound(&(models() + &manifests), &bot), ["auto shop/a"]);
    }
}

#[test]
fn one_pod_takes_several_virtual_models_from_several_policies() {
    let manifests = models()
        + &policy("near", "shop", &["m"], &format!("{BOT}  virtualModels: [support]\n"))
        + &policy("default", "shop", &["m"], "  virtualModels: [auto, support]\n")
        + &policy("root", "pointsman-system", &["m"], "  virtualModels: [auto, batch]\n");
    assert_eq!(
        bound(&manifests, &pod("shop", &[("app", "bot")])),
        ["auto shop/default", "batch pointsman-system/root", "support shop/near"]
    );
}

#[test]
fn policies_never_reach_into_other_namespaces_but_for_the_root_default() {
    let manifests =
        models() + &policy("default", "shop", &["m"], "") + &policy("bots", "pointsman-system", &["m"], BOT);
    assert_eq!(bound(&manifests, &pod("search", &[("app", "bot")])), Vec::<String>::new());
    assert_eq!(
        bound(&manifests, &pod("pointsman-system", &[("app", "bot")])),
        ["auto pointsman-system/bots"]
    );
}

#[test]
fn a_policy_with_a_mistake_keeps_its_pods() {
    let manifests =
        models() + &policy("default", "shop", &["m"], "") + &policy("near", "shop", &["unknown"], BOT);
    let compiled = compile(&world(&manifests));
    let entries = scope(&compiled, &pod("shop", &[("app", "bot")]));
    assert_eq!(keys(&entries, Kind::Policy), ["shop/near"]);
    let policy = entries.iter().find(|entry| entry.key.kind == Kind::Policy).unwrap();
    assert!(matches!(policy.state, State::Invalid { .. }));
}
