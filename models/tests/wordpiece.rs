//! Our WordPiece gives the ids of the `tokenizers` crate, whatever the text.

use bytes::Bytes;
use pointsman_models::wordpiece::WordPiece;
use tokenizers::models::wordpiece::WordPiece as TheirModel;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

const VOCABULARY: &[u8] = include_bytes!("../shipped/vocabulary.txt");
const RANDOM_TEXTS: usize = 60_000;

struct Both {
    ours: WordPiece,
    theirs: Tokenizer,
    word: String,
    ids: Vec<u32>,
    compared: usize,
}

impl Both {
    fn new() -> Self {
        let vocabulary = TheirModel::read_bytes(VOCABULARY).expect("a vocabulary");
        let model =
            TheirModel::builder().vocab(vocabulary).unk_token("[UNK]".to_owned()).build().expect("a model");
        let mut theirs = Tokenizer::new(model);
        theirs.with_normalizer(Some(BertNormalizer::default())).expect("a normaliser");
        theirs.with_pre_tokenizer(Some(BertPreTokenizer));
        let ours = WordPiece::new(Bytes::from_static(VOCABULARY)).expect("the shipped vocabulary");
        Self { ours, theirs, word: String::new(), ids: Vec::new(), compared: 0 }
    }

    fn check(&mut self, text: &str) {
        let theirs = self.theirs.encode_fast(text, false).expect("every text has tokens");
        self.ours.encode(text, usize::MAX, &mut self.word, &mut self.ids);
        let tokens =
            |ids: &[u32]| ids.iter().filter_map(|id| self.ours.token(*id)).collect::<Vec<_>>().join(" ");
        assert!(
            self.ids == theirs.get_ids(),
            "{text:?} ({:x?})\n ours   {}\n theirs {}",
            text.chars().map(u32::from).collect::<Vec<_>>(),
            tokens(&self.ids),
            tokens(theirs.get_ids())
        );
        self.compared += 1;
    }
}

/// A small generator of its own (splitmix64), so that the same texts come every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn every_character() -> impl Iterator<Item = char> {
    (0..=0x10_ffff).filter_map(char::from_u32)
}

#[test]
fn every_character_of_unicode_gives_the_reference_s_tokens_within_words_and_after_marks() {
    let mut both = Both::new();
    let all: Vec<char> = every_character().collect();
    // Alone in a word of known letters, eight to a text, so that a difference stands out.
    for eight in all.chunks(8) {
        let text: String = eight.iter().flat_map(|c| ['x', *c, 'y', ' ']).collect();
        both.check(&text);
    }
    // Between marks that have to be put in order.
    for (i, eight) in all.chunks(8).enumerate() {
        let marks = ['\u{302e}', '\u{1d165}', '\u{301}', '\u{1b44}', '\u{16ff0}'];
        let text: String =
            eight.iter().flat_map(|c| ['a', marks[i % 5], *c, marks[(i + 2) % 5], 'b']).collect();
        both.check(&text);
    }
    assert!(both.compared > 270_000, "{}", both.compared);
}

#[test]
fn random_texts_of_many_scripts_give_the_reference_s_tokens() {
    let mut both = Both::new();
    let mut chance = Chance(2026);
    let all: Vec<char> = every_character().collect();
    let words: Vec<&str> = std::str::from_utf8(VOCABULARY).expect("text").lines().collect();
    let odd = [
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{130}stanbul",
        "na\u{ef}ve",
        "\u{1e9e}",
        "\u{3b1}\u{3c3}\u{3c2}",
        "\u{4f60}\u{597d}",
        "\u{6771}\u{4eac}\u{90fd}",
        "\u{ac01}\u{d55c}\u{ad6d}",
        "\u{1112}\u{1161}\u{11ab}",
        "\u{f900}",
        "\u{2f804}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{1f1e9}\u{1f1ea}",
        "\u{915}\u{94d}\u{937}",
        "\u{627}\u{644}\u{639}\u{631}\u{628}\u{64a}\u{629}",
        "\u{5e9}\u{5c1}\u{5b8}",
        "\u{e01}\u{e33}",
        "[SEP]",
        "[CLS] [MASK]",
        "##ing",
        "don't",
        "x=1;y+=2//z",
        "https://a.b/c?d=e",
        "\0",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{200b}",
        "\u{2028}",
        "\u{3000}",
        "\u{feff}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{e000}",
        "\u{10ffff}",
        "\r\n",
        "\t",
        "\u{b}",
        "\u{c}",
        "\u{37e}",
        "\u{387}",
        "\u{2126}",
        "\u{212b}",
        "\u{fb01}",
        "\u{1d400}",
        "\u{301}\u{327}",
        "\u{1d15e}",
        "\u{0344}",
    ];
    for _ in 0..RANDOM_TEXTS {
        let mut text = String::new();
        for _ in 0..chance.below(24) {
            match chance.below(10) {
                0..4 => text.push_str(chance.of(&words).trim_start_matches('#')),
                4..6 => text.push_str(chance.of(&odd)),
                6 => text.push(chance.of(&all)),
                7 => (0..chance.below(8)).for_each(|_| text.push(all[chance.below(0x3000)])),
                8 => text.push_str(&chance.of(&words).to_uppercase()),
                _ => text.push_str(&chance.of(&["e", "\u{e9}", "z", "\u{4e2d}"]).repeat(chance.below(130))),
            }
            if chance.below(3) > 0 {
                text.push(' ');
            }
        }
        both.check(&text);
    }
}

#[test]
fn words_of_more_than_a_hundred_characters_are_unknown_and_those_of_a_hundred_are_not() {
    let mut both = Both::new();
    for (letter, length) in [
        ("a", 99),
        ("a", 100),
        ("a", 101),
        ("\u{444}", 100),
        ("\u{444}", 101),
        ("e\u{301}", 100),
        ("e\u{301}", 101),
        ("\u{1f600}", 101),
    ] {
        both.check(&letter.repeat(length));
        both.check(&format!("before {} after", letter.repeat(length)));
    }
    both.check(&"a".repeat(100_000));
    both.check(&"\u{301}".repeat(10_000));
}

#[test]
fn a_truncated_text_keeps_the_first_tokens() {
    let mut both = Both::new();
    let text = "Unbelievably long words, caf\u{e9}s and \u{6771}\u{4eac} keep being tokenized. ".repeat(20);
    for at_most in [1, 2, 3, 7, 128, 400, 10_000] {
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: at_most,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        both.theirs.with_truncation(Some(truncation)).expect("a truncation");
        let theirs = both.theirs.encode_fast(text.as_str(), false).expect("tokens");
        both.ours.encode(&text, at_most, &mut both.word, &mut both.ids);
        assert_eq!(both.ids, theirs.get_ids(), "{at_most}");
    }
    both.ours.encode(&text, 0, &mut both.word, &mut both.ids);
    assert!(both.ids.is_empty());
}

#[test]
fn a_text_that_is_no_vocabulary_is_refused_with_the_remedy() {
    for (text, error) in [
        (&b"a\nb"[..], "it has no token [UNK]; add the line"),
        (b"[UNK]\na\nb\na", "token \"a\" stands twice; remove one of the lines"),
        (b"[UNK]\n\xff", "it is not UTF-8; save it as plain text"),
    ] {
        let refused = WordPiece::new(Bytes::from_static(text)).expect_err("no vocabulary");
        assert_eq!(refused.to_string(), error);
    }
}
