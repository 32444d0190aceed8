//! Plays the edge for a plugin's tests: no module is built, the handler runs natively. A
//! test says what sandboxes answer, makes a request, and looks at the decision.
//!
//! ```ignore
//! let mut edge = fake::Edge::new();
//! edge.on("exec", |call| Ok(Value::object().with("stdout", "hello").with("exitCode", 0)));
//! let outcome = edge.run(decide, fake::websocket("/ws/echo?id=one"));
//! assert_eq!(outcome.connected(), Some(("Sandbox", "one", 8080)));
//! ```
//!
//! Nothing happens to a decision after it was made: that is the edge's part.

mod instance;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::json::Value;
use crate::request::Request;
use crate::response::Response;
use crate::types::Code;
use instance::Instance;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

thread_local! {
    /// The edge that plugins of this thread talk to. Without one everything is
    /// `UNSUPPORTED`.
    static INSTANCE: RefCell<Option<Instance>> = RefCell::new(None);
}

/// Asks the thread's edge.
pub(crate) fn ask(call: impl FnOnce(&mut Instance) -> u64) -> u64 {
    INSTANCE.with(|i| match &mut *i.borrow_mut() {
        Some(instance) => call(instance),
        None => crate::border::result(crate::border::errno::UNSUPPORTED, 0),
    })
}

type Operation = Box<dyn FnMut(&Call) -> Result<Value>>;
type Stream = Box<dyn FnMut(&Call) -> Result<Script>>;
type Socket = Box<dyn FnMut(&str, u16, &Value) -> Result<Script>>;
type Fetcher = Box<dyn FnMut(&Value, &[u8]) -> Result<Fetched>>;

/// A fake edge. A new one answers every operation with an error that names it.
#[derive(Default)]
pub struct Edge {
    config: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Vec<u8>>,
    operations: BTreeMap<String, Operation>,
    streams: BTreeMap<String, Stream>,
    socket: Option<Socket>,
    fetcher: Option<Fetcher>,
    preview: bool,
    /// The key-value store: revision and value by key.
    pub store: BTreeMap<String, (u64, Vec<u8>)>,
    /// What the clocks say, in nanoseconds.
    pub clock: u64,
}

/// One operation that the plugin asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The operation's name.
    pub name: String,
    /// Its JSON, `sandbox` included.
    pub request: Value,
}

impl Call {
    /// A text of the request; empty if there is none.
    pub fn text(&self, field: &str) -> &str {
        self.request.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The sandbox's id.
    pub fn id(&self) -> &str {
        self.request.get("sandbox").and_then(|s| s.get("id")).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What a stream or socket sends, and how it ends then.
#[derive(Clone, Debug, Default)]
pub struct Script {
    messages: VecDeque<(bool, Vec<u8>)>,
    code: i64,
    reason: String,
}

impl Script {
    /// A peer that sends nothing and closes well.
    pub fn new() -> Script {
        Script { code: 1000, ..Script::default() }
    }

    /// One more text message.
    pub fn text(mut self, text: &str) -> Script {
        self.messages.push_back((false, text.as_bytes().to_vec()));
        self
    }

    /// One more binary message.
    pub fn binary(mut self, bytes: &[u8]) -> Script {
        self.messages.push_back((true, bytes.to_vec()));
        self
    }

    /// Another close code.
    pub fn closes(mut self, code: i64, reason: &str) -> Script {
        self.code = code;
        self.reason = reason.to_string();
        self
    }
}

/// What a server on the network answers.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u32,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A request to the plugin.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Incoming {
    pub method: String,
    pub scheme: String,
    pub host: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Incoming {
    /// The request with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Incoming {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// The request with a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Incoming {
        self.body = body.into();
        self
    }
}

/// A plain request; `target` is the path with the query.
pub fn request(method: &str, target: &str) -> Incoming {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Incoming {
        method: method.to_string(),
        scheme: "http".to_string(),
        host: "localhost:8787".to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers: vec![("Host".to_string(), "localhost:8787".to_string())],
        body: Vec::new(),
    }
}

/// A request that asks for a WebSocket.
pub fn websocket(target: &str) -> Incoming {
    request("GET", target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// What the plugin decided.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Decision {
    /// An answer; of a streamed one, `ended` tells whether it came to its end.
    Respond {
        status: u32,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        ended: bool,
    },
    Connect {
        binding: String,
        id: String,
        port: u16,
        options: Value,
    },
    Proxy {
        binding: String,
        id: String,
        port: u16,
        options: Value,
    },
    Next,
    Plan(Value),
    /// An error, which the edge answers.
    Fail(Error),
}

/// One line that the plugin logged.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Line {
    pub level: i32,
    pub message: String,
    /// Key, value, key, value.
    pub fields: Vec<String>,
}

/// What the plugin did with one request.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What it decided.
    pub decision: Option<Decision>,
    /// What `edge_request` answered: 0, or -errno, which the edge answers with
    /// `PLUGIN_FAILED`.
    pub code: i32,
    /// The request with the plugin's edits.
    pub request: Incoming,
    /// The operations that it asked for, in order.
    pub calls: Vec<Call>,
    /// What it sent to streams and sockets: binary or not, and the bytes.
    pub sent: Vec<(bool, Vec<u8>)>,
    /// What it logged.
    pub logs: Vec<Line>,
    /// What it counted and observed: name, labels, value.
    pub metrics: Vec<(String, Vec<String>, f64)>,
}

impl Outcome {
    /// Status and body of its answer, if that is what it decided.
    pub fn answered(&self) -> Option<(u32, String)> {
        match &self.decision {
            Some(Decision::Respond { status, body, .. }) => Some((*status, crate::wire::text(body))),
            _ => None,
        }
    }

    /// The error that it failed the request with.
    pub fn failed(&self) -> Option<&Error> {
        match &self.decision {
            Some(Decision::Fail(e)) => Some(e),
            _ => None,
        }
    }

    /// Binding, id and port that it connected the client with.
    pub fn connected(&self) -> Option<(&str, &str, u16)> {
        match &self.decision {
            Some(Decision::Connect { binding, id, port, .. }) => Some((binding, id, *port)),
            _ => None,
        }
    }

    /// The names of the operations that it asked for.
    pub fn operations(&self) -> Vec<&str> {
        self.calls.iter().map(|c| c.name.as_str()).collect()
    }
}

impl Edge {
    /// An edge without anything.
    pub fn new() -> Edge {
        Edge::default()
    }

    /// Sets one value of the plugin's `config:`.
    pub fn config(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.config.insert(key.to_string(), value.into());
        self
    }

    /// Sets one of the plugin's `secrets:`.
    pub fn secret(&mut self, name: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.secrets.insert(name.to_string(), bytes.into());
        self
    }

    /// Says how an operation is answered. It must not call the SDK.
    pub fn on(&mut self, operation: &str, answer: impl FnMut(&Call) -> Result<Value> + 'static) -> &mut Self {
        self.operations.insert(operation.to_string(), Box::new(answer));
        self
    }

    /// Says what an operation that is a stream sends.
    pub fn on_stream(&mut self, operation: &str, answer: impl FnMut(&Call) -> Result<Script> + 'static) -> &mut Self {
        self.streams.insert(operation.to_string(), Box::new(answer));
        self
    }

    /// Says what a WebSocket sends that the plugin opens: to the id, the port, with the
    /// options.
    pub fn on_ws_open(&mut self, answer: impl FnMut(&str, u16, &Value) -> Result<Script> + 'static) -> &mut Self {
        self.socket = Some(Box::new(answer));
        self
    }

    /// Says what servers on the network answer: to the JSON of the request, and its body.
    pub fn on_fetch(&mut self, answer: impl FnMut(&Value, &[u8]) -> Result<Fetched> + 'static) -> &mut Self {
        self.fetcher = Some(Box::new(answer));
        self
    }

    /// Makes every request one for a preview, or none.
    pub fn preview(&mut self, is: bool) -> &mut Self {
        self.preview = is;
        self
    }

    /// Has the plugin decide on a request.
    pub fn run<E: Into<Box<dyn std::error::Error>>>(
        &mut self,
        handler: for<'r> fn(&'r Request) -> Result<Response<'r>, E>,
        request: Incoming,
    ) -> Outcome {
        self.with(Outcome { request, ..Outcome::default() }, || crate::serve(handler, instance::HANDLE))
    }

    /// Runs something outside of a request, such as an init hook, and returns what it did.
    pub fn run_hook<E: Into<Box<dyn std::error::Error>>>(&mut self, hook: fn() -> Result<(), E>) -> Outcome {
        self.with(Outcome::default(), || crate::run_hook("hook", hook))
    }

    fn with(&mut self, outcome: Outcome, run: impl FnOnce() -> i32) -> Outcome {
        let instance = Instance::new(std::mem::take(self), outcome);
        let before = INSTANCE.with(|i| i.borrow_mut().replace(instance));
        assert!(before.is_none(), "a fake edge is at work in this thread already");
        let code = run();
        let instance = INSTANCE.with(|i| i.borrow_mut().take()).expect("the edge of this run");
        let (edge, mut outcome) = instance.into_parts();
        *self = edge;
        outcome.code = code;
        outcome
    }
}

/// The error that the edge answers an operation with, for [`Edge::on`].
pub fn refuse<T>(code: Code, message: &str) -> Result<T> {
    Err(Error::new(code, message))
}
