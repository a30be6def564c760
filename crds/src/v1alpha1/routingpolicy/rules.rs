//! Rules of a policy: when a request looks like this, do that.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::requirement::Requirement;
use crate::choice::choice;
use crate::schema::{self, member, rule};
use crate::shared::{Objective, Optimizer, Reference};

/// One rule: when any of its matches fits, its action applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingRule {
    /// Names the rule in decisions and refusals; unique in the policy.
    #[schemars(schema_with = "schema::name")]
    pub name: String,

    /// When the rule applies, at most 16: entries are ORed, the fields of one entry ANDed. Absent: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub matches: Vec<Match>,

    /// What the rule does.
    pub action: Action,
}

/// One condition on a request. Its fields are ANDed; an absent field fits everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.model) || has(self.text) || has(self.inputTokens) || has(self.complexity) || has(self.headers) \
     || has(self.metadata) || has(self.user) || has(self.hasTools) || has(self.hasImages) \
     || has(self.pii)",
    "a match needs at least one condition; leave matches out for a rule that always applies"))]
pub struct Match {
    /// The model name that the caller asked for, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::model")]
    pub model: Option<String>,

    /// Text of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextMatch>,

    /// Estimated input tokens of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<TokenRange>,

    /// How complex the scorer finds the text, from 0 to 1. Fits nothing where no scorer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<ComplexityRange>,

    /// Headers of the request, at most 8, all of which must fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Vec<HeaderMatch>,

    /// Entries of the request's `metadata`, at most 8, all of which must fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub metadata: Vec<MetadataMatch>,

    /// The request's `user`, exactly. Asserted by the application, not authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<256>")]
    pub user: Option<String>,

    /// Whether the request offers tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_tools: Option<bool>,

    /// Whether the request has images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_images: Option<bool>,

    /// Personal data of these kinds; it fits when one of them stands in any message. Told by form and check digits alone,
    /// so it misses what has no form, such as names, and now and then takes another number for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub pii: Vec<Pii>,
}

choice! {
    /// A kind of personal data.
    pub enum Pii {
        /// An address of electronic mail.
        Email = "Email",
        /// A telephone number with its country's code, or in the North American form.
        PhoneNumber = "PhoneNumber",
        /// The number of a payment card, with the right check digit.
        PaymentCard = "PaymentCard",
        /// An international bank account number, with the right check digits.
        Iban = "IBAN",
        /// A social security number of the United States, with its hyphens.
        UsSocialSecurity = "USSocialSecurity",
    }
}

/// One header of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// Its name; upper and lower case are the same.
    #[schemars(schema_with = "schema::header_name")]
    pub name: String,

    /// Its exact value. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<256>")]
    pub value: Option<String>,
}

/// One entry of a request's `metadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataMatch {
    /// Its key.
    #[schemars(schema_with = "schema::text::<64>")]
    pub name: String,

    /// Its exact value. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub value: Option<String>,
}

/// A range of complexities, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule("has(self.min) || has(self.max)", "set min, max or both"))]
#[x_kube(validation = rule(
    "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
    "min must not be greater than max"))]
pub struct ComplexityRange {
    /// At least so complex, such as `"0.45"`. Default: no lower end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fraction")]
    pub min: Option<String>,

    /// At most so complex. Default: no upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fraction")]
    pub max: Option<String>,
}

/// A regular expression over a part of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextMatch {
    /// Regular expression in the syntax of Rust's `regex` crate (RE2-like, linear time), at most 512 characters; it fits
    /// when it is found anywhere. One that does not compile makes Accepted False, reason Invalid.
    #[schemars(schema_with = "schema::text::<512>")]
    pub regex: String,

    /// What is searched: LastUserMessage (default), UserText (all messages of role `user`) or All (all messages).
    #[serde(default)]
    pub over: TextScope,
}

choice! {
    /// A part of a request's text.
    pub enum TextScope {
        /// The last message of role `user`.
        LastUserMessage = "LastUserMessage",
        /// All messages of role `user`.
        UserText = "UserText",
        /// All messages.
        All = "All",
    }
    default = LastUserMessage;
}

/// A range of token counts, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule("has(self.min) || has(self.max)", "set min, max or both"))]
#[x_kube(validation = rule(
    "!has(self.min) || !has(self.max) || self.min <= self.max",
    "min must not be greater than max"))]
pub struct TokenRange {
    /// At least so many tokens. Default: no lower end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub min: Option<i32>,

    /// At most so many tokens. Default: no upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub max: Option<i32>,
}

/// What a rule does: a type and the member of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = member("UseModel", "useModel"))]
#[x_kube(validation = member("UseProvider", "useProvider"))]
#[x_kube(validation = member("UseTier", "useTier"))]
#[x_kube(validation = member("Require", "require"))]
#[x_kube(validation = member("Exclude", "exclude"))]
#[x_kube(validation = member("OverrideStrategy", "overrideStrategy"))]
#[x_kube(validation = member("Reject", "reject"))]
pub struct Action {
    /// UseModel: this candidate answers. UseProvider: only this provider's candidates are chosen among. UseTier: only this
    /// tier's. Exclude: these candidates fall away. Require: those fall away that cannot show this. OverrideStrategy:
    /// another objective or optimizer decides. Reject: the request is refused with 403.
    #[serde(rename = "type")]
    pub type_: ActionType,

    /// The candidate that answers. Only with type UseModel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_model: Option<UseModel>,

    /// The provider among whose candidates is chosen. Only with type UseProvider. One that serves no candidate makes
    /// ResolvedRefs False, reason UnknownProvider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_provider: Option<Reference>,

    /// The tier among whose candidates is chosen. Only with type UseTier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_tier: Option<UseTier>,

    /// What the candidates must show. Only with type Require.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Requirement>,

    /// The candidates that fall away. Only with type Exclude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Exclude>,

    /// What decides instead. Only with type OverrideStrategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_strategy: Option<OverrideStrategy>,

    /// What the caller is told. Only with type Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<Reject>,
}

choice! {
    /// What a rule does.
    pub enum ActionType {
        /// One candidate answers.
        UseModel = "UseModel",
        /// Only one provider's candidates are chosen among.
        UseProvider = "UseProvider",
        /// Only one tier's candidates are chosen among.
        UseTier = "UseTier",
        /// What cannot show something falls away.
        Require = "Require",
        /// Some candidates fall away.
        Exclude = "Exclude",
        /// Another objective or optimizer decides.
        OverrideStrategy = "OverrideStrategy",
        /// The request is refused.
        Reject = "Reject",
    }
}

/// The candidate that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UseModel {
    /// A candidate's model.
    #[schemars(schema_with = "schema::model")]
    pub model: String,
}

/// The tier among whose candidates is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UseTier {
    /// A tier of the policy.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
}

/// The candidates that fall away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exclude {
    /// Candidates' models, 1 to 64. When no candidate is left the request is refused.
    #[schemars(schema_with = "schema::models")]
    pub models: Vec<String>,
}

/// What decides instead of the policy's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule("has(self.objective) || has(self.optimizer)", "set objective, optimizer or both"))]
pub struct OverrideStrategy {
    /// Balanced, Quality, Cost or Speed, in place of the policy's. Default: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,

    /// Any optimizer of `strategy.optimizer`, in place of the policy's. Default: the policy's, or with
    /// `objective` that objective's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
}

/// What the caller is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reject {
    /// The reason in words for the caller, 1 to 256 characters; rule, policy and request id are added.
    #[schemars(schema_with = "schema::text::<256>")]
    pub message: String,
}
