//! The Rust SDK for edge plugins: WebAssembly modules that decide, for each request,
//! whether to answer it, to start something in a sandbox, or to send it to a port of one.
//!
//! A whole plugin:
//!
//! ```ignore
//! use edge::{Request, Response, Result};
//!
//! edge::plugin!(decide);
//!
//! fn decide(req: &Request) -> Result<Response> {
//!     let sandbox = req.sandbox("Sandbox", "my-sandbox");
//!     sandbox.ws_connect(req, 8080)
//! }
//! ```
//!
//! # Flow
//!
//! The edge calls the handler with a [`Request`], which reads through to the edge piece by
//! piece: what the handler does not ask for is never copied. Operations
//! ([`Sandbox::exec`] and so on) block until the edge has carried them out. The
//! [`Response`] is a value; what it stands for happens after the handler returned, with
//! no instance held, so a dial that fails later is answered by the edge.
//!
//! An instance handles one request at a time, and instances are reused: `static` and
//! `thread_local!` variables are caches that a later request may find, and that another
//! instance does not see. A request, a sandbox and what comes from it cannot outlive the
//! call: the compiler sees to that.
//!
//! # Errors
//!
//! Every error of the edge is an [`Error`]; it is a handler's answer to return it with
//! `?`. The edge answers it by its status in the error table, with JSON for programs and
//! a page for browsers. A handler may return any other error instead
//! (`std::result::Result<Response, Box<dyn std::error::Error>>`): the client gets 500
//! `PLUGIN_FAILED` with a fixed text, and the error's text goes to the log alone. So it
//! is with a panic, after which the instance is thrown away. An error of a
//! [`Response::stream`] after its first byte breaks the connection off.
//!
//! # Tests
//!
//! Built for anything but wasm32 the crate has the module [`fake`], which plays the edge:
//! a plugin is tested natively, no module built.

#[macro_use]
mod macros;
pub mod border;
mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod fetch;
mod files;
mod heap;
mod instance;
pub mod json;
mod kv;
mod log;
mod ports;
mod process;
mod request;
mod response;
mod sandbox;
mod session;
mod stream;
mod surroundings;
pub mod types;
mod websocket;
mod wire;

pub use error::{Error, Result};
pub use fetch::{fetch, FetchOptions, FetchResponse};
pub use files::FileReader;
#[doc(hidden)]
pub use heap::{warm_heap, Heap};
#[doc(hidden)]
pub use instance::{log_panics, run_hook, serve, tell};
pub use kv::{kv, Entry, Key, KeyList, Store};
pub use log::{log, Level};
pub use process::Process;
pub use request::{Body, Request};
pub use response::{next, plan, proxy_to_sandbox, BodyWriter, Response};
pub use sandbox::{get_sandbox, Sandbox, Server};
pub use session::Session;
pub use stream::{EventStream, Item};
pub use surroundings::{config, count, feature, monotonic, now, observe, random, secret};
pub use types::*;
pub use websocket::{Message, WebSocket};
