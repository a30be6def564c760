//! The conversation's text, decoded when somebody asks.

use std::borrow::Cow;

use super::{ChatRequest, Fields, MessageText};

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

    /// Walks through all messages in order: the role of each, and the parts of its text.
    pub fn messages(&self) -> impl Iterator<Item = (Cow<'_, str>, impl Iterator<Item = Cow<'_, str>>)> {
        let Fields { roles, texts, .. } = &self.fields;
        let mut rest = texts.as_slice();
        roles.iter().zip(0..).map(move |(role, message)| {
            let ends = rest.iter().position(|text| text.message != message).unwrap_or(rest.len());
            let (of_message, others) = rest.split_at(ends);
            rest = others;
            (role.decode(&self.body), of_message.iter().map(|text| text.text.decode(&self.body)))
        })
    }

    /// Walks through the messages whose role is `user`, newest first, each with its parts in order.
    pub fn user_messages_newest_first(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let texts = &self.fields.texts;
        let mut end = texts.len();
        std::iter::from_fn(move || {
            let last = texts[..end].iter().rposition(|text| text.from_user)?;
            let message = texts[last].message;
            let first = texts[..last].iter().rposition(|text| text.message != message).map_or(0, |i| i + 1);
            end = first;
            Some(self.join_all(&texts[first..=last]))
        })
    }

    /// Returns the length of the last message whose role is `user`, decoded, in bytes.
    pub fn last_user_text_len(&self) -> u64 {
        let texts = self.fields.texts.iter().rev().filter(|text| text.from_user);
        let mut message = None;
        let of_last = texts.take_while(|text| *message.get_or_insert(text.message) == text.message);
        of_last.map(|text| u64::from(text.text.decoded_len)).sum()
    }

    fn join_all(&self, texts: &[MessageText]) -> Cow<'_, str> {
        let mut texts = texts.iter().map(|text| text.text.decode(&self.body));
        let mut joined = texts.next().unwrap_or_default();
        for text in texts {
            let joined = joined.to_mut();
            joined.push('\n');
            joined.push_str(&text);
        }
        joined
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
