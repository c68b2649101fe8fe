//! `make acceptance` and `make bench`: tables of figures against targets. Fails if one is missed.

use std::process::ExitCode;

use ffi_tests::acceptance::{self, Row, SPEED_MODELS};

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
                acceptance::speed(model, 5)
                    .into_iter()
                    .for_each(&mut report);
            }
        }
        _ => {
            eprintln!("usage: measure acceptance|bench");
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
