//! `make acceptance` and `make bench`: tables of figures against targets. Fails if one is missed. `measure encoders` takes the
//! part about encoders: `all` stands for all rows instead of a sample, names choose types. `measure files` takes the part about
//! files of each type, with perplexities over `CHUNKS` chunks (24; 0 for none). `measure types` writes docs/types.md and its plot.

use std::process::ExitCode;

use ffi_tests::acceptance::{self, ENCODER_STEP, FileTypes, Row, SPEED_MODELS};
use ffi_tests::{paths, types};

fn main() -> ExitCode {
    let mut rows: Vec<Row> = Vec::new();
    let mut report = |row: Row| {
        // As they come, for whoever waits; the table follows.
        eprintln!("{row}");
        rows.push(row);
    };
    match std::env::args().nth(1).as_deref() {
        Some("acceptance") => acceptance::all(&mut report),
        Some("bench") => {
            for model in SPEED_MODELS {
                acceptance::speed(model, 5, 1.0)
                    .into_iter()
                    .for_each(&mut report);
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
                "usage: measure acceptance | bench | encoders [all] [TYPE...] | files [CHUNKS] [FILETYPE...] | types"
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
