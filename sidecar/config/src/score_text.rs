//! What a routing model reads of a request.
//!
//! [`ScoreText`] is the decoded text that the user wrote, newest message first, at most [`BYTES_AT_MOST`] bytes: no
//! system prompt, no answers, no tool results, no images. A message that is too long for the room that is left keeps
//! its head and its tail, because questions stand at either end. The same rule makes the texts that models are trained
//! on, so it has a version, which every routing model names.

/// The version of the rule. A model that was trained on another one must not be asked.
pub const VERSION: u32 = 1;
/// The most that a text holds, in bytes.
pub const BYTES_AT_MOST: usize = 2048;
/// Less room than this is left empty: so few words of an older message say nothing.
const LEAST_ROOM: usize = 64;
/// Stands between messages, and between head and tail of a message that was cut.
const BREAK: char = '\n';

/// The text to be scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScoreText(String);

impl ScoreText {
    /// The text of a conversation's user messages, given newest first.
    pub fn newest_first<T: AsRef<str>>(messages: impl IntoIterator<Item = T>) -> Self {
        let mut text = String::new();
        for message in messages {
            let message = message.as_ref().trim();
            let used = text.len() + usize::from(!text.is_empty());
            let room = BYTES_AT_MOST - used.min(BYTES_AT_MOST);
            if room < LEAST_ROOM {
                break;
            }
            if message.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(BREAK);
            }
            push_within(&mut text, message, room);
        }
        Self(text)
    }

    /// The text of a single message.
    pub fn of(prompt: &str) -> Self {
        Self::newest_first([prompt])
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the user wrote nothing that can be read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a message, or its head and tail in equal parts where it is longer than the room.
fn push_within(text: &mut String, message: &str, room: usize) {
    if message.len() <= room {
        text.push_str(message);
        return;
    }
    let half = (room - BREAK.len_utf8()) / 2;
    let head = message.floor_char_boundary(half);
    let tail = message.ceil_char_boundary(message.len() - half);
    text.push_str(&message[..head]);
    text.push(BREAK);
    text.push_str(&message[tail..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(messages: &[&str], expected: &str) {
        assert_eq!(ScoreText::newest_first(messages).as_str(), expected);
    }

    #[test]
    fn newer_messages_stand_first_and_empty_ones_nowhere() {
        check(&[], "");
        check(&["  \n"], "");
        check(
            &["and in Rust?", "", " How do I sort a list in Go? "],
            "and in Rust?\nHow do I sort a list in Go?",
        );
    }

    #[test]
    fn a_long_message_keeps_its_head_and_its_tail() {
        let long = format!("{}middle{}", "h".repeat(2000), "t".repeat(2000));
        check(&[&long], &format!("{}\n{}", "h".repeat(1023), "t".repeat(1023)));
        check(&["newest", &long], &format!("newest\n{}\n{}", "h".repeat(1020), "t".repeat(1020)));
    }

    #[test]
    fn an_older_message_gets_the_room_that_is_left_or_none() {
        let newest = "n".repeat(BYTES_AT_MOST - LEAST_ROOM);
        check(&[&newest, "an older one"], &newest);
        let newest = "n".repeat(BYTES_AT_MOST - LEAST_ROOM - 1);
        check(&[&newest, "an older one"], &format!("{newest}\nan older one"));
        check(&["n".repeat(BYTES_AT_MOST).as_str(), "older"], &"n".repeat(BYTES_AT_MOST));
    }

    #[test]
    fn whatever_is_cut_is_cut_between_characters() {
        for character in ["ä", "語", "🙂", "e\u{301}"] {
            for lead in 0..5 {
                let message = format!("{}{}", "x".repeat(lead), character.repeat(3000));
                let text = ScoreText::of(&message);
                assert!(text.as_str().len() <= BYTES_AT_MOST);
                assert!(text.as_str().len() >= BYTES_AT_MOST - 2 * character.len(), "{lead} {character}");
            }
        }
    }
}
