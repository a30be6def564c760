//! Which prompts are one question: the key by which halves are split, folds are cut and held-out prompts are recognised.

use sha2::{Digest, Sha256};

/// The question without its options, as lower-case letters and digits: the same question asked in two ways is one.
///
/// Examples that stand before the question are part of it, so that questions with the same examples differ.
pub fn stem(prompt: &str) -> String {
    let kept = |text: &str| -> String {
        text.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let asked = |line: &&str| !is_option(line) && line.trim() != "Answer:";
    let stem: String = prompt.lines().filter(asked).map(kept).collect();
    // A text that is nothing but options is told by them.
    if stem.is_empty() { kept(prompt) } else { stem }
}

/// Which of so many folds a question belongs to: by its stem alone, whatever the order of the file.
pub fn fold(prompt: &str, salt: &str, folds: u64) -> u64 {
    let digest = Sha256::new().chain_update(salt).chain_update("|").chain_update(stem(prompt)).finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes")) % folds
}

/// A digest that hangs on the text alone.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A capital from A to J, then `. ` or `) `.
fn is_option(line: &str) -> bool {
    matches!(line.as_bytes(), [b'A'..=b'J', b'.' | b')', b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_case_and_marks_do_not_make_another_question() {
        let stems =
            ["Who wrote it?\nA. Ann\nB. Bob", "who wrote IT\nA) Bob\nB) Ann\nC) Cy", "Who  wrote it?"]
                .map(stem);
        assert_eq!(stems, ["whowroteit"; 3]);
        assert_eq!(stem("Who wrote it?\nA. Ann\nB. Bob\nAnswer:"), stems[0]);
        assert_ne!(stem("Who wrote that?"), stems[0]);
        assert_ne!(stem("1+1?\nA. 2\nAnswer:\nA\n\nWho?"), stem("1+1?\nA. 2\nAnswer:\nA\n\nWhen?"));
        assert_eq!(stem("\nA. one\nB. two"), "aonebtwo");
    }

    #[test]
    fn folds_are_even_and_hang_on_salt_and_stem() {
        let mut counts = [0; 5];
        (0..5000).for_each(|i| counts[fold(&format!("question {i}"), "s", 5) as usize] += 1);
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        assert_eq!(fold("Who?\nA. x", "s", 1000), fold("who", "s", 1000));
        assert_ne!(fold("who", "s", 1 << 40), fold("who", "t", 1 << 40));
    }
}
