//! `make acceptance` and `make bench`: tables of figures against targets. Fails if one is missed. `measure encoders` takes the
//! part about encoders: `all` stands for all rows instead of a sample, names choose types. `measure files` takes the part about
//! files of each type, with perplexities over `CHUNKS` chunks (24; 0 for none). `measure types` writes docs/types.md and its plot.
//! `measure bench` measures speeds of models (all types, or `pad-TYPE` ...) in `ROUNDS` rounds (5) and writes them to
//! docs/performance.md; `short` leaves out prompts of 4096 tokens (one round where that is clear), `long` all others. `measure tables` only
//! writes what docs/speed.tsv says; `measure guard` compares them, measured again, with what is there.

use std::process::ExitCode;

use ffi_tests::acceptance::{self, ENCODER_STEP, FileTypes, Row, SPEED_MODELS};
use ffi_tests::{bench, paths, types};

fn main() -> ExitCode {
    let mut rows: Vec<Row> = Vec::new();
    let mut report = |row: Row| {
        // As they come, for whoever waits; the table follows.
        eprintln!("{row}");
        rows.push(row);
    };
    match std::env::args().nth(1).as_deref() {
        Some("acceptance") => acceptance::all(&mut report),
        Some("tables") => bench::record(&[]),
        Some(what @ ("bench" | "guard")) => {
            let mut models: Vec<String> = std::env::args().skip(2).collect();
            let part = models.first().cloned().unwrap_or_default();
            if ["short", "long"].contains(&&*part) {
                models.remove(0);
            }
            let rounds = models.first().and_then(|n| n.parse::<usize>().ok());
            if rounds.is_some() {
                models.remove(0);
            }
            let rounds = rounds.unwrap_or(5);
            if what == "guard" {
                if models.is_empty() {
                    models = SPEED_MODELS.map(str::to_owned).into();
                }
                bench::guard(&models, rounds, &mut report);
            } else {
                if models.is_empty() {
                    models = acceptance::speed_models();
                }
                // Written as they come: all of them take an hour.
                let mut keep = |speed| bench::record(&[speed]);
                if part != "long" {
                    acceptance::short_speeds(&models, rounds, &mut keep, &mut report);
                }
                if part != "short" {
                    acceptance::long_speeds(&models, rounds, &mut keep, &mut report);
                }
            }
        }
        Some("encoders") => {
            let names: Vec<String> = std::env::args().skip(2).collect();
            let all = names.iter().any(|name| name == "all");
            let names: Vec<String> = names.into_iter().filter(|name| name != "all").collect();
            let step = if all { 1 } else { ENCODER_STEP };
            acceptance::encoders(step, &names, true, &mut report);
        }
        Some("types") => {
            let docs = paths::root().join("docs");
            let (page, plot) = types::page();
            std::fs::write(docs.join("types.md"), page).expect("docs is writable");
            std::fs::write(docs.join("types.svg"), plot).expect("docs is writable");
            return ExitCode::SUCCESS;
        }
        Some("files") => {
            let mut names: Vec<String> = std::env::args().skip(2).collect();
            let chunks = names.first().and_then(|n| n.parse::<usize>().ok());
            if chunks.is_some() {
                names.remove(0);
            }
            let chunks = chunks.or(Some(24)).filter(|&n| n > 0);
            FileTypes::new().table(chunks, &names, &mut report);
        }
        _ => {
            eprintln!(
                "usage: measure acceptance | bench [short|long] [ROUNDS] [MODEL...] | tables | guard [ROUNDS] [MODEL...] | encoders [all] [TYPE...] | \
                 files [CHUNKS] [FILETYPE...] | types"
            );
            return ExitCode::from(2);
        }
    }
    println!("\n{:<58} {:<44} {:<28}", "measurement", "figure", "target");
    for row in &rows {
        println!("{row}");
    }
    let missed = rows.iter().filter(|row| !row.holds).count();
    println!("{} of {} hold", rows.len() - missed, rows.len());
    ExitCode::from(u8::from(missed > 0))
}
