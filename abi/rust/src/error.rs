//! Errors, and how results of the border become one.

use crate::border::{self, errno, split};
use crate::json::{Field, Value, Writer};
use crate::types::{Code, SocketClosed, Started};

/// What handlers and calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What every failed call returns. `message` says what was wrong with which value; "already
/// exists" and "already exposed" stand in the texts of those two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Error {
    /// The error's name, to act upon.
    pub code: Code,
    /// What was wrong.
    pub message: String,
    /// The operation that failed.
    pub operation: String,
    /// Whether the same call may succeed later without a change.
    pub retryable: bool,
    /// After how many milliseconds; 0 says nothing of it.
    pub retry_after_ms: i64,
    /// How far the operation had come.
    pub started: Started,
    /// More of it, of some codes: [`NotReady`](crate::NotReady), [`SocketClosed`].
    pub details: Value,
    /// What to do.
    pub suggestion: String,
}

impl Error {
    /// An error that is answered with the code's status and this text: the client reads it.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { retryable: code.retryable(), code, message: message.into(), started: Started::No, ..Error::default() }
    }

    /// The error with what to do about it.
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Error {
        self.suggestion = suggestion.into();
        self
    }

    /// The details as an object of the contract, if they are one.
    pub fn details_as<T: Field>(&self) -> Option<T> {
        T::read(&self.details)
    }

    /// How the peer closed the WebSocket, if that is what happened.
    pub fn socket_closed(&self) -> Option<SocketClosed> {
        self.details_as().filter(|closed: &SocketClosed| closed.code != 0)
    }

    /// The error's JSON as the edge takes it, or cut and without its details if it is too
    /// large.
    pub(crate) fn json(&self) -> String {
        let text = crate::json::write(self);
        if text.len() <= MAX_BYTES {
            return text;
        }
        let cut = |s: &str| s.chars().take(MAX_CUT_TEXT).collect::<String>();
        let small = Error {
            message: cut(&self.message),
            suggestion: cut(&self.suggestion),
            operation: cut(&self.operation),
            details: Value::Null,
            ..self.clone()
        };
        crate::json::write(&small)
    }
}

/// The most that the edge takes of an error, in bytes, and what is left of a text in one
/// that is larger, in characters: JSON makes at most six bytes of one, UTF-8 four.
const MAX_BYTES: usize = 64 << 10;
const MAX_CUT_TEXT: usize = 3 << 10;

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

impl Field for Error {
    fn is_empty(&self) -> bool {
        self.code.is_empty()
    }

    fn write(&self, w: &mut Writer) {
        w.begin_object();
        w.key("code");
        w.string(self.code.as_str());
        w.key("message");
        w.string(&self.message);
        w.key("retryable");
        w.boolean(self.retryable);
        w.key("started");
        w.string(if self.started.is_empty() { "no" } else { self.started.as_str() });
        for (name, text) in [("operation", &self.operation), ("suggestion", &self.suggestion)] {
            if !text.is_empty() {
                w.key(name);
                w.string(text);
            }
        }
        if self.retry_after_ms != 0 {
            w.key("retryAfterMs");
            w.integer(self.retry_after_ms);
        }
        if !self.details.is_empty() {
            w.key("details");
            self.details.write(w);
        }
        w.end_object();
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(Error {
            code: Code::from(value.get("code")?.as_str()?),
            message: text("message").to_string(),
            operation: text("operation").to_string(),
            retryable: value.get("retryable").and_then(Value::as_bool).unwrap_or_default(),
            retry_after_ms: value.get("retryAfterMs").and_then(Value::as_i64).unwrap_or_default(),
            started: Started::from(text("started")),
            details: value.get("details").cloned().unwrap_or_default(),
            suggestion: text("suggestion").to_string(),
        })
    }
}

/// The error of a call that answered `number`: what the edge says of it, if it says
/// something that fits, else what the number means.
pub(crate) fn failure(req: u32, call: &str, number: u32) -> Error {
    last_error(req).filter(|e| e.code.errno() == number).unwrap_or_else(|| meaning(call, number))
}

/// What the edge kept of the request's last error.
pub(crate) fn last_error(req: u32) -> Option<Error> {
    let text = read(&mut |out| border::last_error(req, out)).ok()?;
    Error::read(&Value::parse(&text)?)
}

/// The error that the number alone stands for.
pub(crate) fn meaning(call: &str, number: u32) -> Error {
    let (code, text) = match number {
        errno::INVALID => (Code::InvalidRequest, "the edge refused a value"),
        errno::NOT_FOUND => (Code::NotFound, "not found"),
        errno::DENIED => (Code::Denied, "not allowed"),
        errno::TIMEOUT => (Code::Timeout, "the time ran out"),
        errno::BUSY => (Code::TooManyRequests, "the edge is busy"),
        errno::QUOTA => (Code::QuotaExceeded, "a limit is reached"),
        errno::UNAVAILABLE => (Code::RuntimeUnavailable, "the sandbox cannot be reached"),
        errno::TOO_LARGE => (Code::BodyTooLarge, "too large"),
        errno::CLOSED => (Code::Canceled, "closed: the request is over or the other side went away"),
        errno::ALREADY => (Code::InvalidRequest, "a decision was made already"),
        errno::UNSUPPORTED => (Code::Unsupported, "this edge does not have it"),
        _ => (Code::Internal, "internal error; the edge's log has the details"),
    };
    let mut e = Error::new(code, [call, ": ", text].concat());
    e.operation = call.to_string();
    e
}

/// Takes the result of a call that gives nothing.
pub(crate) fn done(req: u32, call: &str, result: u64) -> Result<()> {
    handle(req, call, result).map(|_| ())
}

/// Takes the result of a call that gives a handle.
pub(crate) fn handle(req: u32, call: &str, result: u64) -> Result<u32> {
    match split(result) {
        (errno::OK, low) => Ok(low as u32),
        (number, _) => Err(failure(req, call, number)),
    }
}

/// Calls a function that only reads, again with more room if its result did not fit.
pub(crate) fn read(call: &mut dyn FnMut(&mut Vec<u8>) -> u64) -> Result<Vec<u8>, u32> {
    let mut out = Vec::with_capacity(256);
    loop {
        match split(call(&mut out)) {
            (errno::OK, length) if length <= out.capacity() => return Ok(out),
            (errno::OK, length) => out = Vec::with_capacity(length),
            (number, _) => return Err(number),
        }
    }
}

/// Returns the result of a call that did something and was offered `out`: what is in it,
/// or what the edge kept because it did not fit.
pub(crate) fn collect(req: u32, result: u64, out: Vec<u8>) -> Result<Vec<u8>, u32> {
    let total = match split(result) {
        (errno::OK, length) if length <= out.capacity() => return Ok(out),
        (errno::OK, length) => length,
        (number, _) => return Err(number),
    };
    let mut whole = Vec::with_capacity(total);
    let mut piece = Vec::with_capacity(total);
    while whole.len() < total {
        match split(border::result_read(req, 0, whole.len() as u32, &mut piece)) {
            (errno::OK, n) if n > 0 && n == piece.len() => whole.append(&mut piece),
            (errno::OK, _) => return Err(errno::INTERNAL),
            (number, _) => return Err(number),
        }
    }
    Ok(whole)
}
