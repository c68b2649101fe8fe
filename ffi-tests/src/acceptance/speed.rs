//! Speed beside the reference: whole models, in rounds in which both libraries take turns.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use ikrs::{gguf, simd};

use super::Row;
use crate::drive::{Who, drive_file, parsed};
use crate::{models, paths};

/// Tokens that are generated.
const GENERATED: usize = 64;
/// How far from what is to be reached, as a factor, one round is enough: its figures are off by a tenth each.
const CLEAR: f64 = 1.3;

/// What is measured: generation of 64 tokens after a prompt, and the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// A name for [`models::model`].
    pub model: String,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// The cache's type.
    pub cache: Cache,
    /// The level of vector instructions that ikrs is held to.
    pub level: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Cache {
    F16,
    #[strum(serialize = "q8_0")]
    Q8_0,
}

impl Case {
    /// A prompt of 512 tokens.
    pub fn new(model: &str) -> Case {
        Case {
            model: model.into(),
            prompt: 512,
            cache: Cache::F16,
            level: None,
        }
    }

    /// At a lower level of vector instructions.
    pub fn at(self, level: &str) -> Case {
        let level = Some(level.to_owned());
        Case { level, ..self }
    }

    /// After 4096 tokens.
    pub fn long(self, cache: Cache) -> Case {
        Case {
            prompt: 4096,
            cache,
            ..self
        }
    }

    /// The type of the model's matrices.
    pub fn type_name(&self) -> &str {
        self.model.strip_prefix("pad-").unwrap_or(&self.model)
    }

    /// Tokens per second of the prompt and of generation, the median of so many times in one process; `None` if the library could
    /// not do it.
    fn once(&self, who: Who, times: usize) -> Option<[f64; 2]> {
        let (prompt, generated) = (self.prompt.to_string(), GENERATED.to_string());
        let times = times.to_string();
        let cache = match self.cache {
            Cache::F16 => "1",
            Cache::Q8_0 => "8",
        };
        let args = ["speed", "--pp", &prompt, "--tg", &generated, "-r", &times];
        let mut command = drive_file(who, &models::model(&self.model), &args);
        command.args(["--ctk", cache, "--ctv", cache]);
        if let (Who::Ikrs, Some(level)) = (who, &self.level) {
            command.env("IKRS_CPU", level);
        }
        let out = command.output().expect("python starts");
        if !out.status.success() {
            return None;
        }
        let out = parsed(&String::from_utf8_lossy(&out.stdout));
        let figure = |name: String| out[name].as_f64().expect("drive.py prints speeds");
        Some([format!("pp{prompt}"), format!("tg{generated}")].map(figure))
    }

    /// Adds what both did in a round. Panics if ikrs fails.
    fn add_round(&self, round: usize, figures: &mut Figures) {
        // Who goes first changes, since the machine's speed drifts.
        for turn in 0..2 {
            let who = (round + turn) % 2;
            let figure = self.once([Who::Ikrs, Who::Reference][who], 1);
            assert!(who == 1 || figure.is_some(), "ikrs fails: {self:?}");
            figures[who].extend(figure);
        }
    }

    fn medians(&self, figures: &Figures) -> Speed {
        let pair =
            |k: usize| [0, 1].map(|who: usize| median(figures[who].iter().map(|f| f[k]).collect()));
        Speed {
            cpu: this_cpu(),
            case: self.clone(),
            prompt: pair(0),
            generation: pair(1),
        }
    }

    /// The medians over so many rounds, or of one if that is far from `least`, the ratios that are to be reached; and how many they
    /// were. Panics if ikrs fails.
    fn measure_near(&self, rounds: usize, least: [f64; 2]) -> (Speed, usize) {
        let mut figures = Figures::default();
        self.add_round(0, &mut figures);
        let first = self.medians(&figures);
        let near = |pair, least: f64| (least / CLEAR..least * CLEAR).contains(&ratio(pair));
        let close = near(first.prompt, least[0]) || near(first.generation, least[1]);
        if !first.is_comparable() || !close {
            return (first, 1);
        }
        (1..rounds).for_each(|round| self.add_round(round, &mut figures));
        (self.medians(&figures), rounds.max(1))
    }

    /// The medians over some rounds. Panics if ikrs fails.
    pub fn measure(&self, rounds: usize) -> Speed {
        let mut figures = Figures::default();
        (0..rounds).for_each(|round| self.add_round(round, &mut figures));
        self.medians(&figures)
    }
}

/// Speeds of the prompt and of generation in each round, by ikrs and by the reference.
type Figures = [Vec<[f64; 2]>; 2];

/// Tokens per second, by ikrs and by the reference; 0 for what the reference can't do.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// See [`this_cpu`].
    pub cpu: String,
    pub case: Case,
    pub prompt: [f64; 2],
    pub generation: [f64; 2],
}

/// What the machine's CPU is: maker, family and model, which unlike its name say it on virtual machines too; and the level of
/// vector instructions in use, since a virtual machine may lack some that its CPU has.
pub fn this_cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|l| l.split('\t').next() == Some(name));
        let value = line.and_then(|l| l.split(": ").nth(1));
        value.unwrap_or("unknown").trim().to_owned()
    };
    let maker = match &*field("vendor_id") {
        "GenuineIntel" => "Intel".to_owned(),
        "AuthenticAMD" => "AMD".to_owned(),
        _ => field("vendor_id"),
    };
    format!(
        "{maker} family {} model {}, {}",
        field("cpu family"),
        field("model"),
        simd::level().name()
    )
}

/// 0 of no values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// How many times as fast as the reference.
pub fn ratio([ours, theirs]: [f64; 2]) -> f64 {
    ours / theirs
}

impl Speed {
    /// Whether the reference could do it.
    pub fn is_comparable(&self) -> bool {
        self.prompt[1] > 0.0 && self.generation[1] > 0.0
    }

    /// Rows for the prompt and for generation, whose ratios shall be at least as given.
    pub fn rows(&self, rounds: usize, least: [f64; 2]) -> [Row; 2] {
        let Case {
            model,
            prompt,
            cache,
            level,
        } = &self.case;
        let cache = match cache {
            Cache::F16 => String::new(),
            other => format!(", cache {other}"),
        };
        let level = level
            .as_ref()
            .map_or(String::new(), |level| format!(", {level}"));
        let row = |what: String, figures: [f64; 2], least: f64| Row {
            what: format!("{what} {model}{cache}{level}, {rounds} rounds"),
            figure: match self.is_comparable() {
                true => format!(
                    "{:.1} tokens/s, reference {:.1}: {:.2} x",
                    figures[0],
                    figures[1],
                    ratio(figures)
                ),
                false => format!("{:.1} tokens/s, the reference fails", figures[0]),
            },
            target: format!("at least {least:.2} x"),
            holds: !self.is_comparable() || ratio(figures) >= least,
        };
        [
            row(format!("prompt of {prompt}"), self.prompt, least[0]),
            row(
                format!("generation of {GENERATED} after {prompt}"),
                self.generation,
                least[1],
            ),
        ]
    }
}

/// One line of `docs/speed.tsv`.
impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            model,
            prompt,
            cache,
            level,
        } = &self.case;
        let level = level.as_deref().unwrap_or("best");
        write!(f, "{}\t{model}\t{prompt}\t{cache}\t{level}", self.cpu)?;
        for x in self.prompt.iter().chain(&self.generation) {
            write!(f, "\t{x:.1}")?;
        }
        Ok(())
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(line: &str) -> Result<Speed, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [cpu, model, prompt, cache, level, figures @ ..] = &*fields else {
            return Err(format!("not a measurement: {line}"));
        };
        let number = |i: usize| {
            let field = figures.get(i).ok_or(format!("too short: {line}"))?;
            field.parse::<f64>().map_err(|e| format!("{field}: {e}"))
        };
        Ok(Speed {
            cpu: (*cpu).into(),
            case: Case {
                model: (*model).into(),
                prompt: prompt.parse().map_err(|e| format!("{prompt}: {e}"))?,
                cache: cache.parse().map_err(|e| format!("{cache}: {e}"))?,
                level: (*level != "best").then(|| (*level).into()),
            },
            prompt: [number(0)?, number(1)?],
            generation: [number(2)?, number(3)?],
        })
    }
}

/// The ratios' geometric mean.
pub fn mean(pairs: impl Iterator<Item = [f64; 2]>) -> f64 {
    let logs: Vec<f64> = pairs.map(|pair| ratio(pair).ln()).collect();
    (logs.iter().sum::<f64>() / logs.len() as f64).exp()
}

/// Types of `facts/speed.tsv`, as names of padded models.
pub fn speed_models() -> Vec<String> {
    let path = paths::shared().join("facts/speed.tsv");
    let text = std::fs::read_to_string(path).expect("the facts");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("type\t"))
        .filter_map(|line| Some(format!("pad-{}", line.split('\t').next()?)))
        .collect()
}

/// Generation is to be faster by more for types where the reference leaves most on the table.
fn least_generation(model: &str) -> f64 {
    match model.trim_start_matches("pad-") {
        "iq4_kss" | "iq4_kt" | "iq3_s" | "iq3_xxs" | "iq1_kt" | "mxfp4" => 1.6,
        _ => 1.1,
    }
}

/// Reads a file's bytes with so many threads and does nothing else; GB/s, the median of some passes.
fn read_bandwidth(bytes: &[u8], threads: usize) -> f64 {
    let share = bytes.len() / threads;
    let rates = (0..9)
        .map(|_| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for part in bytes.chunks_exact(share).take(threads) {
                    scope.spawn(move || {
                        let mut sums = [0u64; 16];
                        for line in part.as_chunks::<128>().0 {
                            for (sum, word) in sums.iter_mut().zip(line.as_chunks().0) {
                                *sum = sum.wrapping_add(u64::from_ne_bytes(*word));
                            }
                        }
                        std::hint::black_box(sums);
                    });
                }
            });
            (share * threads) as f64 / start.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    median(rates)
}

/// Bytes of keys and values in F16 that a token reads: those of all tokens before it.
fn cached(model: &gguf::File, before: usize) -> usize {
    let figure = |key: &str| {
        let figure = model.metadata().require::<u32>(&format!("llama.{key}"));
        figure.expect("a model of this architecture has it") as usize
    };
    let width = figure("attention.key_length") + figure("attention.value_length");
    2 * width * figure("attention.head_count_kv") * figure("block_count") * before
}

/// What share of the speed at which two threads can read memory Q8_0 reads at while it generates tokens. A token reads all of the
/// model's file, and what is cached. Reading and generation take turns.
fn share_of_bandwidth(rounds: usize) -> Row {
    let path = models::model("pad-q8_0");
    let file = std::fs::File::open(&path).expect("the model");
    // SAFETY: nobody writes the model's file meanwhile.
    let bytes = unsafe { memmap2::Mmap::map(&file) }.expect("the model can be mapped");
    let case = Case::new("pad-q8_0");
    let model = gguf::File::open(&path).expect("a model");
    let per_token = bytes.len() + cached(&model, case.prompt + GENERATED / 2);
    let (mut reading, mut generating) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        reading.push(read_bandwidth(&bytes, 2));
        let tokens = case.once(Who::Ikrs, 3).expect("ikrs runs")[1];
        generating.push(tokens * per_token as f64 / 1e9);
        reading.push(read_bandwidth(&bytes, 2));
    }
    let (reading, generating) = (median(reading), median(generating));
    let share = 100.0 * generating / reading;
    Row {
        what: format!("generation pad-q8_0 over reading, {rounds} rounds"),
        figure: format!("{generating:.1} GB/s, only reading {reading:.1}: {share:.0} %"),
        target: "at least 90 %".into(),
        holds: share >= 90.0,
    }
}

/// Every type at the CPU's own level and at x86_64_v3. Measurements are given to `keep`, rows with the targets to `report`.
pub fn short_speeds(
    models: &[String],
    rounds: usize,
    keep: &mut impl FnMut(Speed),
    report: &mut impl FnMut(Row),
) {
    if models.iter().any(|model| model == "pad-q8_0") {
        report(share_of_bandwidth(rounds));
    }
    let of_types: [(Option<&str>, [f64; 2]); 2] =
        [(None, [2.3, 1.5]), (Some("x86_64_v3"), [1.15, 1.15])];
    for (level, means) in of_types {
        let mut speeds = Vec::new();
        for model in models {
            let mut case = Case::new(model);
            case.level = level.map(str::to_owned);
            let speed = case.measure(rounds);
            let least = match level {
                None => [2.1, least_generation(model)],
                Some(_) => [1.0, 1.0],
            };
            speed.rows(rounds, least).into_iter().for_each(&mut *report);
            keep(speed.clone());
            speeds.push(speed);
        }
        let figures = [
            mean(speeds.iter().map(|s| s.prompt)),
            mean(speeds.iter().map(|s| s.generation)),
        ];
        for (k, what) in ["prompt", "generation"].into_iter().enumerate() {
            report(Row {
                what: format!(
                    "{what}, geometric mean of {} types{}",
                    models.len(),
                    level.map_or(String::new(), |level| format!(", {level}"))
                ),
                figure: format!("{:.2} x", figures[k]),
                target: format!("at least {:.2} x", means[k]),
                holds: figures[k] >= means[k],
            });
        }
    }
}

/// Long prompts, with a cache of either type: they take a minute each, so that there are several rounds only where one could mislead.
pub fn long_speeds(
    models: &[String],
    rounds: usize,
    keep: &mut impl FnMut(Speed),
    report: &mut impl FnMut(Row),
) {
    for model in models {
        for cache in [Cache::F16, Cache::Q8_0] {
            let least = [1.2, 1.2];
            let (speed, rounds) = Case::new(model).long(cache).measure_near(rounds, least);
            speed.rows(rounds, least).into_iter().for_each(&mut *report);
            keep(speed);
        }
    }
}

/// Prompt processing of 512 tokens and generation of 64, in `rounds` rounds. The ratios of the medians shall be at least `least`.
pub fn speed(model: &str, rounds: usize, least: f64) -> [Row; 2] {
    let case = Case::new(model);
    case.measure(rounds).rows(rounds, [least, least])
}
