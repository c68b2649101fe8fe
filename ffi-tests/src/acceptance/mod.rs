//! Everything that ikrs promises about real models, as rows of a table: figure against target. `make acceptance` makes all rows
//! whole; `make test` takes a sample of each.

mod binding;
mod encoders;
mod examples;
mod files;
mod numbers;
mod speed;

use std::fmt;

pub use binding::{ik_llama, vocabularies};
pub use encoders::{Matrix, encoders, is_measured, matrices};
pub use examples::{EXAMPLES, valgrind};
pub use files::{FileTypes, LAYOUTS, Layout, repacked};
pub use numbers::{Setting, f32_logits, perplexity, same_for_all_threads};
pub use speed::{
    Cache, Case, Speed, long_speeds, mean, ratio, short_speeds, speed, speed_models, this_cpu,
};

/// A line of the table.
pub struct Row {
    pub what: String,
    pub figure: String,
    pub target: String,
    pub holds: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.holds { "ok" } else { "MISSED" };
        let Row {
            what,
            figure,
            target,
            ..
        } = self;
        write!(f, "{what:<58} {figure:<44} {target:<28} {mark}")
    }
}

/// Fails a test unless the row holds.
#[track_caller]
pub fn check(row: &Row) {
    println!("{row}");
    assert!(row.holds, "{row}");
}

/// Models of the published file and of padded ones, whose perplexity is promised.
pub const PERPLEXITY_MODELS: [&str; 7] = [
    "smollm2-q4_1",
    "pad-f16",
    "pad-bf16",
    "pad-q8_0",
    "pad-q4_0",
    "pad-q4_k",
    "pad-q6_k",
];

/// Models whose speed is promised.
pub const SPEED_MODELS: [&str; 4] = ["smollm2-q4_1", "pad-q4_0", "pad-q8_0", "pad-q4_k_s"];

/// Levels of vector instructions that `IKRS_CPU` can force.
pub const LEVELS: [&str; 5] = ["scalar", "x86_64_v3", "avx_vnni", "avx512", "avx512_vnni"];

/// Encoders are measured on every so-manieth row of the model's matrices; all of them would take most of an hour.
pub const ENCODER_STEP: usize = 128;

/// Every promise, whole; `report` receives each row as soon as it is known.
pub fn all(mut report: impl FnMut(Row)) {
    ik_llama().into_iter().for_each(&mut report);
    vocabularies().into_iter().for_each(&mut report);
    for model in PERPLEXITY_MODELS {
        for setting in Setting::ALL {
            report(perplexity(model, setting, 24, None));
        }
    }
    for flash in [true, false] {
        report(f32_logits(flash, 512, None));
    }
    for level in LEVELS {
        // Without vector instructions a chunk takes minutes.
        let (chunks, positions) = if level == "scalar" {
            (2, 64)
        } else {
            (24, 512)
        };
        report(f32_logits(true, positions, Some(level)));
        for model in ["smollm2-q4_1", "pad-q4_k"] {
            report(perplexity(model, Setting::ALL[0], chunks, Some(level)));
        }
    }
    for model in PERPLEXITY_MODELS {
        for flash in [true, false] {
            report(same_for_all_threads(model, flash, &[1, 2, 3, 8]));
        }
    }
    for example in EXAMPLES {
        report(valgrind(example));
    }
    for model in SPEED_MODELS {
        speed(model, 5, 1.0).into_iter().for_each(&mut report);
    }
    short_speeds(&speed_models(), 5, &mut |_| (), &mut report);
    long_speeds(&speed_models(), 5, &mut |_| (), &mut report);
    encoders(ENCODER_STEP, &[], true, &mut report);
    let files = FileTypes::new();
    for layout in &LAYOUTS {
        report(files.mixes(layout, &files.names()));
    }
    report(files.memory("Q8_0"));
    files.table(Some(24), &[], &mut report);
    for model in ["pad-q4_k", "pad-q8_0"] {
        repacked(model).into_iter().for_each(&mut report);
    }
}
