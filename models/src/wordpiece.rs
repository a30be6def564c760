//! Which tokens is a text made of? BERT's uncased WordPiece: normalise, split into words, cut each into known pieces.
//!
//! ```text
//! "Hélloworld!" ──► normal "helloworld" "!" ──► pieces hello ##world !
//! ```
//!
//! One pass over the text, no allocation but the lent buffers. It gives the same ids as the `tokenizers` crate with
//! `BertNormalizer`, `BertPreTokenizer` and `WordPiece`, which a test compares. Special tokens are not looked for: what a
//! user writes is never `[SEP]`, only its letters.

mod classes;
mod normal;
mod vocabulary;

use bytes::Bytes;

pub use vocabulary::VocabularyError;

use normal::Normal;
use vocabulary::Vocabulary;

/// Words with more characters than this are unknown as a whole.
const CHARACTERS_AT_MOST: usize = 100;

/// A tokenizer with its vocabulary.
#[derive(Debug)]
pub struct WordPiece {
    vocabulary: Vocabulary,
}

impl WordPiece {
    /// A tokenizer over a `vocab.txt`: one token per line, its number being its id, `[UNK]` among them.
    pub fn new(vocabulary: Bytes) -> Result<Self, VocabularyError> {
        Ok(Self { vocabulary: Vocabulary::new(vocabulary)? })
    }

    /// How many tokens there are.
    pub fn size(&self) -> usize {
        self.vocabulary.size()
    }

    /// A token by its id; continuing pieces start with `##`.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.vocabulary.token(id)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.vocabulary.id(token)
    }

    /// Replaces `ids` by the first `at_most` tokens of a text, without any special ones. `word` is only lent.
    pub fn encode(&self, text: &str, at_most: usize, word: &mut String, ids: &mut Vec<u32>) {
        ids.clear();
        let mut normal = Normal::new(text, word);
        while ids.len() < at_most {
            let Some(word) = normal.next_word() else { break };
            self.cut(word, ids);
        }
        ids.truncate(at_most);
    }

    /// Appends the longest known pieces of a word, or the unknown token where they do not cover it.
    fn cut(&self, word: &str, ids: &mut Vec<u32>) {
        let first = ids.len();
        let mut rest = word;
        let mut continues = false;
        if word.len() > CHARACTERS_AT_MOST && word.chars().count() > CHARACTERS_AT_MOST {
            ids.push(self.vocabulary.unknown());
            return;
        }
        while !rest.is_empty() {
            let Some((id, length)) = self.vocabulary.longest(rest, continues) else {
                ids.truncate(first);
                ids.push(self.vocabulary.unknown());
                return;
            };
            ids.push(id);
            rest = &rest[length..];
            continues = true;
        }
    }
}
