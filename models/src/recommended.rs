//! What `auto` chooses among when there is no policy.
//!
//! The rule: up to three general-purpose models per provider that take tools, from the strongest to the cheapest, each
//! cheaper than the one before. A slot lists successors; the first that the catalogue has and that is not retired on
//! the day asked for is taken, so that a choice outlives the retirement of its first pick.

/// The slots of one provider, strongest first; names are canonical.
pub(crate) fn slots(provider: &str) -> &'static [&'static [&'static str]] {
    match provider {
        "OpenAI" => {
            &[&["gpt-5", "gpt-6.1-sol"], &["gpt-5-mini", "gpt-6.1-terra"], &["gpt-5-nano", "gpt-6-luna"]]
        }
        "Gemini" => &[&["gemini-4-argon"], &["gemini-3.8-flash"], &["gemini-3.5-flash-lite"]],
        "DashScope" => &[&["qwen3.8-max"], &["qwen-plus"], &["qwen-flash"]],
        "DeepSeek" => &[&["deepseek-v4-pro"], &["deepseek-v4-flash"]],
        "Volcengine" => &[
            &["doubao-seed-2-1-pro-260915"],
            &["doubao-seed-2-1-turbo-260628"],
            &["doubao-seed-2-1-lite-260915"],
        ],
        "Mistral" => &[&["mistral-large-4"], &["mistral-large-2512"], &["mistral-small-2603"]],
        "Groq" => &[&["gpt-oss-120b"], &["gpt-oss-20b"]],
        "Together" => &[&["deepseek-v4-pro-0813"], &["deepseek-v4.1-flash"], &["gpt-oss-120b"]],
        "Fireworks" => &[&["glm-5.3"], &["deepseek-v4.1-flash"], &["gpt-oss-20b"]],
        "XAI" => &[&["grok-4.7"], &["grok-4.3"]],
        _ => &[],
    }
}
