//! The edge's log.

use crate::{border, instance, wire};
use std::fmt::Display;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    Debug = -4,
    Info = 0,
    Warn = 4,
    Error = 8,
}

/// Writes one line to the edge's log, with the plugin's name and the request it is at
/// work on. A line is cut at 8 KiB.
///
/// ```ignore
/// edge::log(Level::Info, "let in", &[("user", &name), ("port", &8080)]);
/// ```
pub fn log(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let mut list = Vec::new();
    for (key, value) in fields {
        wire::put(&mut list, key.as_bytes());
        wire::put(&mut list, value.to_string().as_bytes());
    }
    // A line that cannot be written is lost: there is nowhere to say so.
    border::log(instance::current(), level as i32, message, &list);
}
