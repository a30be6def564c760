//! What we change in a request on its way: a few fields, everything else byte for byte.

use super::{ChatRequest, Limit};
use crate::body::{Spliced, Splicer};
use crate::json::write_string;

/// Changes to a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edits<'a> {
    /// The model to name upstream.
    pub model: Option<&'a str>,
    /// Ask for the usage chunk. Obeyed for streams only: providers refuse `stream_options` elsewhere.
    pub include_usage: bool,
    /// The highest number of output tokens. A lower limit of the caller stays.
    pub max_tokens: Option<u64>,
    /// How the provider spells the limit; the caller's is spelt so too, where there is one of them only.
    pub max_tokens_field: Option<MaxTokensField>,
}

/// The two spellings of the output limit. OpenAI's reasoning models refuse the older, other servers know only that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxTokensField {
    MaxTokens,
    #[default]
    MaxCompletionTokens,
}

impl MaxTokensField {
    fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

impl ChatRequest {
    /// Applies edits: the new body shares all unchanged bytes with the old one.
    pub fn splice(&self, edits: &Edits<'_>) -> Spliced {
        let mut splicer = Splicer::default();
        if let Some(model) = edits.model.filter(|model| !self.fields.model.is(&self.body, model)) {
            splicer.replace(self.fields.model_value, |out| write_string(out, model));
        }
        if edits.include_usage && self.fields.stream {
            self.ask_for_usage(&mut splicer);
        }
        if let Some(field) = edits.max_tokens_field {
            self.spell_limit(&mut splicer, field);
        }
        if let Some(limit) = edits.max_tokens {
            self.limit_output(&mut splicer, limit, edits.max_tokens_field.unwrap_or_default());
        }
        splicer.apply(&self.body)
    }

    fn ask_for_usage(&self, splicer: &mut Splicer) {
        let options = &self.fields.stream_options;
        match (options.value, options.include_usage_value) {
            (Some(_), Some(_)) if options.include_usage => {}
            (Some(_), Some(value)) => splicer.replace(value, |out| out.extend(b"true")),
            (Some(value), None) if options.is_object => {
                let comma: &[u8] = if options.is_empty { b"" } else { b"," };
                splicer
                    .insert(value.start() + 1, |out| out.extend([b"\"include_usage\":true", comma].concat()));
            }
            (Some(value), None) => splicer.replace(value, |out| out.extend(b"{\"include_usage\":true}")),
            (None, _) => self.insert_member(splicer, b"\"stream_options\":{\"include_usage\":true}"),
        }
    }

    /// Servers that know one spelling ignore the other, or refuse it. With both, the caller has seen to it.
    fn spell_limit(&self, splicer: &mut Splicer, field: MaxTokensField) {
        let (given, other) = match field {
            MaxTokensField::MaxTokens => (self.fields.max_completion_tokens, self.fields.max_tokens),
            MaxTokensField::MaxCompletionTokens => {
                (self.fields.max_tokens, self.fields.max_completion_tokens)
            }
        };
        if given.tokens.is_some() && other.value.is_none() {
            splicer.replace(given.key, |out| write_string(out, field.name()));
        }
    }

    fn limit_output(&self, splicer: &mut Splicer, limit: u64, field: MaxTokensField) {
        let given = [self.fields.max_tokens, self.fields.max_completion_tokens];
        for Limit { value, tokens, key: _ } in given {
            if let (Some(value), Some(tokens)) = (value, tokens)
                && tokens > limit
            {
                splicer.replace(value, |out| out.extend(limit.to_string().as_bytes()));
            }
        }
        if given.iter().any(|given| given.tokens.is_some()) {
            return;
        }
        let given = match field {
            MaxTokensField::MaxTokens => given[0],
            MaxTokensField::MaxCompletionTokens => given[1],
        };
        match given.value {
            Some(null) => splicer.replace(null, |out| out.extend(limit.to_string().as_bytes())),
            None => self.insert_member(splicer, format!("\"{}\":{limit}", field.name()).as_bytes()),
        }
    }

    /// Puts a member before the first one, which always exists: a request without `model` was refused.
    fn insert_member(&self, splicer: &mut Splicer, member: &[u8]) {
        splicer.insert(self.fields.first_member as usize, |out| {
            out.extend(member);
            out.push(b',');
        });
    }
}
