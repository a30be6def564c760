//! From a file of outcomes to a routing model that opens and scores: what is promised of `train` as a whole.

use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::Bytes;
use pointsman_models::scorer::folder::Checksums;
use pointsman_models::scorer::{RoutingModel, ScoreText, Scratch};
use pointsman_train::folder::{About, Base};
use pointsman_train::outcomes::{ModelsFile, Source, by_source, parse};
use pointsman_train::train::{Refused, Trained, Wish, hold_out, train};

const MODELS: &str = r#"{"sources": {"shop": {"models": ["large", "small"]}},
    "prices": {"large": {"in": 10, "out": 10}, "small": {"in": 1, "out": 1}}}"#;
const WORDS: [&str; 12] =
    ["[UNK]", "sum", "poem", "blue", "red", "add", "verse", "seven", "tree", "##s", "?", "please"];

/// Small answers sums and fails at poems; large answers all. Every tenth label is luck.
fn lines(count: usize, helpful: bool) -> String {
    let mut text = String::new();
    for i in 0..count {
        let sum = i % 2 == 0;
        let (word, task) = if sum { ("sum add", "sums") } else { ("poem verse", "poems") };
        let filler = ["blue", "red", "seven", "tree"][i / 2 % 4];
        let luck = i % 10 == 9;
        let small = if helpful {
            sum != luck
        } else {
            pointsman_train::split::digest(&i.to_string())[0].is_multiple_of(2)
        };
        let small = u8::from(small);
        let outcomes =
            format!(r#""score": [1, {small}], "out_tokens": [100, 100], "cost": [0.0015, 0.00015]"#);
        let prompt = format!(r#""task": "{task}", "prompt": "{word} {filler} {i}?", "in_tokens": 50"#);
        writeln!(text, r#"{{"prompt_id": "{i}", "source": "shop", {prompt}, {outcomes}}}"#)
            .expect("a string takes all");
    }
    text
}

fn sources(lines: &str) -> Vec<Source> {
    let models: ModelsFile = serde_json::from_str(MODELS).expect("a models file");
    by_source(&parse(lines, &models).expect("good lines"), &models)
}

fn base() -> Base {
    let vectors: Vec<u8> = (0..WORDS.len() * 4).map(|i| (i * 37 % 251) as u8).collect();
    let scales: Vec<u8> = WORDS.iter().flat_map(|_| 0.01f32.to_le_bytes()).collect();
    Base {
        vocabulary: Bytes::from(WORDS.join("\n") + "\n"),
        vectors: vectors.into(),
        scales: scales.into(),
        dimensions: 4,
    }
}

fn made(sources: &[Source]) -> Result<Trained, Refused> {
    let models: ModelsFile = serde_json::from_str(MODELS).expect("a models file");
    let about = About {
        name: "test".to_owned(),
        version: "1".to_owned(),
        licence: "MIT".to_owned(),
        by: "a test".to_owned(),
        from: vec!["nowhere".to_owned()],
        on: String::new(),
        names: BTreeMap::from([("big".to_owned(), vec!["large".to_owned()])]),
    };
    let tasks = BTreeMap::from([("sums".to_owned(), "arithmetic".to_owned())]);
    train(sources, &models.prices, &base(), &Wish { about, tasks }, &mut |_| {})
}

fn open(trained: &Trained) -> RoutingModel {
    let read = |name: &str| trained.files.get(name).cloned().ok_or_else(|| "missing".to_owned());
    RoutingModel::load(&read, Checksums::Compare).expect("what was trained opens")
}

#[test]
fn what_is_trained_opens_and_knows_what_was_in_the_outcomes() {
    let trained = made(&sources(&lines(300, true))).expect("it pays");
    let model = open(&trained);
    let small = model.position("small").expect("it is known");
    assert_eq!(model.position("large"), model.position("big"), "an alias is the model");
    let mut scratch = Scratch::default();
    let sum = model.predict(&ScoreText::of("sum add blue?"), &mut scratch);
    let poem = model.predict(&ScoreText::of("poem verse blue?"), &mut scratch);
    assert!(sum.quality[small] > poem.quality[small] + 0.15, "{:?} {:?}", sum.quality, poem.quality);
    assert!(poem.difficulty > sum.difficulty && poem.complexity > sum.complexity);
    let task = |task: Option<u16>| task.map(|task| model.tasks()[usize::from(task)].to_string());
    assert_eq!((task(sum.task), task(poem.task)), (Some("arithmetic".to_owned()), Some("poems".to_owned())));
    let judged = trained.reports[0].judged.as_ref().expect("costs are known");
    assert!(!judged.curve.is_empty() && trained.reports[0].chosen.gain > 0.05);
}

#[test]
fn the_same_outcomes_give_the_same_bytes() {
    let outcomes = sources(&lines(200, true));
    assert_eq!(made(&outcomes).expect("it pays").files, made(&outcomes).expect("it pays").files);
}

#[test]
fn what_does_not_beat_the_blind_mix_is_refused() {
    let refused = made(&sources(&lines(300, false))).map(|_| ()).expect_err("nothing can be learned");
    assert!(matches!(refused, Refused::DoesNotPay { .. }), "{refused}");
    assert!(refused.to_string().contains("collect more labelled prompts"), "{refused}");
}

#[test]
fn too_few_prompts_and_a_single_model_are_refused() {
    assert!(matches!(made(&sources(&lines(99, true))), Err(Refused::TooFew { prompts: 99, .. })));
    let one: Vec<Source> = sources(&lines(200, true)).iter().map(|source| source.of_models(&[0])).collect();
    assert!(matches!(made(&one), Err(Refused::OneModel { models: 1, .. })));
}

#[test]
fn tables_of_different_folders_are_refused() {
    let sources = sources(&lines(200, true));
    let mut wrong = base();
    wrong.scales = wrong.scales.slice(4..);
    let error = pointsman_train::train::prepare(&sources, &wrong).expect_err("a scale is missing");
    assert!(error.to_string().contains("44 bytes of scales for 12 tokens"), "{error}");
}

#[test]
fn a_held_out_question_is_recognised_by_its_stem() {
    let mut sources = sources(&lines(200, true));
    let left_out = hold_out(&mut sources, ["SUM add, blue 0?\nA. one\nB. two"].into_iter());
    assert_eq!((left_out, sources[0].prompts.len()), (1, 199));
}
