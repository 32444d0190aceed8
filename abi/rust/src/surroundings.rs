//! What surrounds a plugin: configuration, secrets, clocks, randomness, metrics.

use crate::border::{self, errno, split};
use crate::error::{meaning, read, Error, Result};
use crate::json::{Field, Value};
use crate::types::Code;
use crate::wire;
use std::time::Duration;

/// Reads one value of the plugin's `config:`, `None` if there is no such key. A value of
/// another type is `INVALID_REQUEST`; as a [`Value`] everything can be read.
///
/// ```ignore
/// let port: u16 = edge::config("port")?.unwrap_or(8080);
/// ```
pub fn config<T: Field>(key: &str) -> Result<Option<T>> {
    let text = match read(&mut |out| border::config_get(key, out)) {
        Ok(text) => text,
        Err(errno::NOT_FOUND) => return Ok(None),
        Err(number) => return Err(meaning(&["config ", key].concat(), number)),
    };
    let value = Value::parse(&text).and_then(|v| T::read(&v));
    value
        .map(Some)
        .ok_or_else(|| Error::new(Code::InvalidRequest, ["config ", key, ": the value is of another type"].concat()))
}

/// Reads one of the plugin's `secrets:`, `None` if there is none of the name. It goes to no
/// log and no answer unless the plugin puts it there.
pub fn secret(name: &str) -> Result<Option<Vec<u8>>> {
    match read(&mut |out| border::secret_get(name, out)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(errno::NOT_FOUND) => Ok(None),
        Err(number) => Err(meaning(&["secret ", name].concat(), number)),
    }
}

/// Whether this edge has the named function of the ABI.
pub fn feature(name: &str) -> bool {
    split(border::feature(name)) == (errno::OK, 1)
}

/// The time since the Unix epoch.
pub fn now() -> Duration {
    clock(0)
}

/// A clock that never goes back, for measuring; its beginning means nothing.
pub fn monotonic() -> Duration {
    clock(1)
}

fn clock(id: u32) -> Duration {
    let mut nanoseconds = 0;
    border::clock(id, &mut nanoseconds);
    Duration::from_nanos(nanoseconds)
}

/// Fills the slice with cryptographic randomness.
pub fn random(fill: &mut [u8]) -> Result<()> {
    for piece in fill.chunks_mut(64 << 10) {
        let (number, _) = split(border::random(piece));
        if number != errno::OK {
            return Err(meaning("random", number));
        }
    }
    Ok(())
}

/// Adds `value`, at least 0, to a counter of the plugin, which `/metrics` shows as
/// `plugin_{name}_total`. The name is `[a-z][a-z0-9_]{0,47}`; at most 4 labels, named
/// the same way, with values of at most 128 bytes; at most 500 series a plugin.
pub fn count(name: &str, value: f64, labels: &[(&str, &str)]) -> Result<()> {
    metric("count", border::count(name, &pairs(labels), value))
}

/// Tells a histogram of the plugin one observation; see [`count`]. A name is a counter or
/// a histogram, not both.
pub fn observe(name: &str, value: f64, labels: &[(&str, &str)]) -> Result<()> {
    metric("observe", border::observe(name, &pairs(labels), value))
}

fn metric(call: &str, result: u64) -> Result<()> {
    match split(result) {
        (errno::OK, _) => Ok(()),
        (number, _) => Err(meaning(call, number)),
    }
}

fn pairs(labels: &[(&str, &str)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (key, value) in labels {
        wire::put(&mut list, key.as_bytes());
        wire::put(&mut list, value.as_bytes());
    }
    list
}
