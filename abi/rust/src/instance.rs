//! What one instance does: it serves requests and runs hooks. The exports that
//! [`plugin!`](crate::plugin) writes call it.

use crate::border::{self, errno};
use crate::error::{collect, done, Error};
use crate::json::{Field, Value};
use crate::log::{log, Level};
use crate::request::Request;
use crate::response::Response;
use crate::sandbox::Sandbox;
use crate::types::{Code, SandboxEvent};
use std::cell::Cell;

thread_local! {
    /// The request or event that is being handled; 0 between two.
    static CURRENT: Cell<u32> = Cell::new(0);
}

/// The handle of what is being handled, 0 if nothing is.
pub(crate) fn current() -> u32 {
    CURRENT.with(Cell::get)
}

/// Marks what is being handled for as long as it lives.
struct Handling;

impl Handling {
    fn begin(handle: u32) -> Handling {
        CURRENT.with(|c| c.set(handle));
        Handling
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        CURRENT.with(|c| c.set(0));
    }
}

/// Has panics written to the edge's log. The trap that follows discards the instance.
#[doc(hidden)]
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let what = info.payload();
        let text = match (what.downcast_ref::<&str>(), what.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (_, Some(text)) => text.as_str(),
            _ => "a value that is no text",
        };
        log(Level::Error, "the plugin panicked", &[("panic", &text), ("at", &place)]);
    }));
}

/// Runs a hook and returns its errno.
#[doc(hidden)]
pub fn run_hook<E: Into<Box<dyn std::error::Error>>>(what: &str, hook: fn() -> Result<(), E>) -> i32 {
    match hook() {
        Ok(()) => 0,
        Err(e) => hook_failed(what, e.into()),
    }
}

fn hook_failed(what: &str, e: Box<dyn std::error::Error>) -> i32 {
    log(Level::Error, &format!("{} failed", what), &[("error", &e)]);
    e.downcast_ref::<Error>().map_or(errno::INTERNAL, |e| e.code.errno()) as i32
}

/// Runs the handler for one request and makes the decision it returned. It returns 0, or
/// -errno: then the edge answers `PLUGIN_FAILED` and discards the instance.
#[doc(hidden)]
pub fn serve<E: Into<Box<dyn std::error::Error>>>(
    handler: for<'r> fn(&'r Request) -> Result<Response<'r>, E>,
    handle: u32,
) -> i32 {
    let _handling = Handling::begin(handle);
    let req = Request::new(handle);
    let failed = match handler(&req) {
        Ok(response) => response.send(&req).err().map(Into::into),
        Err(e) => Some(e.into()),
    };
    failed.map_or(0, |e| fail(&req, e))
}

/// Has the edge answer the client with the error.
fn fail(req: &Request, e: Box<dyn std::error::Error>) -> i32 {
    let known = match e.downcast_ref::<Error>() {
        Some(known) => known.clone(),
        None => {
            log(Level::Error, "handler failed", &[("error", &e)]);
            plugin_failed()
        }
    };
    if req.decided() {
        // The decision stands and cannot become an answer any more.
        log(Level::Error, "handler failed after its decision was made", &[("error", &e)]);
        return -(errno::ALREADY as i32);
    }
    if known.code.status() >= 500 {
        log(Level::Warn, "request failed", &[("error", &known), ("operation", &known.operation)]);
    }
    let mut refusal = fail_with(req, &known);
    if matches!(&refusal, Err(no) if matches!(no.code.errno(), errno::INVALID | errno::TOO_LARGE)) {
        // The plugin made an error that there is not, such as one of its own code.
        log(Level::Error, "the error could not be answered", &[("error", &known)]);
        refusal = fail_with(req, &plugin_failed());
    }
    match refusal {
        Ok(()) => 0,
        // The client has left, which is no failure of the plugin's.
        Err(no) if no.code.errno() == errno::CLOSED => 0,
        Err(no) => {
            log(Level::Error, "the error could not be answered", &[("error", &known), ("reason", &no)]);
            -(no.code.errno() as i32)
        }
    }
}

fn fail_with(req: &Request, e: &Error) -> Result<(), Error> {
    done(req.handle, "fail", border::fail(req.handle, e.json().as_bytes()))
}

fn plugin_failed() -> Error {
    Error::new(Code::PluginFailed, "the plugin failed; the edge's log has the details")
}

/// Tells the hook what happened to a sandbox, and returns its errno.
#[doc(hidden)]
pub fn tell<E: Into<Box<dyn std::error::Error>>>(
    hook: for<'r> fn(&Sandbox<'r>, &SandboxEvent) -> Result<(), E>,
    handle: u32,
) -> i32 {
    let _handling = Handling::begin(handle);
    let req = Request::new(handle);
    let event = match read_event(handle) {
        Ok(event) => event,
        Err(number) => return number as i32,
    };
    match hook(&req.sandbox(&event.binding, &event.id), &event) {
        Ok(()) => 0,
        Err(e) => hook_failed("sandbox event hook", e.into()),
    }
}

fn read_event(handle: u32) -> Result<SandboxEvent, u32> {
    let mut out = Vec::with_capacity(1024);
    let result = border::event_read(handle, &mut out);
    let text = collect(handle, result, out)?;
    Value::parse(&text).and_then(|v| SandboxEvent::read(&v)).ok_or_else(|| {
        log(Level::Error, "a sandbox's event cannot be read", &[]);
        errno::INTERNAL
    })
}
