//! Takes out of a provider's words what is not for callers: keys, addresses, stack traces, control characters.

/// The longest text that is passed on, in bytes.
pub(super) const LONGEST: usize = 1024;

/// How keys of the known providers begin.
const KEY_PREFIXES: [&str; 9] = ["sk-", "sk_", "pk-", "gsk_", "xai-", "AIza", "hf_", "Bearer", "eyJ"];

/// Where a stack trace begins.
const TRACES: [&str; 3] = ["Traceback (most recent call last)", "\n    at ", "stack backtrace:"];

/// Returns the text without secrets, on one line, at most [`LONGEST`] bytes long.
pub(super) fn scrub(text: &str) -> String {
    let end = TRACES.iter().filter_map(|trace| text.find(trace)).min().unwrap_or(text.len());
    let mut clean = String::new();
    let mut after_bearer = false;
    for word in text[..end].split(|c: char| c.is_whitespace() || c.is_control()) {
        if clean.len() > LONGEST {
            break;
        }
        if !clean.is_empty() && !word.is_empty() {
            clean.push(' ');
        }
        let hidden = if std::mem::take(&mut after_bearer) { Some("[key]") } else { hidden(word) };
        after_bearer = word.trim_matches(PUNCTUATION) == "Bearer";
        match hidden {
            Some(instead) if !after_bearer => clean.push_str(instead),
            _ => clean.push_str(word),
        }
    }
    clean.truncate(clean.floor_char_boundary(LONGEST));
    clean
}

const PUNCTUATION: [char; 14] = ['"', '\'', '`', '(', ')', '[', ']', '{', '}', ',', ';', ':', '.', '='];

fn hidden(word: &str) -> Option<&'static str> {
    if word.contains("://") || word.split(PUNCTUATION_BUT_DOTS).any(is_address) {
        return Some("[address]");
    }
    word.split(PUNCTUATION).any(is_key).then_some("[key]")
}

const PUNCTUATION_BUT_DOTS: [char; 13] = ['"', '\'', '`', '(', ')', '[', ']', '{', '}', ',', ';', '=', '/'];

/// An IPv4 address, or a host name inside a cluster, with or without a port.
fn is_address(word: &str) -> bool {
    let host = word.split(':').next().unwrap_or_default().trim_end_matches('.');
    let numbers = host.split('.').filter(|part| part.parse::<u8>().is_ok()).count();
    (numbers == 4 && host.split('.').count() == 4) || host.contains(".svc") || host.ends_with(".internal")
}

fn is_key(part: &str) -> bool {
    part.len() >= 8 && KEY_PREFIXES.iter().any(|prefix| part.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_addresses_are_hidden() {
        for (text, expected) in [
            (
                "Incorrect API key provided: sk-proj-abcdef123. Look.",
                "Incorrect API key provided: [key] Look.",
            ),
            ("header 'Authorization: Bearer abc.def' refused", "header 'Authorization: Bearer [key] refused"),
            ("see https://platform.openai.com/docs now", "see [address] now"),
            ("dial tcp 10.2.3.4:8000: refused", "dial tcp [address] refused"),
            ("no route to gpu.models.svc.cluster.local:80", "no route to [address]"),
            ("oops\nTraceback (most recent call last): File x", "oops"),
            ("a\u{0}b\r\nc  d", "a b c d"),
            ("temperature 1.5 is above 1.0, gpt-3.5-turbo", "temperature 1.5 is above 1.0, gpt-3.5-turbo"),
        ] {
            assert_eq!(scrub(text), expected);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let cut = scrub(&"é".repeat(4000));
        assert_eq!(cut.len(), LONGEST);
        assert_eq!(scrub(&format!("a{}", "é".repeat(4000))).len(), LONGEST - 1);
    }
}
