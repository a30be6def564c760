//! The routing model inside the program. Its bytes are part of the binary: only the rows that texts use are ever loaded.

use bytes::Bytes;

use crate::scorer::RoutingModel;
use crate::scorer::folder::Checksums;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        const FILES: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/shipped/", $name)))),*];
    };
}

files!("manifest.yaml", "vocabulary.txt", "vectors.bin", "scales.bin", "rarity.bin", "terms.bin", "head.bin");

/// One file of it.
pub fn file(name: &str) -> Result<Bytes, String> {
    let found = FILES.iter().find(|(file, _)| *file == name);
    found.map(|(_, bytes)| Bytes::from_static(bytes)).ok_or_else(|| "the program has no such file".to_owned())
}

/// Opens it.
pub fn load() -> RoutingModel {
    RoutingModel::load(&file, Checksums::Shipped).expect("the shipped model opens, which a test shows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::Settings;
    use crate::scorer::{ScoreText, Scratch};

    fn checked() -> RoutingModel {
        RoutingModel::load(&file, Checksums::Compare).expect("every file has the checksum of the manifest")
    }

    #[test]
    fn it_opens_with_its_checksums_and_is_small() {
        let bytes: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= 10_000_000, "{bytes} bytes");
        assert_eq!(checked().hash(), load().hash());
        assert_eq!(checked().manifest().licence, "Apache-2.0");
    }

    #[test]
    fn it_knows_the_models_of_the_quickstart_by_every_name() {
        let model = load();
        for (name, alias) in [
            ("gemini-1.5-pro", "gemini-1.5-pro-002"),
            ("gemini-1.5-flash", "gemini-1.5-flash-002"),
            ("llama-3.1-70b", "Meta-Llama-3.1-70B-Instruct"),
        ] {
            assert!(model.position(name).is_some(), "{name}");
            assert_eq!(model.position(name), model.position(alias));
        }
    }

    #[test]
    fn it_was_trained_on_licensed_sources_alone() {
        let model = load();
        let settings: Settings = model.manifest().settings().expect("settings of its kind");
        let sources: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(sources, ["mmlupro", "routellm mmlu", "routellm gsm8k", "zeroeval"]);
        let made = &model.manifest().made;
        assert!(made.from.iter().all(|from| from.contains("licence")), "{:?}", made.from);
    }

    #[test]
    fn every_text_gets_chances_and_hard_ones_lower_ones() {
        let (model, mut scratch) = (load(), Scratch::default());
        let mean = |text: &str, scratch: &mut Scratch| {
            let quality = model.predict(&ScoreText::of(text), scratch).quality;
            assert_eq!(quality.len(), model.manifest().models.len());
            assert!(quality.iter().all(|q| (0.0..=1.0).contains(q)), "{text:?}: {quality:?}");
            quality.iter().sum::<f32>() / quality.len() as f32
        };
        for text in ["", "?", "🙂 語", &"word ".repeat(3000), "\\frac{}{}"] {
            mean(text, &mut scratch);
        }
        let easy = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. \
                    How many clips did Natalia sell altogether?";
        let hard = "Let $S$ be the set of lattice points in the coordinate plane whose coordinates are integers between \
                    1 and 30. Find the number of ordered triples $(a,b,c)$ with $\\gcd(a,b,c)=1$ and $abc=2^{10}3^{5}$.";
        assert!(mean(easy, &mut scratch) > mean(hard, &mut scratch) + 0.05);
    }

    #[test]
    fn a_newcomer_is_estimated_by_its_peers_beside_models_that_are_known_and_else_by_all() {
        let (model, mut scratch) = (load(), Scratch::default());
        let known = model.position("gemini-1.5-pro");
        let beside = model.peers(&[(known, 0.8), (None, 0.7), (None, 0.3)]);
        assert!(beside[0].is_none() && beside[1].is_some() && beside[2].is_some());
        assert_eq!(model.peers(&[(None, 0.7), (None, 0.3)]), [None, None]);
        // Where no peers tell them apart, the better prior stays the better one, on every text.
        for text in ["hello", "Prove Fermat's last theorem.", ""] {
            let prediction = model.predict(&ScoreText::of(text), &mut scratch);
            assert!(prediction.estimate(0.7, None) > prediction.estimate(0.3, None), "{text}");
        }
    }

    #[test]
    fn it_names_the_kind_of_task() {
        let (model, mut scratch) = (load(), Scratch::default());
        let mut task = |text: &str| {
            let task = model.predict(&ScoreText::of(text), &mut scratch).task;
            task.map(|task| model.tasks()[usize::from(task)].to_string())
        };
        let math = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How \
                    many clips did Natalia sell altogether in April and May?";
        assert_eq!(task(math).as_deref(), Some("grade-school math"));
    }

    #[test]
    fn the_same_text_always_gets_the_same_prediction() {
        let (model, mut used) = (load(), Scratch::default());
        let text = ScoreText::of("Which planet is the largest?");
        let first = model.predict(&text, &mut used);
        model.predict(&ScoreText::of("something else entirely, and longer"), &mut used);
        assert_eq!(model.predict(&text, &mut used), first);
        assert_eq!(model.predict(&text, &mut Scratch::default()), first);
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let cut = |name: &str| {
            let bytes = file(name)?;
            Ok(if name == "terms.bin" { bytes.slice(..bytes.len() - 1) } else { bytes })
        };
        let error = RoutingModel::load(&cut, Checksums::Compare).expect_err("terms.bin is cut").to_string();
        assert!(error.starts_with("terms.bin"), "{error}");
    }
}
