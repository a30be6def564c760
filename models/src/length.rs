//! How long is a conversation, in tokens? Tiers go by that where nobody says how complex the text is.
//!
//! ```text
//! 2 + for each message: 4 + tokens(role) + tokens(content)
//! ```
//!
//! Tokens are those of OpenAI's tiktoken, in the encoding of the models that may answer; `cl100k_base` where they have
//! none or not the same one. What looks like a special token is text: nobody's conversation gets shorter by writing
//! `<|endoftext|>`. The vocabularies are part of the program; one is unpacked when the first policy asks for it.

use std::borrow::Cow;
use std::fmt;

use pointsman_config::policy::{ScorerKind, TierConfig};
use tiktoken::CoreBpe;

/// Tokens around the whole conversation.
const AROUND_ALL: u64 = 2;
/// Tokens around each message.
const AROUND_EACH: u64 = 4;
/// No token of either vocabulary has more bytes; both have one of 128 spaces.
const LONGEST_TOKEN: u64 = 128;
/// Text is counted in pieces of so many bytes, up to where it can next be cut, and in no longer ones than the second
/// number says: what is counted at once bounds the time and the memory that it takes.
const PIECE: usize = 4096;
const PIECE_AT_MOST: usize = 32 * 1024;

/// A vocabulary and how texts are cut for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// GPT-3.5 Turbo, GPT-4, and where nothing is known.
    Cl100kBase,
    /// GPT-4o and what came after it.
    O200kBase,
}

impl Encoding {
    /// The encoding of a model that goes by any of these names, whoever serves it (`openai/gpt-4o`); none where they say
    /// nothing, or name an encoding from before chats.
    pub fn of_model(names: &[&str]) -> Option<Self> {
        names.iter().find_map(|name| {
            let name = name.rsplit_once('/').map_or(*name, |(_, name)| name);
            match tiktoken::model_to_encoding(name)? {
                "cl100k_base" => Some(Self::Cl100kBase),
                // Harmony adds special tokens only.
                "o200k_base" | "o200k_harmony" => Some(Self::O200kBase),
                _ => None,
            }
        })
    }

    /// The one encoding of all these models; `cl100k_base` where they differ, or one of them has none.
    pub fn of_all<'a>(models: impl IntoIterator<Item = [&'a str; 2]>) -> Self {
        let mut all = models.into_iter().map(|names| Self::of_model(&names));
        let first = all.next().flatten().unwrap_or(Self::Cl100kBase);
        if all.all(|other| other == Some(first)) { first } else { Self::Cl100kBase }
    }

    /// As tiktoken calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cl100kBase => "cl100k_base",
            Self::O200kBase => "o200k_base",
        }
    }
}

/// Measures conversations for the tiers of one policy.
#[derive(Clone, Copy)]
pub struct Ruler {
    encoding: Encoding,
    vocabulary: &'static CoreBpe,
    /// The highest threshold: beyond it, longer is no different.
    enough: u64,
}

impl fmt::Debug for Ruler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruler").field("encoding", &self.encoding).field("enough", &self.enough).finish()
    }
}

impl Ruler {
    /// A ruler for these tiers, in the encoding of the models that may answer, each by our name for it and its provider's;
    /// none where no tier goes by length, or this kind of scorer leaves tiers to rules.
    ///
    /// The first one of an encoding unpacks its vocabulary, which takes tens of milliseconds; it is kept until the process
    /// ends.
    pub fn of<'a>(
        scorer: ScorerKind,
        tiers: &[TierConfig],
        models: impl IntoIterator<Item = [&'a str; 2]>,
    ) -> Option<Self> {
        if scorer == ScorerKind::Prior {
            return None;
        }
        let enough = tiers.iter().filter_map(|tier| tier.min_tokens).max()?;
        let encoding = Encoding::of_all(models);
        let vocabulary = tiktoken::get_encoding(encoding.name()).expect("it is a feature of the dependency");
        Some(Self { encoding, vocabulary, enough })
    }

    /// The encoding that it counts in.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The length of a conversation: of each message its role, and the parts of its content.
    ///
    /// Counting ends once the highest threshold is reached: then the answer is at least that, and not the whole length. A
    /// stretch of 32 KiB without a space after a word may count a token or two too many.
    pub fn length<'a, P>(&self, messages: impl IntoIterator<Item = (Cow<'a, str>, P)>) -> u64
    where
        P: IntoIterator<Item = Cow<'a, str>>,
    {
        let mut length = AROUND_ALL;
        for (role, parts) in messages {
            length = self.add(length + AROUND_EACH, &role);
            for part in parts {
                if length >= self.enough {
                    return length;
                }
                length = self.add(length, &part);
            }
        }
        length
    }

    fn add(&self, mut length: u64, text: &str) -> u64 {
        let mut rest = text;
        while !rest.is_empty() && length < self.enough {
            if length + rest.len() as u64 / LONGEST_TOKEN >= self.enough {
                return self.enough;
            }
            let (piece, after) = rest.split_at(joint(rest));
            length += self.vocabulary.count(piece) as u64;
            rest = after;
        }
        length
    }
}

/// Where a text is cut to be counted in pieces.
///
/// Before a space that follows anything but white space the tokens stay the same: in both encodings a space stands only
/// at the start of what their patterns match, or among other white space, and nothing looks back. Where no such place
/// comes in time, the text is cut between two characters.
fn joint(text: &str) -> usize {
    let end = text.floor_char_boundary(PIECE_AT_MOST.min(text.len()));
    let follows_a_word = |at: &usize| !text[..*at].ends_with(char::is_whitespace);
    let spaces = text.as_bytes()[..end].iter().enumerate().skip(PIECE).filter(|(_, byte)| **byte == b' ');
    spaces.map(|(at, _)| at).find(follows_a_word).unwrap_or(end)
}
