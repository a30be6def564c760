//! What a text looks like, whatever it says: lengths, digits, options, formulas, code.
//!
//! One pass over the characters and one over the lines. Counts are taken as logarithms or as shares of the text, so
//! that a long text does not drown a short one.

/// How many numbers tell of a text's surface.
pub const COUNT: usize = 20;

#[derive(Default)]
struct Counts {
    chars: f32,
    letters: f32,
    digits: f32,
    capitals: f32,
    marks: f32,
    backslashes: f32,
    operators: f32,
    foreign: f32,
    dollars: f32,
    questions: f32,
    words: f32,
    numbers: f32,
}

/// Appends [`COUNT`] numbers that describe the text; `tokens` is how many word pieces it has.
pub(super) fn surface(text: &str, tokens: usize, out: &mut Vec<f32>) {
    let c = count(text);
    let lines = by_lines(text);
    let share = |part: f32| part / (c.chars + 1.0);
    out.extend([
        c.chars.ln_1p(),
        (tokens as f32).ln_1p(),
        share(c.digits),
        share(c.capitals),
        share(c.marks),
        share(c.backslashes) * 20.0,
        share(c.operators),
        share(c.foreign) * 10.0,
        f32::from(u8::from(c.dollars > 0.0)),
        f32::from(u8::from(c.questions > 0.0)),
        c.letters / (c.words + 1.0),
        c.numbers / (c.words + 1.0),
        c.numbers.ln_1p(),
        tokens as f32 / (c.words + c.numbers + 1.0),
        lines.lines.ln_1p(),
        lines.options,
        f32::from(u8::from(lines.options > 0.0)),
        lines.option_bytes / (lines.options + 1.0) / 40.0,
        lines.stem_bytes.ln_1p(),
        f32::from(u8::from(lines.code)),
    ]);
}

fn count(text: &str) -> Counts {
    let mut c = Counts::default();
    // What the last character belonged to: 1 a word, 2 a number, 0 neither.
    let mut within = 0;
    for char in text.chars() {
        c.chars += 1.0;
        let mut now = 0;
        if char.is_ascii_digit() {
            c.digits += 1.0;
            now = 2;
        } else if char.is_alphabetic() {
            c.letters += 1.0;
            now = 1;
        } else if !char.is_whitespace() {
            c.marks += 1.0;
        }
        match char {
            'A'..='Z' => c.capitals += 1.0,
            '\\' => c.backslashes += 1.0,
            '=' | '+' | '*' | '/' | '^' | '<' | '>' => c.operators += 1.0,
            '$' => c.dollars += 1.0,
            '?' => c.questions += 1.0,
            _ if !char.is_ascii() => c.foreign += 1.0,
            _ => {}
        }
        if now == 1 && within != 1 {
            c.words += 1.0;
        } else if now == 2 && within != 2 {
            c.numbers += 1.0;
        }
        within = now;
    }
    c
}

#[derive(Default)]
struct Lines {
    lines: f32,
    options: f32,
    option_bytes: f32,
    stem_bytes: f32,
    code: bool,
}

fn by_lines(text: &str) -> Lines {
    let mut found = Lines::default();
    for line in text.lines() {
        found.lines += 1.0;
        if is_option(line) {
            found.options += 1.0;
            found.option_bytes += line.len() as f32;
        } else if found.options == 0.0 {
            found.stem_bytes += line.len() as f32;
        }
        let start = line.trim_start();
        found.code |= ["def ", "return ", "class ", "import ", "fn ", "#include", "```"]
            .iter()
            .any(|mark| start.starts_with(mark));
    }
    found
}

/// Whether a line is an option of a multiple choice: a capital from A to J, then `. ` or `) `.
fn is_option(line: &str) -> bool {
    matches!(line.as_bytes(), [b'A'..=b'J', b'.' | b')', b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<f32> {
        let mut out = Vec::new();
        surface(text, text.split_whitespace().count(), &mut out);
        out
    }

    #[test]
    fn every_text_has_the_same_number_of_finite_features() {
        for text in ["", " ", "?", "What is 2+2?", "🙂語", "\n\n\n", &"x".repeat(5000), "\\frac{1}{2} $x$"]
        {
            let found = of(text);
            assert_eq!(found.len(), COUNT, "{text:?}");
            assert!(found.iter().all(|number| number.is_finite()), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn options_stem_and_code_are_seen() {
        let found = of("Which?\nA. one\nB. two\nJ) ten\nK. no option");
        assert_eq!((found[15], found[16]), (3.0, 1.0));
        assert!((found[18] - 6.0f32.ln_1p()).abs() < 1e-6, "{}", found[18]);
        assert_eq!(of("def f(x):\n  return x")[19], 1.0);
        assert_eq!(of("the definition returns")[19], 0.0);
    }

    #[test]
    fn numbers_and_words_are_counted_once_each() {
        // Two words, two numbers.
        assert_eq!(of("add 12 and 345")[11], 2.0 / 3.0);
    }
}
