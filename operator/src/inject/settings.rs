//! What every injected sidecar has in common, and the hash by which an outdated one is told from a current one.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::quantity;

/// The annotation that names the settings a pod's sidecar comes from.
pub(crate) const TEMPLATE: &str = "pointsman.dev/template";
/// Raised when what is injected changes by code rather than by settings.
const REVISION: &str = "1";

/// Amounts by resource, such as `cpu: 50m`.
pub type Resources = BTreeMap<String, String>;

/// How sidecars are set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its entry point is `pointsman`.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// Where sidecars connect: `host:port`.
    pub operator: String,
    /// What a sidecar requests.
    pub requests: Resources,
    /// What it is limited to.
    pub limits: Resources,
    /// The operator's own namespace, in which nothing is injected.
    pub root_namespace: String,
}

impl Settings {
    /// Says what is wrong with them, if anything: better once at the start than with every pod.
    pub fn check(&self) -> Result<(), String> {
        for (name, amount) in self.requests.iter().chain(&self.limits) {
            if quantity::parse(amount).is_none() {
                return Err(format!("resource {name}: \"{amount}\" is no amount: write it as 50m or 32Mi"));
            }
        }
        for (name, limit) in &self.limits {
            let request = self.requests.get(name).and_then(|request| quantity::parse(request));
            if request > quantity::parse(limit) {
                return Err(format!("resource {name}: the request is above the limit {limit}: lower it"));
            }
        }
        Ok(())
    }

    /// Names these settings in the annotation of an injected pod. Ports, which pods choose, are no part of them.
    pub fn template(&self) -> String {
        let Self { image, pull_policy, operator, requests, limits, root_namespace: _ } = self;
        let parts = format!("{REVISION}\n{image}\n{pull_policy}\n{operator}\n{requests:?}\n{limits:?}");
        let digest = Sha256::digest(parts);
        let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("sha256-{hex}")
    }
}

#[cfg(test)]
pub(super) fn example() -> Settings {
    let amounts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
    };
    Settings {
        image: "registry.example/pointsman:0.1.0".to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        operator: "pointsman.pointsman-system.svc:14110".to_owned(),
        requests: amounts(&[("cpu", "50m"), ("memory", "32Mi")]),
        limits: amounts(&[("memory", "128Mi")]),
        root_namespace: "pointsman-system".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_changes_the_template_but_the_namespace() {
        let before = example().template();
        let changes: [fn(&mut Settings); 5] = [
            |s| s.image.push('x'),
            |s| s.pull_policy = "Never".to_owned(),
            |s| s.operator.push('0'),
            |s| s.requests.clear(),
            |s| s.limits.clear(),
        ];
        for change in changes {
            let mut settings = example();
            change(&mut settings);
            assert_ne!(settings.template(), before);
        }
        assert_eq!(Settings { root_namespace: "other".to_owned(), ..example() }.template(), before);
    }

    #[test]
    fn settings_that_no_pod_could_have_are_told() {
        assert_eq!(example().check(), Ok(()));
        let mut settings = example();
        settings.limits.insert("cpu".to_owned(), "20m".to_owned());
        assert_eq!(
            settings.check(),
            Err("resource cpu: the request is above the limit 20m: lower it".to_owned())
        );
        settings.limits.insert("cpu".to_owned(), "many".to_owned());
        assert!(settings.check().is_err_and(|message| message.contains("is no amount")));
    }
}
