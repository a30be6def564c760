//! How long does the shipped routing model take for one text, and how much memory does it hold? How long does it take to
//! know that a long conversation reaches a threshold in tokens?
//!
//! `cargo bench -p pointsman-models` prints one line per measurement: the fastest of many rounds over different texts, so
//! that no row of the table is always warm and what else the machine does is left out; `--json` says it for `make bench`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use pointsman_config::policy::{ScorerKind, TierConfig};
use pointsman_models::length::Ruler;
use pointsman_models::scorer::folder::Checksums;
use pointsman_models::scorer::{RoutingModel, ScoreText, Scratch};
use pointsman_models::wordpiece::WordPiece;

const TEXTS: usize = 64;
const ROUNDS: usize = 40;
/// The threshold of a tier, and a conversation that is longer by far.
const TIER_TOKENS: u64 = 2000;
const LONG_TOKENS: usize = 16_000;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shipped");
    let read =
        |name: &str| std::fs::read(folder.join(name)).map(Bytes::from).map_err(|error| error.to_string());
    let vocabulary = read("vocabulary.txt").expect("the shipped vocabulary");
    let before = resident_kib();
    let words = WordPiece::new(vocabulary.clone()).expect("a vocabulary");
    let tokenizer_kib = resident_kib().saturating_sub(before);
    let before = resident_kib();
    let model = RoutingModel::load(&read, Checksums::Compare).expect("the shipped model");
    let vocabulary = std::str::from_utf8(&vocabulary).expect("text");
    let plain: Vec<&str> =
        vocabulary.lines().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect();
    let timed = [32, 128, 512].map(|tokens| {
        let texts: Vec<String> = (0..TEXTS).map(|i| text(&plain, tokens, i)).collect();
        let (mut word, mut ids) = (String::new(), Vec::new());
        let tokenizing = least(&texts, |text| {
            words.encode(text, usize::MAX, &mut word, &mut ids);
            black_box(ids.len());
        });
        let mut scratch = Scratch::default();
        let scored: Vec<ScoreText> = texts.iter().map(|text| ScoreText::of(text)).collect();
        let whole = least(&scored, |text| {
            black_box(model.predict(text, &mut scratch));
        });
        (tokens, whole, tokenizing)
    });
    // After scoring: what is read from tables is in memory by now.
    let model_kib = resident_kib().saturating_sub(before);
    let tier = TierConfig { name: "long".to_owned(), min_complexity: None, min_tokens: Some(TIER_TOKENS) };
    let ruler = Ruler::of(ScorerKind::TokenLength, &[tier], [["gpt-4o"; 2]]).expect("a tier goes by length");
    let long: Vec<String> = (0..TEXTS).map(|i| text(&plain, LONG_TOKENS, i)).collect();
    let length = least(&long, |text| {
        black_box(ruler.length([("user".into(), [text.into()])]));
    });
    if std::env::args().any(|argument| argument == "--json") {
        let figures = serde_json::json!({
            "microseconds_at_128_tokens": timed[1].1,
            "microseconds_at_512_tokens": timed[2].1,
            "microseconds_to_reach_2000_tokens": length,
            "tokenizer_kib": tokenizer_kib,
            "model_kib": model_kib,
        });
        return println!("{figures}");
    }
    println!(
        "memory of the model, read from a folder: {model_kib} KiB; of a tokenizer alone: {tokenizer_kib} KiB"
    );
    for (tokens, whole, tokenizing) in timed {
        println!("{tokens} tokens: {whole:.1} microseconds, of them {tokenizing:.1} to tokenize");
    }
    println!("a text of {LONG_TOKENS} words reaches {TIER_TOKENS} tokens: {length:.1} microseconds");
}

/// A text of so many words that are one token each.
fn text(words: &[&str], tokens: usize, seed: usize) -> String {
    let at = |i: usize| words[(seed * 7919 + i * 104_729) % words.len()];
    (0..tokens).map(at).collect::<Vec<_>>().join(" ")
}

/// The time of one call in the fastest round, in microseconds.
fn least<T>(inputs: &[T], mut call: impl FnMut(&T)) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            inputs.iter().for_each(&mut call);
            began.elapsed().as_secs_f64() * 1e6 / inputs.len() as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
