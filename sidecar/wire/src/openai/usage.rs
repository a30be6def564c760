//! The `usage` object: from the provider's counts to ours.
//!
//! Counts are money, so a number that cannot be true makes the whole report unknown instead of cheap: negative,
//! fractional, or above [`PLAUSIBLE`]. An explicit zero is zero.

use pointsman_config::money::Nano;
use pointsman_config::usage::Usage;

use crate::body::Splicer;
use crate::json::{Cursor, Kind, Span, SyntaxError};

/// No single answer has as many tokens; sums of such counts stay far from overflow.
pub const PLAUSIBLE: u64 = 1 << 40;

/// What a provider said about tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reported {
    /// No usage object, or `null`, or one without counts.
    #[default]
    Missing,
    /// A usage object whose counts cannot be true.
    Unreadable,
    Known(Usage),
}

impl Reported {
    /// Returns the usage where it is known.
    pub fn known(self) -> Option<Usage> {
        match self {
            Reported::Known(usage) => Some(usage),
            Reported::Missing | Reported::Unreadable => None,
        }
    }
}

/// A usage object that was read: what it says, and where a cost may be written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) reported: Reported,
    /// Just after the opening brace; zero where there is no object.
    inside: u32,
    is_empty: bool,
    /// The value of `cost`, which some resellers send.
    cost: Option<Span>,
}

impl Found {
    pub(super) fn is_object(&self) -> bool {
        self.inside > 0
    }

    /// Writes `cost` into the object, in the place of another one. `offset` is where the scanned text starts.
    pub(super) fn write_cost(&self, splicer: &mut Splicer, offset: usize, cost: Nano) {
        if let Some(value) = self.cost {
            let value = Span::new(value.start() + offset, value.end() + offset);
            return splicer.replace(value, |out| out.extend(cost.to_string().as_bytes()));
        }
        let comma = if self.is_empty { "" } else { "," };
        let member = format!("\"cost\":{cost}{comma}");
        splicer.insert(self.inside as usize + offset, |out| out.extend(member.as_bytes()));
    }
}

/// Counts as they stand in the object.
#[derive(Default)]
struct Counts {
    prompt: Count,
    completion: Count,
    total: Count,
    cached: Count,
    cache_write: Count,
    reasoning: Count,
}

#[derive(Clone, Copy, Default)]
enum Count {
    #[default]
    Absent,
    Absurd,
    Of(u64),
}

/// Reads the value of `usage`.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Found, SyntaxError> {
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        return Ok(Found::default());
    }
    let mut members = cursor.members()?;
    let mut found = Found { inside: cursor.position(), is_empty: true, ..Found::default() };
    let mut counts = Counts::default();
    while let Some(key) = members.next(cursor)? {
        found.is_empty = false;
        match &*key {
            "prompt_tokens" => counts.prompt = count(cursor)?,
            "completion_tokens" => counts.completion = count(cursor)?,
            "total_tokens" => counts.total = count(cursor)?,
            // DeepSeek's spelling; it sends the one below as well.
            "prompt_cache_hit_tokens" => counts.cached = count(cursor)?,
            "prompt_tokens_details" => details(cursor, &mut counts)?,
            "completion_tokens_details" => details(cursor, &mut counts)?,
            "cost" => found.cost = Some(cursor.skip()?),
            _ => {
                cursor.skip()?;
            }
        }
    }
    found.reported = counts.report();
    Ok(found)
}

fn details(cursor: &mut Cursor<'_>, counts: &mut Counts) -> Result<(), SyntaxError> {
    if cursor.kind()? != Kind::Object {
        return cursor.skip().map(|_| ());
    }
    let mut members = cursor.members()?;
    while let Some(key) = members.next(cursor)? {
        match &*key {
            "cached_tokens" => counts.cached = count(cursor)?,
            "cache_write_tokens" => counts.cache_write = count(cursor)?,
            "reasoning_tokens" => counts.reasoning = count(cursor)?,
            _ => {
                cursor.skip()?;
            }
        }
    }
    Ok(())
}

fn count(cursor: &mut Cursor<'_>) -> Result<Count, SyntaxError> {
    if let Some(number) = cursor.whole_number() {
        return Ok(if number <= PLAUSIBLE { Count::Of(number) } else { Count::Absurd });
    }
    let kind = cursor.kind()?;
    let span = cursor.skip()?;
    let number = cursor.text()[span.range()].parse::<u64>().ok().filter(|number| *number <= PLAUSIBLE);
    Ok(match (kind, number) {
        (Kind::Null, _) => Count::Absent,
        (_, Some(number)) => Count::Of(number),
        (_, None) => Count::Absurd,
    })
}

impl Counts {
    fn report(&self) -> Reported {
        let all = [self.prompt, self.completion, self.total, self.cached, self.cache_write, self.reasoning];
        if all.iter().any(|count| matches!(count, Count::Absurd)) {
            return Reported::Unreadable;
        }
        match (self.prompt, self.completion) {
            (Count::Of(prompt), Count::Of(completion)) => Reported::Known(self.usage(prompt, completion)),
            (Count::Absent, Count::Absent) => Reported::Missing,
            _ => Reported::Unreadable,
        }
    }

    /// Some servers leave reasoning out of `completion_tokens` (xAI names it in the details, Gemini's compatible
    /// API only in the total) and bill it nevertheless: what the total has more than its parts is output.
    fn usage(&self, prompt: u64, completion: u64) -> Usage {
        let hidden = self.total.or_zero().saturating_sub(prompt + completion);
        let output = completion + hidden;
        Usage {
            input: prompt,
            cached_input: self.cached.or_zero().min(prompt),
            cache_write: self.cache_write.or_zero().min(prompt),
            output,
            reasoning: self.reasoning.or_zero().max(hidden).min(output),
        }
    }
}

impl Count {
    fn or_zero(self) -> u64 {
        match self {
            Count::Of(number) => number,
            Count::Absent | Count::Absurd => 0,
        }
    }
}

/// Writes our counts in OpenAI's terms, with the cost where one is to be told.
pub(super) fn write(out: &mut Vec<u8>, usage: &Usage, cost: Option<Nano>) {
    let Usage { input, cached_input, cache_write: _, output, reasoning } = *usage;
    let counts = format!(
        "{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{cached_input}}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}",
        usage.total(),
    );
    out.extend(counts.as_bytes());
    if let Some(cost) = cost {
        out.extend(format!(",\"cost\":{cost}").as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(json: &str, expected: Reported) {
        assert_eq!(read(&mut Cursor::new(json)).unwrap().reported, expected, "{json}");
    }

    fn known(input: u64, cached_input: u64, cache_write: u64, output: u64, reasoning: u64) -> Reported {
        Reported::Known(Usage { input, cached_input, cache_write, output, reasoning })
    }

    #[test]
    fn counts_are_read_and_zero_is_zero() {
        check(r#"{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}"#, known(12, 0, 0, 3, 0));
        check(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#, known(0, 0, 0, 0, 0));
        check(
            r#"{"prompt_tokens":12,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":6}}"#,
            known(12, 8, 0, 9, 6),
        );
        check(
            r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cache_write_tokens":5}}"#,
            known(9, 0, 5, 1, 0),
        );
        check(
            r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":7}"#,
            known(9, 7, 0, 1, 0),
        );
        check(
            r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":null}"#,
            known(9, 0, 0, 1, 0),
        );
    }

    #[test]
    fn parts_never_exceed_their_whole() {
        check(
            r#"{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":50},
                "completion_tokens_details":{"reasoning_tokens":3}}"#,
            known(5, 5, 0, 2, 2),
        );
    }

    #[test]
    fn what_the_total_has_more_is_hidden_reasoning() {
        check(r#"{"completion_tokens":12,"prompt_tokens":35,"total_tokens":109}"#, known(35, 0, 0, 74, 62));
        check(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":40,"completion_tokens_details":{"reasoning_tokens":25}}"#,
            known(10, 0, 0, 30, 25),
        );
    }

    #[test]
    fn nothing_said_is_missing() {
        for json in ["null", "{}", "7", r#"{"prompt_tokens":null}"#, r#"{"total_tokens":3}"#] {
            check(json, Reported::Missing);
        }
    }

    #[test]
    fn what_cannot_be_true_is_unreadable() {
        for count in ["-1", "1.5", "1e3", "\"12\"", "99999999999999999999", "1099511627777", "[]"] {
            check(&format!(r#"{{"prompt_tokens":1,"completion_tokens":{count}}}"#), Reported::Unreadable);
        }
        check(r#"{"prompt_tokens":1}"#, Reported::Unreadable);
        check(
            r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-4}}"#,
            Reported::Unreadable,
        );
    }
}
