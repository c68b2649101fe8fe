//! `../shared/tools/drive.py` drives either library through the unmodified PyPI binding and prints one JSON object.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::reference::reference;
use crate::{models, paths, stdout};

/// Whose library the binding loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ikrs,
    Reference,
}

/// Runs `drive.py MODEL ARGS...`; `model` is a name for [`models::model`].
pub fn drive(who: Who, model: &str, args: &[&str]) -> Value {
    drive_at(who, model, args, None)
}

/// As [`drive`], with `IKRS_CPU` set to a SIMD level.
pub fn drive_at(who: Who, model: &str, args: &[&str], level: Option<&str>) -> Value {
    let mut command = drive_file(who, &models::model(model), args);
    if let Some(level) = level {
        command.env("IKRS_CPU", level);
    }
    printed(&mut command)
}

/// `drive.py` with the model file at a path.
pub fn drive_file(who: Who, model: &Path, args: &[&str]) -> Command {
    let mut command = binding(who);
    command
        .arg(paths::shared().join("tools/drive.py"))
        .arg(model)
        .args(args);
    command
}

/// The JSON object that `drive.py` prints when it succeeds. Tests of one program take turns: the threads of two models on the same
/// cores wait for each other most of the time.
pub fn printed(command: &mut Command) -> Value {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    parsed(&stdout(command))
}

/// The JSON object in what `drive.py` printed.
pub fn parsed(text: &str) -> Value {
    let json = text.lines().last().unwrap_or_default();
    serde_json::from_str(json).unwrap_or_else(|e| panic!("drive.py printed {text:?}: {e}"))
}

/// The reference's Python with the binding pointed at one of the libraries.
pub fn binding(who: Who) -> Command {
    let mut command = Command::new(&reference().python);
    match who {
        Who::Ikrs => command.env("IK_LLAMA_CPP_LIB_PATH", paths::libikrs()),
        Who::Reference => command.env_remove("IK_LLAMA_CPP_LIB_PATH"),
    };
    command
}
