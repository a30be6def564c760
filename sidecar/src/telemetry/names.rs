//! The names of metrics. Those of OpenTelemetry's GenAI conventions are experimental there: they may still move.

pub(crate) const CHAT: &str = "chat";

// Experimental, from OpenTelemetry's GenAI semantic conventions; dots become underscores, seconds are appended.
pub(crate) const TOKEN_USAGE: &str = "gen_ai_client_token_usage";
pub(crate) const OPERATION_DURATION: &str = "gen_ai_client_operation_duration";
pub(crate) const TIME_TO_FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token";

// Ours, stable.
pub(crate) const ERRORS: &str = "pointsman_errors";
pub(crate) const DECISION: &str = "pointsman_decision";
pub(crate) const FEEDBACK: &str = "pointsman_feedback";
pub(crate) const SCORES: &str = "pointsman_scores";
pub(crate) const SCORE: &str = "pointsman_score";
pub(crate) const NACKS: &str = "pointsman_config_nacks";
pub(crate) const CONFIG_APPLIED: &str = "pointsman_config_applied_timestamp";
pub(crate) const LINK: &str = "pointsman_link_up";
pub(crate) const CALLS: &str = "pointsman_calls";
pub(crate) const ATTEMPT_FAILURES: &str = "pointsman_attempt_failures";
pub(crate) const FALLBACKS: &str = "pointsman_fallbacks";
pub(crate) const COST: &str = "pointsman_cost_usd";
pub(crate) const UNCERTAIN: &str = "pointsman_cost_uncertain_usd";
pub(crate) const COMPARED: &str = "pointsman_compared_calls";
pub(crate) const BASELINE_COST: &str = "pointsman_baseline_cost_usd";
pub(crate) const CHOSEN_COST: &str = "pointsman_chosen_cost_usd";
pub(crate) const TARGET_STATE: &str = "pointsman_target_state";
pub(crate) const BUDGET_REMAINING: &str = "pointsman_budget_remaining_ratio";
pub(crate) const BUDGET_SPENT: &str = "pointsman_budget_spent";
pub(crate) const BUDGET_BURNED: &str = "pointsman_budget_burned";
pub(crate) const LAMBDA: &str = "pointsman_shadow_price";
pub(crate) const SCORER_WEIGHT: &str = "pointsman_scorer_weight";
pub(crate) const SCORER_VERDICT: &str = "pointsman_scorer_verdict";
pub(crate) const SPEND_TARGET: &str = "pointsman_spend_target_usd_per_call";
pub(crate) const OWED: &str = "pointsman_shadow_price_owed_calls";
pub(crate) const EXPECTED_OUTPUT: &str = "pointsman_expected_output_tokens";

/// How an attempt failed, as headers and records say it: the status, or a word from a closed set.
pub(crate) fn failure(failure: &pointsman_core::failover::Failure) -> std::borrow::Cow<'static, str> {
    use pointsman_core::failover::Failure;
    match failure {
        Failure::NotSent => "not_sent".into(),
        Failure::Connect => "connect".into(),
        Failure::Reset => "reset".into(),
        Failure::Timeout => "timeout".into(),
        Failure::BadAnswer => "bad_answer".into(),
        Failure::Status { status, .. } => status.to_string().into(),
    }
}
