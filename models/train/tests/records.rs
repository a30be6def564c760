//! From rated calls to a routing model that opens, scores what it has learned, and is refused where it has not.

use std::collections::BTreeMap;

use bytes::Bytes;
use pointsman_models::scorer::folder::Checksums;
use pointsman_models::scorer::{Manifest, RoutingModel, ScoreText, Scratch};
use pointsman_models::shipped;
use pointsman_train::folder::About;
use pointsman_train::records::{FILES, Rated, Refused, Seen, learn};

const SUBJECTS: [&str; 10] =
    ["rain", "cats", "trains", "rivers", "bread", "glass", "winter", "ships", "clocks", "salt"];

/// A sum or a poem.
fn prompt(i: usize) -> String {
    let subject = SUBJECTS[i / 2 % SUBJECTS.len()];
    if i.is_multiple_of(2) {
        format!("What is {i} plus {} minus the number of {subject}?", 3 * i + 7)
    } else {
        format!("Write a short poem number {i} on {subject} and the sea.")
    }
}

fn hash_byte(text: &str) -> u8 {
    pointsman_train::split::digest(text)[0]
}

/// Drawn evenly: the small model answers sums and fails at poems, the large one the other way round.
fn calls(count: usize, helpful: bool) -> Vec<Rated> {
    let model = shipped::load();
    let mut scratch = Scratch::default();
    (0..count)
        .map(|i| {
            let text = prompt(i);
            let small = hash_byte(&format!("drawn {i}")).is_multiple_of(2);
            let good = if helpful {
                small == (i % 2 == 0)
            } else {
                hash_byte(&format!("luck {i}")).is_multiple_of(2)
            };
            let features = model.predict(&ScoreText::of(&text), &mut scratch).features;
            Rated {
                routing_model: model.hash().to_string(),
                features: features.numbers().collect(),
                model: if small { "small" } else { "large" }.to_owned(),
                propensity: 0.5,
                quality: f64::from(u8::from(good)),
                expected_cost: [("small".to_owned(), 0.0001), ("large".to_owned(), 0.001)].into(),
                output_tokens: 100.0,
            }
        })
        .collect()
}

fn seen() -> Seen {
    let file = |name: &str| shipped::file(name).expect("a shipped file");
    Seen {
        files: FILES.map(|name| (name, file(name))).into(),
        manifest: Manifest::parse(&file("manifest.yaml")).expect("a manifest"),
        hash: shipped::load().hash().to_string(),
    }
}

fn about() -> About {
    About {
        name: "ours".to_owned(),
        version: "1".to_owned(),
        licence: "MIT".to_owned(),
        by: "a test".to_owned(),
        from: vec!["feedback".to_owned()],
        on: String::new(),
        names: BTreeMap::new(),
    }
}

fn opened(files: &BTreeMap<String, Bytes>) -> RoutingModel {
    let read = |name: &str| files.get(name).cloned().ok_or_else(|| "missing".to_owned());
    RoutingModel::load(&read, Checksums::Compare).expect("a folder that opens")
}

#[test]
fn feedback_alone_teaches_which_model_a_kind_of_prompt_is_for() {
    let learned = learn(&calls(400, true), &seen(), &about()).expect("it pays");
    assert!(learned.gain.0 > 0.05, "{:?}", learned.gain);
    let model = opened(&learned.files);
    let (small, large) = (model.position("small").expect("known"), model.position("large").expect("known"));
    let mut scratch = Scratch::default();
    let right = (1000..1200)
        .filter(|i| {
            let quality = model.predict(&ScoreText::of(&prompt(*i)), &mut scratch).quality;
            (quality[small] > quality[large]) == (i % 2 == 0)
        })
        .count();
    assert!(right >= 180, "{right} of 200 prompts that it has never seen");
}

#[test]
fn feedback_that_is_noise_is_refused() {
    let refused = learn(&calls(400, false), &seen(), &about()).expect_err("noise");
    assert!(matches!(refused, Refused::DoesNotPay { calls: 400, .. }), "{refused}");
}

#[test]
fn what_cannot_be_learned_from_is_counted_and_said() {
    let mut few = calls(200, true);
    few.iter_mut().skip(90).for_each(|call| call.routing_model = "another".to_owned());
    let refused = learn(&few, &seen(), &about()).expect_err("too few").to_string();
    assert!(refused.starts_with("90 rated calls can be learned from (110 of another"), "{refused}");
    let mut one = calls(300, true);
    one.iter_mut().for_each(|call| call.model = "small".to_owned());
    assert!(matches!(learn(&one, &seen(), &about()), Err(Refused::OneModel)));
    let mut damaged = seen();
    damaged.files.insert("head.bin", Bytes::from_static(b"short"));
    assert!(matches!(learn(&calls(200, true), &damaged, &about()), Err(Refused::Base(_))));
}
