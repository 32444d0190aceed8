//! The key-value store of the plugin's namespace. It is kept on disk and outlives the edge.

use crate::border;
use crate::error::{collect, failure, meaning, Result};
use crate::json::{Field, Value, Writer};
use crate::{border::errno, instance};
use std::time::Duration;

/// The plugin's key-value store: at most 64 MiB and 100,000 keys; `QUOTA_EXCEEDED` beyond.
pub fn kv() -> Store {
    Store { _private: () }
}

/// See [`kv`]. Keys are 1 to 512 bytes, values at most 256 KiB. What a call answered is on
/// disk.
pub struct Store {
    _private: (),
}

/// What stands under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Grows with each change of the key; for [`Store::set_if`].
    pub revision: u64,
    /// The bytes.
    pub value: Vec<u8>,
}

record! {
    /// One key of a list.
    pub struct Key {
        /// The key.
        pub key: String = "key",
        /// The revision of what stands under it.
        pub revision: u64 = "revision",
        /// How many bytes do.
        pub size: i64 = "size",
        /// When it goes away, RFC 3339; empty is never.
        pub expires_at: String = "expiresAt",
    }
}

record! {
    /// Keys in their order.
    pub struct KeyList {
        /// The keys.
        pub entries: Vec<Key> = "entries",
        /// Set when there are more: go on after the last key.
        pub more: bool = "more",
    }
}

const GET: u32 = 1;
const SET: u32 = 2;
const DELETE: u32 = 3;
const LIST: u32 = 4;

impl Store {
    /// What stands under the key; `None` if nothing does.
    pub fn get(&self, key: &str) -> Result<Option<Entry>> {
        let mut answer = match call(GET, key, b"", "") {
            Err(errno::NOT_FOUND) => return Ok(None),
            other => other.map_err(|n| failed("get", n))?,
        };
        if answer.len() < 8 {
            return Err(meaning("kv get", errno::INTERNAL));
        }
        let value = answer.split_off(8);
        Ok(Some(Entry { revision: number(&answer), value }))
    }

    /// Writes the value, which goes away after `ttl` unless that is zero, and returns its
    /// revision.
    pub fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<u64> {
        self.write(key, value, ttl, None)
    }

    /// [`set`](Store::set) if the key's revision still is `revision`; 0: if there is no such
    /// key. Otherwise it is `CONFLICT`, its details `{"revision": n}`.
    pub fn set_if(&self, key: &str, value: &[u8], ttl: Duration, revision: u64) -> Result<u64> {
        self.write(key, value, ttl, Some(revision))
    }

    /// Deletes the key. One that there is not is no error.
    pub fn delete(&self, key: &str) -> Result<()> {
        call(DELETE, key, b"", "").map(drop).map_err(|n| failed("delete", n))
    }

    /// Deletes the key if its revision still is `revision`, else it is `CONFLICT`.
    pub fn delete_if(&self, key: &str, revision: u64) -> Result<()> {
        let options = options(Duration::ZERO, Some(revision));
        call(DELETE, key, b"", &options).map(drop).map_err(|n| failed("delete", n))
    }

    /// The keys that begin with `prefix`, from after the key `after` (empty: from the
    /// first), at most `limit` (1 to 1,000; 0 is 100).
    pub fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<KeyList> {
        let mut w = Writer::default();
        w.begin_object();
        if !after.is_empty() {
            w.key("after");
            w.string(after);
        }
        if limit != 0 {
            w.key("limit");
            w.integer(limit.into());
        }
        w.end_object();
        let answer = call(LIST, prefix, b"", &w.into_string()).map_err(|n| failed("list", n))?;
        Value::parse(&answer).and_then(|v| KeyList::read(&v)).ok_or_else(|| meaning("kv list", errno::INTERNAL))
    }

    fn write(&self, key: &str, value: &[u8], ttl: Duration, revision: Option<u64>) -> Result<u64> {
        let answer = call(SET, key, value, &options(ttl, revision)).map_err(|n| failed("set", n))?;
        if answer.len() != 8 {
            return Err(meaning("kv set", errno::INTERNAL));
        }
        Ok(number(&answer))
    }
}

fn options(ttl: Duration, revision: Option<u64>) -> String {
    if ttl.is_zero() && revision.is_none() {
        return String::new();
    }
    let mut w = Writer::default();
    w.begin_object();
    if !ttl.is_zero() {
        w.key("ttl");
        ttl.write(&mut w);
    }
    if let Some(revision) = revision {
        w.key("ifRevision");
        revision.write(&mut w);
    }
    w.end_object();
    w.into_string()
}

fn call(verb: u32, key: &str, value: &[u8], options: &str) -> Result<Vec<u8>, u32> {
    let req = instance::current();
    let mut out = Vec::with_capacity(512);
    let result = border::kv(req, verb, key, value, options.as_bytes(), &mut out);
    collect(req, result, out)
}

fn failed(verb: &str, number: u32) -> crate::Error {
    failure(instance::current(), &["kv ", verb].concat(), number)
}

/// A number of 8 bytes, little-endian.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |n, b| n << 8 | u64::from(*b))
}
