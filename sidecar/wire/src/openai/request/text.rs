//! The conversation's text, decoded when somebody asks.

use std::borrow::Cow;

use super::{ChatRequest, MessageText};

impl ChatRequest {
    /// Returns the text of the last message whose role is `user`; empty where there is none.
    pub fn last_user_text(&self) -> Cow<'_, str> {
        let last = self.fields.texts.iter().rev().find(|text| text.from_user).map(|text| text.message);
        self.join(|text| Some(text.message) == last)
    }

    /// Returns the text of all messages whose role is `user`, in order, one line break between parts.
    pub fn user_text(&self) -> Cow<'_, str> {
        self.join(|text| text.from_user)
    }

    /// Returns the text of all messages, in order, one line break between parts.
    pub fn all_text(&self) -> Cow<'_, str> {
        self.join(|_| true)
    }

    fn join(&self, wanted: impl Fn(&MessageText) -> bool) -> Cow<'_, str> {
        let mut texts =
            self.fields.texts.iter().filter(|text| wanted(text)).map(|text| text.text.decode(&self.body));
        let mut joined = texts.next().unwrap_or_default();
        for text in texts {
            let joined = joined.to_mut();
            joined.push('\n');
            joined.push_str(&text);
        }
        joined
    }
}
