//! Curves as a picture: quality against spend, as SVG.

use std::fmt::Write;

use crate::quality::{ORACLE, Quality, Way};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 56.0;
/// The picture ends at so much of the strongest model's cost.
const MOST: f64 = 1.2;
/// Colours that people who see red and green alike tell apart, by Okabe and Ito.
const COLOURS: [&str; 8] =
    ["#999999", "#000000", "#56b4e9", "#f0e442", "#e69f00", "#d55e00", "#0072b2", "#cc79a7"];

/// The picture of one source.
pub fn svg(quality: &Quality) -> String {
    // The oracle knows luck beforehand: it would press all other curves together.
    let ways: Vec<&Way> = quality.ways.iter().filter(|way| way.name != ORACLE).collect();
    let shown = |point: &&(f64, f64)| point.0 <= MOST * quality.strongest.0;
    let qualities: Vec<f64> =
        ways.iter().flat_map(|way| way.curve.iter().filter(shown)).map(|point| point.1).collect();
    let low = qualities.iter().copied().fold(quality.strongest.1, f64::min).max(quality.strongest.1 * 0.8);
    let high = qualities.iter().copied().fold(quality.strongest.1, f64::max);
    let x = |cost: f64| MARGIN + (WIDTH - 2.0 * MARGIN) * cost / (MOST * quality.strongest.0);
    let y = |of: f64| HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * (of - low) / (high - low).max(1e-9);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"20\" font-size=\"14\">{}: right answers against spend</text>\n",
        quality.source
    );
    let mut line = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a string takes all");
    for tick in 0..=6 {
        let share = f64::from(tick) * 0.2;
        let at = x(share * quality.strongest.0);
        line(format_args!(
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} %</text>\n",
            HEIGHT - MARGIN + 18.0,
            100.0 * share
        ));
    }
    for share in [0.85, 0.9, 0.95, 1.0] {
        let at = share * quality.strongest.1;
        if at < low || at > high {
            continue;
        }
        line(format_args!(
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{2:.1}\" y2=\"{2:.1}\" stroke=\"#dddddd\"/><text x=\"{3:.1}\" y=\"{4:.1}\" text-anchor=\"end\">{1:.0} %</text>\n",
            WIDTH - MARGIN,
            100.0 * share,
            y(at),
            MARGIN - 6.0,
            y(at) + 4.0
        ));
    }
    for (i, way) in ways.iter().enumerate() {
        let points: Vec<String> = way
            .curve
            .iter()
            .filter(shown)
            .filter(|point| point.1 >= low)
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        let colour = COLOURS[i % COLOURS.len()];
        line(format_args!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>\n",
            points.join(" "),
            WIDTH - MARGIN,
            HEIGHT - MARGIN - 10.0 - 16.0 * (ways.len() - 1 - i) as f64,
            way.name
        ));
    }
    line(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">spend, in % of always the strongest model; quality in % of its</text>\n</svg>\n",
        WIDTH / 2.0,
        HEIGHT - 14.0
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::Interval;

    #[test]
    fn a_picture_has_a_line_and_a_name_per_way_but_the_oracle() {
        let way = |name, top| Way { name, curve: vec![(0.1, 0.5), (1.0, top)] };
        let quality = Quality {
            source: "exam".to_owned(),
            prompts: 10,
            strongest: (1.0, 0.6),
            ways: vec![way("blind mix", 0.6), way("one price", 0.62), way(ORACLE, 0.9)],
            interval: Interval::default(),
            recovered: Vec::new(),
            recovered_by_few: Vec::new(),
            left_out: None,
        };
        let picture = svg(&quality);
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert!(picture.contains(">one price<") && !picture.contains("oracle") && !picture.contains("NaN"));
    }
}
