//! The one sink of log messages. The C side replaces it with a callback (`llama_log_set`, `ggml_log_set`);
//! until then messages go to stderr. Messages end in a newline, as callers of `ggml_log_callback` expect.

use std::sync::{Arc, RwLock};

/// Log levels, numbered as `enum ggml_log_level`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    None = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Cont = 5,
}

/// Receives every message: a level and a text that ends in a newline (except for [`Level::Cont`] pieces).
pub type Sink = Arc<dyn Fn(Level, &str) + Send + Sync>;

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Replaces the sink; `None` restores stderr.
pub fn set_sink(sink: Option<Sink>) {
    *SINK.write().unwrap_or_else(|e| e.into_inner()) = sink;
}

/// Sends one message as it is.
pub fn write(level: Level, text: &str) {
    // Not called under the lock: a sink may log, or replace itself.
    let sink = SINK.read().unwrap_or_else(|e| e.into_inner()).clone();
    match sink {
        Some(sink) => sink(level, text),
        None => eprint!("{text}"),
    }
}

/// Logs one line at the given level: `log_at!(Level::Warn, "n_ctx = {n}")`.
#[macro_export]
macro_rules! log_at {
    ($level:expr, $($arg:tt)*) => {
        $crate::log::write($level, &(format!($($arg)*) + "\n"))
    };
}

/// Logs one line at info level.
#[macro_export]
macro_rules! log_info { ($($arg:tt)*) => { $crate::log_at!($crate::log::Level::Info, $($arg)*) }; }
/// Logs one line at warning level.
#[macro_export]
macro_rules! log_warn { ($($arg:tt)*) => { $crate::log_at!($crate::log::Level::Warn, $($arg)*) }; }
/// Logs one line at error level.
#[macro_export]
macro_rules! log_error { ($($arg:tt)*) => { $crate::log_at!($crate::log::Level::Error, $($arg)*) }; }
