//! Speed beside the reference.

use super::Row;
use crate::drive::{Who, drive};

/// Prompt processing of 512 tokens and generation of 64, in `rounds` rounds in which both libraries take turns. The ratios of the
/// medians shall be at least `least`.
pub fn speed(model: &str, rounds: usize, least: f64) -> Vec<Row> {
    let args = ["speed", "--pp", "512", "--tg", "64", "-r", "1"];
    let mut figures: [Vec<[f64; 2]>; 2] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        // Who goes first changes, since the machine's speed drifts.
        for turn in 0..2 {
            let who = (round + turn) % 2;
            let out = drive([Who::Ikrs, Who::Reference][who], model, &args);
            let figure = |name: &str| out[name].as_f64().expect("drive.py prints speeds");
            figures[who].push([figure("pp512"), figure("tg64")]);
        }
    }
    let row = |k: usize, what: &str| {
        let median = |who: usize| {
            let mut values: Vec<f64> = figures[who].iter().map(|f| f[k]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (ours, theirs) = (median(0), median(1));
        let ratio = ours / theirs;
        Row {
            what: format!("{what} {model}, {rounds} rounds"),
            figure: format!("{ours:.1} tokens/s, reference {theirs:.1}: {ratio:.2} x"),
            target: format!("at least {least:.2} x"),
            holds: ratio >= least,
        }
    };
    vec![row(0, "prompt of 512"), row(1, "generation of 64")]
}
