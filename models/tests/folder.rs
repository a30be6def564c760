//! A folder that is damaged, of another age or of another shape is refused whole, with file, field and remedy.

use std::collections::BTreeMap;

use bytes::Bytes;
use pointsman_models::embedding::{HEAD, RARITY, SCALES, TERMS, VECTORS, VOCABULARY};
use pointsman_models::scorer::folder::{Checksums, hex};
use pointsman_models::scorer::manifest::FILE;
use pointsman_models::scorer::{Manifest, RoutingModel};
use pointsman_models::shipped;
use sha2::{Digest, Sha256};

/// A folder like the shipped one.
#[derive(Clone)]
struct Folder {
    manifest: Manifest,
    files: BTreeMap<String, Bytes>,
}

impl Folder {
    fn shipped() -> Self {
        let file = |name: &str| shipped::file(name).expect("a shipped file");
        let names = [VOCABULARY, VECTORS, SCALES, RARITY, TERMS, HEAD];
        Self {
            manifest: Manifest::parse(&file(FILE)).expect("a manifest"),
            files: names.map(|name| (name.to_owned(), file(name))).into(),
        }
    }

    /// Changes a file; `known` makes the manifest say so too.
    fn file(mut self, name: &str, known: bool, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = self.files[name].to_vec();
        change(&mut bytes);
        if known {
            let entry = self.manifest.files.iter_mut().find(|file| file.name == name).expect("a listed file");
            entry.bytes = bytes.len() as u64;
            entry.sha256 = hex(&Sha256::digest(&bytes));
        }
        self.files.insert(name.to_owned(), bytes.into());
        self
    }

    fn manifest(mut self, change: impl FnOnce(&mut Manifest)) -> Self {
        change(&mut self.manifest);
        self
    }

    /// Sets a field of the settings.
    fn setting(self, name: &str, value: u64) -> Self {
        self.manifest(|manifest| manifest.settings[name] = value.into())
    }

    fn without(mut self, name: &str) -> Self {
        self.files.remove(name);
        self
    }

    fn open(&self) -> Result<RoutingModel, String> {
        let text = Bytes::from(self.manifest.to_yaml());
        let read = |name: &str| match name {
            FILE => Ok(text.clone()),
            name => self.files.get(name).cloned().ok_or_else(|| "no such file".to_owned()),
        };
        RoutingModel::load(&read, Checksums::Compare).map_err(|error| error.to_string())
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said_by_file_and_field() {
    let whole = Folder::shipped();
    assert!(whole.open().is_ok());
    let not_a_number = |bytes: &mut Vec<u8>| bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    let infinite = |bytes: &mut Vec<u8>| bytes[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let flipped = |bytes: &mut Vec<u8>| bytes[100] ^= 1;
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let longer = |bytes: &mut Vec<u8>| bytes.extend_from_slice(&[0; 4096]);
    let cases: Vec<(Folder, &[&str])> = vec![
        (whole.clone().file(HEAD, false, flipped), &["head.bin", "checksum", "copy the folder again"]),
        (whole.clone().file(VECTORS, false, flipped), &["vectors.bin", "checksum"]),
        (whole.clone().file(TERMS, false, cut), &["terms.bin", "bytes, the manifest says"]),
        (whole.clone().file(TERMS, false, longer), &["terms.bin", "bytes, the manifest says"]),
        (whole.clone().file(HEAD, true, cut), &["head.bin", "are expected", "pointsman train"]),
        (whole.clone().file(SCALES, true, longer), &["scales.bin", "are expected"]),
        (whole.clone().file(VECTORS, true, cut), &["vectors.bin", "are expected"]),
        (whole.clone().file(TERMS, true, cut), &["terms.bin", "are expected"]),
        (
            whole.clone().file(HEAD, true, not_a_number),
            &["head.bin", "number 2 is NaN", "train the model anew"],
        ),
        (whole.clone().file(RARITY, true, infinite), &["rarity.bin", "number 0 is inf"]),
        (
            whole.clone().without(VOCABULARY),
            &["vocabulary.txt", "no such file", "put the whole folder there"],
        ),
        (whole.clone().manifest(|m| m.format = 2), &["manifest.yaml", "format", "2 is not the format 1"]),
        (whole.clone().manifest(|m| m.input.score_text += 1), &["input.scoreText", "train it anew"]),
        (whole.clone().manifest(|m| m.calibration.slope = f64::NAN), &["calibration", "finite"]),
        (whole.clone().manifest(|m| m.models.clear()), &["models", "1 to 1024"]),
        (whole.clone().manifest(|m| m.models[1] = m.models[0].clone()), &["models[1]", "stands twice"]),
        (
            whole.clone().manifest(|m| m.files[0].name = "../secret".to_owned()),
            &["files[0].name", "no plain"],
        ),
        (whole.clone().manifest(|m| m.files.retain(|f| f.name != HEAD)), &["head.bin", "is missing"]),
        (whole.clone().setting("latents", 100_000), &["settings.latents"]),
        (whole.clone().setting("dimensions", 100_000), &["settings.dimensions"]),
        (whole.clone().setting("surprise", 1), &["settings", "surprise"]),
    ];
    for (number, (folder, parts)) in cases.into_iter().enumerate() {
        let refused = folder.open().expect_err(&format!("case {number} must be refused"));
        for part in parts {
            assert!(refused.contains(part), "case {number}: \"{part}\" is missing in \"{refused}\"");
        }
    }
}

#[test]
fn a_manifest_that_is_no_manifest_is_refused() {
    for (text, part) in [
        (&b"\xff\xfe"[..], "not UTF-8"),
        (b"format: [", "compare it with docs/scoring.md"),
        (b"format: 1\nkind: Oracle\n", "manifest.yaml"),
        (b"", "manifest.yaml"),
    ] {
        let refused = Manifest::parse(text).expect_err("no manifest").to_string();
        assert!(refused.contains(part), "{part} is missing in {refused}");
    }
}
