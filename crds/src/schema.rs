//! Schemas of the strings and lists that several kinds share, each bounded and with a message that says what to write.
//!
//! Used as `#[schemars(schema_with = "schema::duration")]`: the Rust type stays a plain `String`, which whoever validates
//! the object parses. Rules are CEL rather than `pattern`, because only CEL carries a message of ours.

mod machinery;

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

pub(crate) use self::machinery::{conditions, label_selector, some_label};

/// The most candidates of a policy and models of a provider: a set of candidates fits into 64 bits.
const MAX_MODELS: usize = 64;

/// A rule with its message.
pub(crate) fn rule(expression: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule::new(expression).message(message.into().as_str())
}

/// The rule of a union: `member` is there if and only if `type` says `value`.
pub(crate) fn member(value: &str, member: &str) -> Rule {
    rule(
        format!("has(self.{member}) == (self.type == '{value}')"),
        format!("set {member} when type is {value}, and only then"),
    )
}

/// The rule of a list of references: no two name the same object.
pub(crate) fn distinct_references() -> Rule {
    rule(
        "self.all(a, self.exists_one(b, a.name == b.name && has(a.__namespace__) == has(b.__namespace__) \
         && (!has(a.__namespace__) || a.__namespace__ == b.__namespace__)))",
        "name each object once",
    )
}

fn checked(max_length: usize, expression: &str, message: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": max_length,
        "x-kubernetes-validations": [{ "rule": expression, "message": message }],
    })
}

/// Free text of at most `MAX` characters, at least one.
pub(crate) fn text<const MAX: usize>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX })
}

/// A scalar of `status.summary`, ready to be printed.
pub(crate) fn cell(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 256 })
}

/// A name given inside an object: of a rule, a variant, a limit.
pub(crate) fn name(_: &mut SchemaGenerator) -> Schema {
    checked(
        63,
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "write a name of lower-case letters, digits and hyphens, such as long-prompts",
    )
}

/// The name of a header that a request may have.
pub(crate) fn header_name(_: &mut SchemaGenerator) -> Schema {
    checked(
        128,
        "self.matches('^[A-Za-z0-9_-]+$')",
        "write the name of a header: letters, digits, hyphens and underscores",
    )
}

/// The key of a label.
pub(crate) fn label_key(_: &mut SchemaGenerator) -> Schema {
    checked(
        317,
        "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
        "write the key of a label, such as tier or acme.io/region",
    )
}

/// The name of an object in the cluster.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    checked(
        253,
        "self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",
        "write the name of an object: lower-case letters, digits, hyphens and dots",
    )
}

/// The name of a namespace.
pub(crate) fn namespace(_: &mut SchemaGenerator) -> Schema {
    checked(
        63,
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "write the name of a namespace: lower-case letters, digits and hyphens",
    )
}

/// The name of a model, as callers and policies use it.
pub(crate) fn model(_: &mut SchemaGenerator) -> Schema {
    checked(
        128,
        "self.matches('^[A-Za-z0-9][-A-Za-z0-9._:/@+]*$')",
        "write the name of a model, such as gpt-4o-mini or meta-llama/Llama-3.3-70B: no spaces or quotes",
    )
}

/// A set of names of models.
pub(crate) fn models(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": model(generator),
        "minItems": 1,
        "maxItems": MAX_MODELS,
        "x-kubernetes-list-type": "set",
    })
}

/// A positive duration as Gateway API writes it.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    checked(
        32,
        "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) > duration('0s')",
        "write a positive duration such as 500ms, 20s or 1h30m",
    )
}

/// A decimal number that is not negative, with up to nine decimals.
pub(crate) fn decimal(_: &mut SchemaGenerator) -> Schema {
    checked(
        19,
        "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
        "write a decimal number in quotes such as \"0.05\": up to 9 decimals, no sign, no exponent, no unit",
    )
}

/// A decimal number above zero.
pub(crate) fn positive_decimal(_: &mut SchemaGenerator) -> Schema {
    checked(
        19,
        "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$') && double(self) > 0.0",
        "write a decimal number above zero in quotes such as \"0.5\": up to 9 decimals, no sign, no exponent, no unit",
    )
}

/// A number between 0 and 1.
pub(crate) fn fraction(_: &mut SchemaGenerator) -> Schema {
    checked(
        11,
        "self.matches('^(0([.][0-9]{1,9})?|1([.]0{1,9})?)$')",
        "write a number between 0 and 1 in quotes such as \"0.8\": up to 9 decimals",
    )
}

/// An amount of money with its unit.
pub(crate) fn usd_amount(_: &mut SchemaGenerator) -> Schema {
    checked(
        23,
        "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})? USD$') && !self.matches('^0([.]0+)? ')",
        "write an amount above zero with its unit, such as 0.25 USD",
    )
}

/// An amount of money, tokens or requests with its unit.
pub(crate) fn amount(_: &mut SchemaGenerator) -> Schema {
    checked(
        32,
        "self.matches('^((0|[1-9][0-9]{0,8})([.][0-9]{1,9})? USD|[1-9][0-9]{0,14} (Tokens|Requests))$') \
         && !self.matches('^0([.]0+)? ')",
        "write an amount above zero with its unit: 500 USD, 2000000 Tokens or 600 Requests; \
         only USD may have decimals, at most 9",
    )
}

/// An absolute URL of an API.
pub(crate) fn url(_: &mut SchemaGenerator) -> Schema {
    checked(
        2048,
        r"self.matches('^https?://[^/?#@\\s]+(/[^?#\\s]*)?$')",
        "write an absolute URL such as https://llm.example.com/v1, without credentials, query or fragment",
    )
}

/// The name of a time zone; whether it exists is a condition.
pub(crate) fn time_zone(_: &mut SchemaGenerator) -> Schema {
    checked(
        64,
        "self.matches('^[A-Za-z][-A-Za-z0-9_+]*(/[A-Za-z0-9][-A-Za-z0-9_+]*)*$')",
        "write a time zone of the tz database such as UTC or Europe/Berlin",
    )
}

/// A whole number too large for JSON readers that use floats.
pub(crate) fn big_integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 20, "pattern": "^(0|[1-9][0-9]{0,19})$" })
}
