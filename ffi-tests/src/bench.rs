//! `docs/speed.tsv`, what `measure bench` measured last of each case on each CPU; from it a section of `docs/performance.md` and
//! plots. And the guard, which measures again and compares ratios.

use std::fmt::Write;
use std::path::PathBuf;

use crate::acceptance::{Cache, Case, Row, Speed, mean, ratio, this_cpu};
use crate::paths;

const HEAD: &str = "cpu\tmodel\tprompt\tcache\tlevel\tprompt_ikrs\tprompt_wheel\tgeneration_ikrs\tgeneration_wheel";
/// Where the section begins and ends.
const MARKS: [&str; 2] = ["<!-- measure bench: begin -->", "<!-- end -->"];
/// The share of a recorded ratio that a new one may not fall below.
const GUARD: f64 = 0.85;

fn docs(name: &str) -> PathBuf {
    paths::root().join("docs").join(name)
}

/// What was measured before; nothing if there is no file yet.
pub fn recorded() -> Vec<Speed> {
    let text = std::fs::read_to_string(docs("speed.tsv")).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#') && *line != HEAD)
        .map(|line| line.parse().expect("docs/speed.tsv"))
        .collect()
}

/// Adds measurements to what was measured before, in place of those of the same cases, and writes the files.
pub fn record(new: &[Speed]) {
    let mut all = recorded();
    for speed in new {
        let same = |old: &&mut Speed| (&old.cpu, &old.case) == (&speed.cpu, &speed.case);
        match all.iter_mut().find(same) {
            Some(old) => *old = speed.clone(),
            None => all.push(speed.clone()),
        }
    }
    let mut table = format!(
        "# Tokens per second by ikrs and by the wheel in alternating runs, see docs/performance.md.\n{HEAD}\n"
    );
    for speed in &all {
        let _ = writeln!(table, "{speed}");
    }
    let path = docs("performance.md");
    let page = std::fs::read_to_string(&path).expect("docs/performance.md");
    let parts = page
        .split_once(MARKS[0])
        .and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let (before, after) = parts.expect("docs/performance.md has a place for the tables");
    let write =
        |name: &str, text: &str| std::fs::write(docs(name), text).expect("docs is writable");
    let mut sections = String::new();
    let mut cpus: Vec<&str> = Vec::new();
    for Speed { cpu, .. } in &all {
        if !cpus.contains(&&**cpu) {
            cpus.push(cpu);
        }
    }
    for cpu in cpus {
        let of_cpu: Vec<&Speed> = all.iter().filter(|s| s.cpu == cpu).collect();
        let name = cpu.to_lowercase().replace(", ", "-").replace(' ', "-");
        let name = format!("speed-{name}.svg");
        write(&name, &plot(&of_cpu));
        let _ = write!(
            sections,
            "### {cpu}\n\n![ratios by type]({name})\n{}\n",
            section(&of_cpu)
        );
    }
    let page = format!("{before}{}\n\n{sections}{}{after}", MARKS[0], MARKS[1]);
    write("speed.tsv", &table);
    write("performance.md", &page);
}

/// Measurements at one level, of one length of prompt and type of cache.
fn series<'a>(
    all: &[&'a Speed],
    prompt: usize,
    cache: Cache,
    level: Option<&str>,
) -> Vec<&'a Speed> {
    all.iter()
        .copied()
        .filter(|s| s.case.prompt == prompt && s.case.cache == cache)
        .filter(|s| s.case.level.as_deref() == level)
        .collect()
}

fn section(all: &[&Speed]) -> String {
    let mut out = String::new();
    for (prompt, cache, level, what) in [
        (512, Cache::F16, None, "The CPU's own level"),
        (512, Cache::F16, Some("x86_64_v3"), "Level x86_64_v3"),
        (4096, Cache::F16, None, "After 4096 tokens, cache f16"),
        (4096, Cache::Q8_0, None, "After 4096 tokens, cache q8_0"),
    ] {
        let speeds = series(all, prompt, cache, level);
        if speeds.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "\n{what}:\n\n| type | prompt of {prompt}: ikrs | wheel | ratio | generation: ikrs | wheel | ratio |\n|---|---:|---:|---:|---:|---:|---:|\n"
        );
        for s in &speeds {
            let _ = write!(out, "| {} |", s.case.type_name());
            for pair in [s.prompt, s.generation] {
                let _ = match s.is_comparable() {
                    true => write!(
                        out,
                        " {:.0} | {:.0} | {:.2} |",
                        pair[0],
                        pair[1],
                        ratio(pair)
                    ),
                    false => write!(out, " {:.0} | fails | |", pair[0]),
                };
            }
            out.push('\n');
        }
        let comparable = || speeds.iter().filter(|s| s.is_comparable());
        let _ = writeln!(
            out,
            "| geometric mean | | | {:.2} | | | {:.2} |",
            mean(comparable().map(|s| s.prompt)),
            mean(comparable().map(|s| s.generation))
        );
    }
    out
}

/// Bars of the ratios of all types, at the CPU's own level.
fn plot(all: &[&Speed]) -> String {
    const LEFT: f64 = 90.0;
    const BAR: f64 = 9.0;
    const TIMES: f64 = 190.0;
    let mut speeds = series(all, 512, Cache::F16, None);
    speeds.sort_by(|a, b| ratio(b.generation).total_cmp(&ratio(a.generation)));
    let most = speeds
        .iter()
        .flat_map(|s| [ratio(s.prompt), ratio(s.generation)])
        .fold(1.0, f64::max)
        .ceil();
    let step = 2.0 * BAR + 6.0;
    let (width, height) = (
        LEFT + TIMES * most + 20.0,
        60.0 + step * speeds.len() as f64,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"16\">tokens per second, times the wheel's: <tspan fill=\"#1976d2\">prompt of 512</tspan>, <tspan fill=\"#f57c00\">generation</tspan></text>\n"
    );
    for times in 0..=most as usize {
        let x = LEFT + TIMES * times as f64;
        let _ = writeln!(
            out,
            "<path d=\"M{x} 40V{height}\" stroke=\"{}\"/><text x=\"{x}\" y=\"34\" text-anchor=\"middle\">{times}</text>",
            if times == 1 { "#616161" } else { "#e0e0e0" }
        );
    }
    for (i, s) in speeds.iter().enumerate() {
        let y = 44.0 + step * i as f64;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + BAR + 4.0,
            s.case.type_name()
        );
        for (k, (pair, fill)) in [(s.prompt, "#1976d2"), (s.generation, "#f57c00")]
            .into_iter()
            .enumerate()
        {
            let _ = writeln!(
                out,
                "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>",
                y + BAR * k as f64,
                TIMES * ratio(pair)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Measures what is recorded of these models on this CPU again; no ratio may have fallen by more than a machine's noise.
pub fn guard(models: &[String], rounds: usize, mut report: impl FnMut(Row)) {
    let cpu = this_cpu();
    let cases: Vec<Speed> = recorded()
        .into_iter()
        .filter(|old| old.cpu == cpu && models.contains(&old.case.model) && old.is_comparable())
        .collect();
    assert!(
        !cases.is_empty(),
        "docs/speed.tsv has none of {models:?} on {cpu}: run `make bench` before what is to be guarded"
    );
    for old in cases {
        let new = Case::measure(&old.case, rounds);
        let least = [old.prompt, old.generation].map(|pair| GUARD * ratio(pair));
        new.rows(rounds, least).into_iter().for_each(&mut report);
    }
}
