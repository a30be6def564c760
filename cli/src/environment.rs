//! Keys and addresses found in the environment, and the manifests that they stand for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use pointsman_models::provider::all_provider_defaults;
use pointsman_models::{Catalogue, ProviderDefaults, provider_defaults};

/// The variable with which OpenAI's own client is pointed elsewhere.
const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";

/// The variables of this process, or of a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

/// A provider that the environment opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its type.
    pub(crate) provider_type: String,
    /// The variable that holds the key.
    pub(crate) key_variable: Option<String>,
    /// An address in place of the type's own.
    pub(crate) base_url: Option<String>,
}

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// What is no text is nobody's key.
    fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let texts = variables.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self(texts.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// One variable, unless it is empty.
    pub(crate) fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str)
    }

    /// The host of the base URL that goes with a type, if one is set.
    pub(crate) fn base_url_host(&self, provider_type: &str) -> Option<String> {
        let url =
            (matches!(provider_type, "OpenAI" | "OpenAICompatible")).then(|| self.get(OPENAI_BASE_URL))??;
        let url: hyper::Uri = url.parse().ok()?;
        Some(url.host()?.trim_matches(['[', ']']).to_ascii_lowercase())
    }

    /// Whether the base URL leads to a listener of our own at `listen`.
    pub(crate) fn names_itself(&self, listen: SocketAddr) -> bool {
        let Some(url) = self.get(OPENAI_BASE_URL).and_then(|url| url.parse::<hyper::Uri>().ok()) else {
            return false;
        };
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = match host.parse::<IpAddr>() {
            Ok(ip) => {
                ip == listen.ip() || (ip.is_loopback() || ip.is_unspecified()) && listen.ip().is_unspecified()
            }
            Err(_) => {
                host.eq_ignore_ascii_case("localhost")
                    && (listen.ip().is_loopback() || listen.ip().is_unspecified())
            }
        };
        let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
        here && url.port_u16().unwrap_or(usual) == listen.port()
    }

    /// The variable that holds a type's key. Where `OPENAI_BASE_URL` names a server of one's own, OpenAI's goes there.
    pub(crate) fn key_variable(&self, provider_type: &str) -> Option<&'static str> {
        match provider_type {
            "OpenAICompatible" => self.get(OPENAI_BASE_URL).map(|_| "OPENAI_API_KEY"),
            _ => provider_defaults(provider_type)?.key_variable,
        }
    }

    /// Every provider that the environment opens, in the order of the defaults.
    pub(crate) fn providers(&self) -> Vec<Found> {
        let own = self.get(OPENAI_BASE_URL).map(|url| Found {
            provider_type: "OpenAICompatible".to_owned(),
            key_variable: self.get("OPENAI_API_KEY").map(|_| "OPENAI_API_KEY".to_owned()),
            base_url: Some(url.trim_end_matches('/').to_owned()),
        });
        let hosted = all_provider_defaults().iter().filter_map(|defaults| self.hosted(defaults));
        own.into_iter().chain(hosted).collect()
    }

    fn hosted(&self, defaults: &ProviderDefaults) -> Option<Found> {
        let variable = defaults.key_variable?;
        // A key beside a base URL of one's own is for that address, not for OpenAI.
        let elsewhere = variable == "OPENAI_API_KEY" && self.get(OPENAI_BASE_URL).is_some();
        (self.get(variable).is_some() && !elsewhere).then(|| Found {
            provider_type: defaults.provider_type.to_owned(),
            key_variable: Some(variable.to_owned()),
            base_url: None,
        })
    }
}

#[cfg(test)]
impl FromIterator<(&'static str, &'static str)> for Environment {
    fn from_iter<I: IntoIterator<Item = (&'static str, &'static str)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

impl Found {
    /// The provider's name: its type in lower case.
    pub(crate) fn name(&self) -> String {
        self.provider_type.to_ascii_lowercase()
    }

    /// The manifest that says the same. `opened` are the models that the provider lists, where it was asked.
    pub(crate) fn manifest(&self, opened: Option<&[String]>) -> String {
        let name = self.name();
        let mut yaml = format!(
            "apiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}}}\nspec:\n  type: {}\n",
            self.provider_type
        );
        if let Some(url) = &self.base_url {
            let _ = writeln!(yaml, "  endpoint: {{type: URL, url: {}}}", quoted(url));
        }
        match &self.key_variable {
            Some(_) => {
                let _ = writeln!(yaml, "  auth: {{apiKey: {{secretRef: {{name: {name}}}}}}}");
            }
            None => yaml.push_str("  auth: {type: None}\n"),
        }
        if let Some(models) = opened {
            yaml.push_str("  models:\n");
            for model in self.usable(models) {
                let _ = writeln!(yaml, "    - name: {}", quoted(model));
            }
        }
        yaml
    }

    /// Of the models that the provider lists, those that can be served: of a hosted one, what the catalogue has.
    pub(crate) fn usable<'a>(&self, opened: &'a [String]) -> Vec<&'a str> {
        let known = |model: &&str| {
            self.base_url.is_some() || Catalogue::shipped().model(&self.provider_type, model).is_some()
        };
        opened.iter().map(String::as_str).filter(known).collect()
    }
}

/// A string that means itself in every version of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_leads_back_to_this_process_is_seen() {
        for (url, listen, itself) in [
            ("http://127.0.0.1:7171/v1", "127.0.0.1:7171", true),
            ("http://localhost:7171/v1", "127.0.0.1:7171", true),
            ("http://LOCALHOST:7171", "0.0.0.0:7171", true),
            ("http://[::1]:7171/v1", "[::]:7171", true),
            ("http://127.0.0.1:7172/v1", "127.0.0.1:7171", false),
            ("http://10.0.0.1:7171/v1", "127.0.0.1:7171", false),
            ("https://api.example.com/v1", "127.0.0.1:7171", false),
            ("not a url at all", "127.0.0.1:7171", false),
        ] {
            let environment = Environment::from_iter([("OPENAI_BASE_URL", url)]);
            assert_eq!(environment.names_itself(listen.parse().expect("an address")), itself, "{url}");
        }
    }

    #[test]
    fn each_usual_variable_opens_its_provider() {
        let environment: Environment =
            [("OPENAI_API_KEY", "sk-1"), ("MISTRAL_API_KEY", "m-1"), ("PATH", "/bin")].into_iter().collect();
        let found: Vec<String> = environment.providers().iter().map(Found::name).collect();
        assert_eq!(found, ["openai", "mistral"]);
    }

    #[test]
    fn a_base_url_of_ones_own_takes_the_key_with_it() {
        let environment: Environment =
            [("OPENAI_BASE_URL", "http://10.0.0.7:8000/v1/"), ("OPENAI_API_KEY", "sk-1")]
                .into_iter()
                .collect();
        let found = environment.providers();
        assert_eq!(found.len(), 1);
        assert_eq!(environment.base_url_host("OpenAICompatible").as_deref(), Some("10.0.0.7"));
        let manifest = found[0].manifest(Some(&["llama".to_owned()]));
        let expected = "\
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {name: openaicompatible}
spec:
  type: OpenAICompatible
  endpoint: {type: URL, url: \"http://10.0.0.7:8000/v1\"}
  auth: {apiKey: {secretRef: {name: openaicompatible}}}
  models:
    - name: \"llama\"
";
        assert_eq!(manifest, expected);
    }

    #[test]
    fn the_host_of_a_base_url_is_its_host_alone() {
        for (url, host) in [
            ("http://10.0.0.7:8000/v1", Some("10.0.0.7")),
            ("https://GPU.example.com/v1", Some("gpu.example.com")),
            ("http://[::1]:8000/v1", Some("::1")),
            ("http://[::1]/v1", Some("::1")),
            ("http://me:secret@gpu:8000", Some("gpu")),
            ("not a url", None),
        ] {
            let environment: Environment = [("OPENAI_BASE_URL", url)].into_iter().collect();
            assert_eq!(environment.base_url_host("OpenAI").as_deref(), host, "{url}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn variables_that_are_no_text_are_passed_over() {
        use std::os::unix::ffi::OsStringExt;
        let odd = (OsString::from("ODD"), OsString::from_vec(vec![0xff]));
        let key = (OsString::from("OPENAI_API_KEY"), OsString::from("sk-1"));
        let environment = Environment::of([odd, key].into_iter());
        assert_eq!((environment.get("ODD"), environment.get("OPENAI_API_KEY")), (None, Some("sk-1")));
    }

    #[test]
    fn of_a_hosted_provider_only_what_the_catalogue_knows_is_usable() {
        let opened = ["gpt-5", "whisper-1", "my-fine-tune"].map(str::to_owned);
        let environment: Environment = [("OPENAI_API_KEY", "sk-1")].into_iter().collect();
        assert_eq!(environment.providers()[0].usable(&opened), ["gpt-5"]);
        assert_eq!(environment.providers()[0].usable(&opened[1..]), [""; 0]);
    }

    #[test]
    fn nothing_in_the_environment_opens_nothing() {
        assert_eq!(Environment::default().providers(), []);
    }
}
