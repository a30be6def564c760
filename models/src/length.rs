//! How long is a conversation, in tokens? Tiers go by that where nobody says how complex the text is.
//!
//! ```text
//! 2 + for each message: 4 + tokens(role) + tokens(content)
//! ```
//!
//! Tokens are those of OpenAI's tiktoken, in the encoding of the models that may answer; `cl100k_base` where they have
//! none or not the same one. What looks like a special token is text: nobody is one end of a conversation longer for
//! writing `<|endoftext|>`. The vocabularies are part of the program, and unpacked once, when the first policy asks.

use std::borrow::Cow;
use std::fmt;

use pointsman_config::policy::TierConfig;
use tiktoken::CoreBpe;

/// Tokens around the whole conversation.
const AROUND_ALL: u64 = 2;
/// Tokens around each message.
const AROUND_EACH: u64 = 4;
/// Text is looked at in pieces of about so many bytes, so that counting ends soon after the answer is known.
const PIECE: usize = 4096;

/// A vocabulary and how texts are cut for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// GPT-3.5 Turbo, GPT-4, and where nothing is known.
    Cl100kBase,
    /// GPT-4o and after.
    O200kBase,
}

impl Encoding {
    /// The encoding of a model by its provider's name for it; `cl100k_base` where tiktoken knows none.
    pub fn of_model(name: &str) -> Self {
        // "openai/gpt-4o" is gpt-4o, whoever serves it.
        let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
        match tiktoken::model_to_encoding(name) {
            // Harmony adds special tokens only.
            Some("o200k_base" | "o200k_harmony") => Self::O200kBase,
            _ => Self::Cl100kBase,
        }
    }

    /// The one encoding of all these models; `cl100k_base` where they differ.
    pub fn of_all<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let all = names.into_iter().map(Self::of_model);
        all.reduce(|a, b| if a == b { a } else { Self::Cl100kBase }).unwrap_or(Self::Cl100kBase)
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
    /// A ruler for these tiers, in the encoding of the models that may answer; none where no tier goes by length.
    ///
    /// The first one of an encoding unpacks its vocabulary: tens of milliseconds, and 12 to 16 MB of memory.
    pub fn of<'a>(tiers: &[TierConfig], models: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let enough = tiers.iter().filter_map(|tier| tier.min_tokens).max()?;
        Some(Self::new(Encoding::of_all(models), enough))
    }

    fn new(encoding: Encoding, enough: u64) -> Self {
        let vocabulary = tiktoken::get_encoding(encoding.name()).expect("it is a feature of the dependency");
        Self { encoding, vocabulary, enough }
    }

    /// The length of a conversation: of each message its role, and the parts of its content.
    ///
    /// Counting ends soon after the highest threshold: then the answer is at least that, and not the whole length.
    pub fn length<'a, P>(&self, messages: impl IntoIterator<Item = (Cow<'a, str>, P)>) -> u64
    where
        P: IntoIterator<Item = Cow<'a, str>>,
    {
        let mut length = AROUND_ALL;
        for (role, parts) in messages {
            length += AROUND_EACH + self.vocabulary.count(&role) as u64;
            for part in parts {
                length = self.add(length, &part);
            }
            if length >= self.enough {
                break;
            }
        }
        length
    }

    fn add(&self, mut length: u64, text: &str) -> u64 {
        let mut rest = text;
        while !rest.is_empty() && length < self.enough {
            let (piece, after) = rest.split_at(joint(rest));
            length += self.vocabulary.count(piece) as u64;
            rest = after;
        }
        length
    }
}

/// Where a text can be cut without changing its tokens: before the space between two ASCII letters, the first such place
/// after [`PIECE`] bytes; else at its end. No token of either encoding holds a letter and then a space, and neither looks
/// back.
fn joint(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_joint = |at: &usize| {
        bytes[*at] == b' ' && bytes[at - 1].is_ascii_alphabetic() && bytes[at + 1].is_ascii_alphabetic()
    };
    (PIECE..bytes.len().saturating_sub(1)).find(is_joint).unwrap_or(bytes.len())
}
