//! Files made by the wheel's own `llama-quantize`, with its libraries swapped for `libikrs.so`, beside those it makes unchanged.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ikrs::gguf::{self, Array, Metadata, Name, Strings, TensorInfo, Text, Value, Writer};
use ikrs::quant::Type;
use tempfile::TempDir;

use super::Row;
use super::numbers::utf8;
use crate::drive::{Who, drive_file, printed};
use crate::reference::reference;
use crate::{models, paths, run, stdout};

/// A file type that the reference can make but not run: it has a product for it only on CPUs with AVX512-BF16.
const NOT_RUN: &str = "BF16_R16";

/// Perplexities above this are of types that can hardly hold the model.
const HOPELESS: f64 = 60.0;

/// Both programs.
pub struct FileTypes {
    dir: TempDir,
    ours: PathBuf,
}

/// A file type: its name and what the reference's help text says of it.
pub type Names = Vec<String>;

impl Default for FileTypes {
    fn default() -> Self {
        FileTypes::new()
    }
}

impl FileTypes {
    pub fn new() -> FileTypes {
        let dir = paths::scratch();
        let swapped = stdout(
            Command::new(paths::shared().join("tools/swap_wheel.sh"))
                .arg(&reference().site_packages)
                .arg(paths::libikrs())
                .arg(dir.path().join("swapped")),
        );
        let ours = PathBuf::from(swapped.trim());
        assert!(ours.exists(), "swap_wheel.sh printed {swapped:?}");
        FileTypes { dir, ours }
    }

    /// `llama-quantize` on one of the libraries.
    pub fn command(&self, who: Who) -> Command {
        Command::new(match who {
            Who::Ikrs => &self.ours,
            Who::Reference => &reference().quantize,
        })
    }

    /// The names in the program's help text, without aliases.
    pub fn names(&self) -> Names {
        let help = self.command(Who::Reference).arg("--help").output();
        let help = help.expect("the reference's program runs");
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        let names: Names = text
            .lines()
            .filter(|line| !line.contains("alias for"))
            .filter_map(|line| {
                let (number, rest) = line.split_once(" or ")?;
                number.trim().parse::<u32>().ok()?;
                Some(rest.split(':').next()?.trim().to_owned())
            })
            .collect();
        assert!(
            names.len() > 80,
            "the help text names {} types",
            names.len()
        );
        names
    }

    /// Where a file of this type will be, and what makes it from the padded SmolLM2.
    fn making(&self, who: Who, name: &str) -> (PathBuf, Command) {
        let path = self.dir.path().join(format!("{who:?}-{name}.gguf"));
        let mut command = self.command(who);
        command
            .arg("--imatrix")
            .arg(models::imatrix())
            .arg(models::model("pad-f16"))
            .arg(&path)
            .args([name, "2"]);
        (path, command)
    }

    /// Makes a file; returns its path and the seconds it took, `None` if the program fails.
    fn make(&self, who: Who, name: &str) -> Option<(PathBuf, f64)> {
        let (path, mut command) = self.making(who, name);
        let begin = Instant::now();
        let out = command.output().expect("the program starts");
        let seconds = begin.elapsed().as_secs_f64();
        if !out.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&out.stderr));
            return None;
        }
        Some((path, seconds))
    }

    /// The most memory in use while such a file is made: that of the mapped input file and of two of its tensors.
    pub fn memory(&self, name: &str) -> Row {
        let (path, mut command) = self.making(Who::Ikrs, name);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = command.spawn().expect("the program starts");
        let mut peak = 0;
        while program.try_wait().expect("it is ours").is_none() {
            peak = peak_memory(program.id()).unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(2));
        }
        std::fs::remove_file(path).expect("it was made");
        let input = models::model("pad-f16");
        let size = std::fs::metadata(&input).expect("it is there").len();
        let input = gguf::File::open(&input).expect("a model file");
        let largest = input.tensors().iter().map(|t| t.size as u64).max();
        let limit = size + 2 * largest.expect("it has tensors");
        let mib = |bytes: u64| bytes >> 20;
        Row {
            what: format!("file {name}: peak memory"),
            figure: format!("{} MiB, the input file has {}", mib(peak), mib(size)),
            target: format!("at most {} MiB", mib(limit)),
            holds: peak > 0 && peak <= limit,
        }
    }

    /// A file type: the same tensor types and metadata as in the reference's own file; with `chunks`, the perplexity by the
    /// reference of both files over so many, and ours of our own.
    pub fn file(&self, name: &str, chunks: Option<usize>) -> Vec<Row> {
        let made = self.make(Who::Ikrs, name);
        let (ours, our_time) = made.unwrap_or_else(|| panic!("ikrs makes no file {name}"));
        let Some((theirs, their_time)) = self.make(Who::Reference, name) else {
            // These are all kinds of Q4_0.
            let (plain, _) = self.make(Who::Ikrs, "Q4_0").expect("ikrs makes Q4_0");
            let row = alone(name, &ours, &plain, chunks);
            remove([ours, plain]);
            return vec![row];
        };
        let differences = differences(&ours, &theirs);
        let mut rows = vec![Row {
            what: format!("file {name}: tensor types and metadata"),
            figure: match &*differences {
                "" => format!("equal; {our_time:.1} s, reference {their_time:.1} s"),
                text => text.to_owned(),
            },
            target: "equal".into(),
            holds: differences.is_empty(),
        }];
        if name == NOT_RUN {
            rows.push(alone(name, &ours, &models::model("pad-f16"), chunks));
        } else if let Some(chunks) = chunks {
            let reference = perplexity(Who::Reference, &theirs, chunks);
            let made = perplexity(Who::Reference, &ours, chunks);
            let run = perplexity(Who::Ikrs, &ours, chunks);
            let limit = if reference > HOPELESS { 1.03 } else { 1.005 };
            let ratio = made / reference;
            rows.push(Row {
                what: format!("file {name}: perplexity by the reference, {chunks} chunks"),
                figure: format!("{made:.4}, its own file {reference:.4}: {ratio:.4} x"),
                target: format!("at most {limit} x"),
                holds: ratio <= limit,
            });
            let off = (run / made - 1.0) * 100.0;
            rows.push(Row {
                what: format!("file {name}: perplexity by ikrs, {chunks} chunks"),
                figure: format!("{run:.4}: {off:+.3} %"),
                target: "within 0.30 %".into(),
                holds: off.abs() <= 0.3,
            });
        }
        remove([ours, theirs]);
        rows
    }

    /// All file types of the help text, or those in `names`.
    pub fn table(&self, chunks: Option<usize>, names: &[String], mut report: impl FnMut(Row)) {
        for name in self.names() {
            if names.is_empty() || names.contains(&name) {
                self.file(&name, chunks).into_iter().for_each(&mut report);
            }
        }
    }

    /// The types that these mixes give the tensors of a model of another shape, as both say in a dry run.
    pub fn mixes(&self, layout: &Layout, names: &[String]) -> Row {
        let path = self.dir.path().join(format!("{}.gguf", layout.name));
        if !path.exists() {
            layout.write(&path);
        }
        let choices = |who, name: &str, pure: bool| {
            let mut command = self.command(who);
            if pure {
                command.arg("--pure");
            }
            let out = command
                .args(["--dry-run", "--ignore-imatrix-rules"])
                .arg(&path)
                .arg(self.dir.path().join("none.gguf"))
                .args([name, "1"])
                .output()
                .expect("the program runs");
            choices(&String::from_utf8_lossy(&out.stderr))
                .or_else(|| choices(&String::from_utf8_lossy(&out.stdout)))
        };
        let mut different = String::new();
        let mut n = 0;
        for name in names {
            for pure in [false, true] {
                let ours = choices(Who::Ikrs, name, pure);
                let theirs = choices(Who::Reference, name, pure);
                // Where the reference gives up there is nothing to compare.
                let Some(theirs) = theirs else { continue };
                n += 1;
                if ours.as_ref() != Some(&theirs) {
                    let pair = ours.iter().flatten().zip(&theirs).find(|(a, b)| a != b);
                    let _ = write!(different, "{name} (pure: {pure}): {pair:?} ");
                }
            }
        }
        Row {
            what: format!("mixes of {n} file types for {}", layout.name),
            figure: match &*different {
                "" => "the same types".into(),
                text => text.to_owned(),
            },
            target: "the same types".into(),
            holds: different.is_empty() && n > 0,
        }
    }
}

/// The tensors and types in the lines of progress; `None` if there are none.
fn choices(text: &str) -> Option<Vec<(String, String)>> {
    let mut out = Vec::new();
    for line in text.split("\n[") {
        let Some((name, rest)) = line
            .split_once(']')
            .and_then(|(_, rest)| rest.trim_start().split_once(" - ["))
        else {
            continue;
        };
        let Some((_, rest)) = rest.split_once("type =") else {
            continue;
        };
        let ty = match rest.split_once("converting to ") {
            Some((_, to)) => to.split_whitespace().next()?,
            None => rest.split(',').next()?.trim(),
        };
        out.push((name.trim().to_owned(), ty.to_lowercase()));
    }
    (!out.is_empty()).then_some(out)
}

/// The most memory that a process has had so far, in bytes, as Linux says.
fn peak_memory(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// What differs in the tensor types and the metadata of two files; empty if nothing does.
fn differences(ours: &Path, theirs: &Path) -> String {
    let [a, b] = [ours, theirs].map(|path| gguf::File::open(path).expect("a model file"));
    let mut out = String::new();
    if a.tensors().len() != b.tensors().len() {
        let _ = write!(
            out,
            "{} tensors, not {}",
            a.tensors().len(),
            b.tensors().len()
        );
    }
    for (x, y) in a.tensors().iter().zip(b.tensors()) {
        if (&*x.name, x.ty, x.ne) != (&*y.name, y.ty, y.ne) && out.len() < 200 {
            let _ = write!(
                out,
                "{} {:?}, not {} {:?}; ",
                &*x.name, x.ty, &*y.name, y.ty
            );
        }
    }
    let (x, y) = (a.metadata(), b.metadata());
    if x.len() != y.len() {
        let _ = write!(out, "{} keys, not {}; ", x.len(), y.len());
    }
    for (key, value) in y.iter() {
        if x.value(key).map(|v| format!("{v:?}")) != Some(format!("{value:?}")) {
            let _ = write!(out, "key {} differs; ", &**key);
        }
    }
    out
}

fn perplexity(who: Who, model: &Path, chunks: usize) -> f64 {
    let text = models::text();
    let chunks = chunks.to_string();
    let args = ["ppl", "--text", utf8(&text), "--chunks", &chunks];
    printed(&mut drive_file(who, model, &args))["ppl"]
        .as_f64()
        .expect("drive.py prints ppl")
}

/// A file that the reference can't make or run: ikrs runs it nearly as well as another one.
fn alone(name: &str, file: &Path, other: &Path, chunks: Option<usize>) -> Row {
    let of = |path| perplexity(Who::Ikrs, path, chunks.unwrap_or(2));
    let (ppl, of_other) = (of(file), of(other));
    Row {
        what: format!("file {name}, not for the reference: perplexity"),
        figure: format!("{ppl:.4}, of a file like it {of_other:.4}"),
        target: "at most 1.05 x".into(),
        holds: ppl <= 1.05 * of_other,
    }
}

fn remove(files: [PathBuf; 2]) {
    for path in files {
        std::fs::remove_file(path).expect("it was made");
    }
}

/// A repacked file has the reference's bytes, and runs in ikrs as the file it was made from.
pub fn repacked(model: &str) -> [Row; 2] {
    let files = FileTypes::new();
    let paths = [Who::Ikrs, Who::Reference].map(|who| {
        let path = files.dir.path().join(format!("{who:?}.gguf"));
        run(files
            .command(who)
            .arg("--repack")
            .arg(models::model(model))
            .arg(&path)
            .args(["Q4_0", "2"]));
        path
    });
    let [ours, theirs] = [0, 1].map(|i| std::fs::read(&paths[i]).expect("it was made"));
    let plain = perplexity(Who::Ikrs, &models::model(model), 2);
    let packed = perplexity(Who::Ikrs, &paths[0], 2);
    [
        Row {
            what: format!("file {model} repacked"),
            figure: format!("{} bytes, reference {}", ours.len(), theirs.len()),
            target: "the same bytes".into(),
            holds: ours == theirs,
        },
        Row {
            what: format!("perplexity {model} repacked, 2 chunks"),
            figure: format!("{packed}, not repacked {plain}"),
            target: "the same".into(),
            holds: packed == plain,
        },
    ]
}

/// The shape of a model, as far as mixes depend on it.
pub struct Layout {
    pub name: &'static str,
    arch: &'static str,
    layers: u32,
    experts: u32,
    /// Attention heads, and those of keys and values.
    heads: [u32; 2],
    /// The output matrix is the token embedding.
    tied: bool,
    vocab: u32,
    /// Values in a row.
    width: i64,
}

impl Layout {
    const fn new(name: &'static str) -> Layout {
        Layout {
            name,
            arch: "llama",
            layers: 16,
            experts: 0,
            heads: [8, 8],
            tied: false,
            vocab: 3000,
            width: 256,
        }
    }

    /// Writes such a model with weights of zero and rows as few as there can be.
    fn write(&self, path: &Path) {
        let mut metadata = Metadata::default();
        let mut set = |key: String, value| {
            metadata.set(Name::new(key.as_bytes()).expect("a short key"), value);
        };
        let of_arch = |key: &str| format!("{}.{key}", self.arch);
        set(
            "general.architecture".into(),
            Value::Str(Text::new(self.arch.as_bytes())),
        );
        set(of_arch("block_count"), Value::U32(self.layers));
        set(of_arch("context_length"), Value::U32(128));
        set(of_arch("embedding_length"), Value::U32(self.width as u32));
        set(
            of_arch("feed_forward_length"),
            Value::U32(self.width as u32),
        );
        set(of_arch("attention.head_count"), Value::U32(self.heads[0]));
        set(
            of_arch("attention.head_count_kv"),
            Value::U32(self.heads[1]),
        );
        for norm in ["layer_norm_epsilon", "layer_norm_rms_epsilon"] {
            set(of_arch(&format!("attention.{norm}")), Value::F32(1e-5));
        }
        set("general.file_type".into(), Value::U32(0));
        set(of_arch("vocab_size"), Value::U32(self.vocab));
        let mut tokens = Strings::default();
        for i in 0..self.vocab {
            tokens.push(format!("t{i}").as_bytes());
        }
        set(
            "tokenizer.ggml.tokens".into(),
            Value::Array(Array::Str(tokens)),
        );
        if self.experts > 0 {
            set(of_arch("expert_count"), Value::U32(self.experts));
            set(of_arch("expert_used_count"), Value::U32(1));
        }
        let mut tensors = Vec::new();
        let mut add = |name: String, experts: i64| {
            let name = Name::new(name.as_bytes()).expect("a short name");
            let dims = if experts > 1 { 3 } else { 2 };
            let shape = [self.width, 8, experts, 1];
            tensors.push(TensorInfo::new(name, Type::F32, dims, shape).expect("a small tensor"));
        };
        add("token_embd.weight".into(), 1);
        if !self.tied {
            add("output.weight".into(), 1);
        }
        let attention: &[&str] = match self.arch {
            "falcon" => &["attn_qkv", "attn_output"],
            _ => &["attn_q", "attn_k", "attn_v", "attn_output"],
        };
        for layer in 0..self.layers {
            for part in attention {
                add(format!("blk.{layer}.{part}.weight"), 1);
            }
            for part in ["ffn_gate", "ffn_down", "ffn_up"] {
                match self.experts {
                    0 => add(format!("blk.{layer}.{part}.weight"), 1),
                    _ => add(format!("blk.{layer}.{part}_exps.weight"), 2),
                }
            }
            if self.experts > 0 {
                add(format!("blk.{layer}.ffn_up_shexp.weight"), 1);
            }
        }
        let mut writer = Writer::create(path, &metadata, tensors).expect("a new file");
        for info in writer.tensors().to_vec() {
            writer.write(&vec![0; info.size]).expect("room on the disk");
        }
        writer.finish().expect("all tensors are written");
    }
}

/// Shapes for which mixes differ.
pub const LAYOUTS: [Layout; 9] = [
    Layout::new("16 layers"),
    Layout {
        heads: [8, 2],
        tied: true,
        ..Layout::new("16 layers, tied, shared heads")
    },
    Layout {
        layers: 32,
        heads: [8, 4],
        vocab: 128_000,
        ..Layout::new("32 layers, large vocabulary")
    },
    Layout {
        experts: 8,
        heads: [8, 2],
        ..Layout::new("16 layers, 8 experts")
    },
    Layout {
        layers: 4,
        experts: 4,
        tied: true,
        ..Layout::new("4 layers, 4 experts, tied")
    },
    Layout {
        layers: 80,
        heads: [8, 1],
        ..Layout::new("80 layers")
    },
    Layout {
        arch: "falcon",
        ..Layout::new("falcon")
    },
    Layout {
        layers: 8,
        width: 96,
        ..Layout::new("8 narrow layers")
    },
    Layout {
        layers: 8,
        experts: 2,
        heads: [8, 4],
        ..Layout::new("8 layers, 2 experts")
    },
];
