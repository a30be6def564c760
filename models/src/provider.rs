//! Where each type of provider is, which environment variable usually holds its key, and how it spells a field.
//!
//! Only types that the data plane can speak to stand here; the catalogue knows prices of a few more.

use pointsman_config::provider::OutputCapField;

/// What an LLMProvider of one type gets unless its spec says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderDefaults {
    /// The type, spelled as in the API: `OpenAI`.
    pub provider_type: &'static str,
    /// What stands before `/chat/completions`; none where only the user knows.
    pub endpoint: Option<&'static str>,
    /// The environment variable in which people usually keep the key.
    pub key_variable: Option<&'static str>,
    /// Whether the provider answers nobody without a key.
    pub needs_key: bool,
    /// How it spells the cap on output tokens.
    pub output_cap_field: OutputCapField,
}

impl ProviderDefaults {
    /// The host of the default endpoint: a key may go there without further consent.
    pub fn host(&self) -> Option<&'static str> {
        let after_scheme = self.endpoint?.split_once("://")?.1;
        after_scheme.split('/').next()
    }
}

/// The defaults of one type, or none for a type that the data plane does not speak to.
pub fn provider_defaults(provider_type: &str) -> Option<&'static ProviderDefaults> {
    PROVIDERS.iter().find(|defaults| defaults.provider_type == provider_type)
}

/// The defaults of every type, in the order in which keys found in an environment are reported.
pub fn all_provider_defaults() -> &'static [ProviderDefaults] {
    PROVIDERS
}

const fn hosted(
    provider_type: &'static str,
    endpoint: &'static str,
    key_variable: &'static str,
) -> ProviderDefaults {
    ProviderDefaults {
        provider_type,
        endpoint: Some(endpoint),
        key_variable: Some(key_variable),
        needs_key: true,
        output_cap_field: OutputCapField::MaxTokens,
    }
}

const fn own_server(provider_type: &'static str) -> ProviderDefaults {
    ProviderDefaults {
        provider_type,
        endpoint: None,
        key_variable: None,
        needs_key: false,
        output_cap_field: OutputCapField::MaxTokens,
    }
}

/// Endpoints are those at which the provider serves the OpenAI dialect.
const PROVIDERS: &[ProviderDefaults] = &[
    ProviderDefaults {
        output_cap_field: OutputCapField::MaxCompletionTokens,
        ..hosted("OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY")
    },
    hosted("Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    hosted("DashScope", "https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    hosted("DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    hosted("Volcengine", "https://ark.cn-beijing.volces.com/api/v3", "ARK_API_KEY"),
    hosted("Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    hosted("Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    hosted("Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    hosted("Fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    hosted("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    hosted("XAI", "https://api.x.ai/v1", "XAI_API_KEY"),
    own_server("Ollama"),
    own_server("VLLM"),
    own_server("TGI"),
    own_server("OpenAICompatible"),
    own_server("Simulated"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_hosted_provider_is_reached_over_tls_and_needs_the_key_of_its_own_variable() {
        let hosted: Vec<_> = PROVIDERS.iter().filter(|p| p.endpoint.is_some()).collect();
        let variables: BTreeSet<_> = hosted.iter().map(|p| p.key_variable.unwrap()).collect();
        let hosts: BTreeSet<_> = hosted.iter().map(|p| p.host().unwrap()).collect();
        assert_eq!(variables.len(), hosted.len(), "no variable opens two providers");
        assert_eq!(hosts.len(), hosted.len());
        for provider in hosted {
            let endpoint = provider.endpoint.unwrap();
            assert!(endpoint.starts_with("https://") && !endpoint.ends_with('/'), "{endpoint}");
            assert!(provider.needs_key && provider.key_variable.unwrap().ends_with("_API_KEY"));
        }
    }

    #[test]
    fn types_are_found_by_their_exact_spelling() {
        let openai = provider_defaults("OpenAI").unwrap();
        assert_eq!(openai.host(), Some("api.openai.com"));
        assert_eq!(openai.output_cap_field, OutputCapField::MaxCompletionTokens);
        assert_eq!(provider_defaults("VLLM").unwrap().host(), None);
        for unknown in ["openai", "", "Cohere"] {
            assert_eq!(provider_defaults(unknown), None, "{unknown}");
        }
    }
}
