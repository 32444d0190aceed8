//! What handlers return.

use crate::border::{self, errno, split};
use crate::error::{meaning, Result};
use crate::json::{self, Field, Writer};
use crate::log::{log, Level};
use crate::request::Request;
use crate::sandbox::Sandbox;
use crate::types::{Plan, Policy, SandboxOptions};
use crate::wire::HeaderBlock;
use std::io;

/// What becomes of a request: an answer of the plugin's own, or where it is sent on. It is
/// a value and does nothing by itself: the edge is told when the handler has returned.
pub struct Response<'r> {
    headers: HeaderBlock,
    decision: Box<dyn Decision + 'r>,
}

/// One kind of decision. A trait and no enum, so that a module imports only what it uses:
/// what a plugin imports, it must be granted.
trait Decision {
    /// Tells the edge.
    fn send(self: Box<Self>, req: &Request, headers: &[u8]) -> Result<()>;

    /// Where the request is sent on, if it is.
    fn target(&mut self) -> Option<&mut Target> {
        None
    }
}

impl<'r> Response<'r> {
    fn new(decision: impl Decision + 'r) -> Self {
        Response { headers: HeaderBlock::new(), decision: Box::new(decision) }
    }

    /// An answer with plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// An answer with a page.
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        Self::bytes(status, "text/html; charset=utf-8", page.into().into_bytes())
    }

    /// An answer in JSON: a [`Value`](crate::json::Value), or an object of the contract.
    pub fn json(status: u16, value: &impl Field) -> Self {
        Self::bytes(status, "application/json", json::write(value).into_bytes())
    }

    /// An answer with bytes. An empty content type sends no such header.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let answer = Self::new(Answer { status, body: body.into() });
        if content_type.is_empty() {
            answer
        } else {
            answer.header("Content-Type", content_type)
        }
    }

    /// An answer with a body in pieces. `write` runs after the handler returned and before
    /// the request is over; each write is sent at once and blocks while the client reads
    /// slowly. An error of `write` breaks the connection off.
    pub fn stream(status: u16, write: impl FnOnce(&mut BodyWriter) -> io::Result<()> + 'r) -> Self {
        Self::new(Stream { status, write })
    }

    /// The answer with one more header. A response that sends the request on has none.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    /// The response with what the edge shall enforce on the connection that follows. For
    /// responses that send the request on; a plan has its own.
    pub fn policy(mut self, policy: Policy) -> Self {
        if let Some(target) = self.decision.target() {
            target.policy = policy;
        }
        self
    }

    /// The response with what wakes a sandbox that does not run: `never`, `http`, `ws` or
    /// `hold(10s)`. For responses that send the request on; a plan always waits.
    pub fn wake(mut self, wake: &str) -> Self {
        if let Some(target) = self.decision.target() {
            target.wake = wake.to_string();
        }
        self
    }

    /// Tells the edge.
    pub(crate) fn send(self, req: &Request) -> Result<()> {
        self.decision.send(req, self.headers.as_bytes())
    }
}

/// Leaves the request to the next plugin of the route's chain.
pub fn next<'r>() -> Response<'r> {
    struct Next;
    impl Decision for Next {
        fn send(self: Box<Self>, req: &Request, _: &[u8]) -> Result<()> {
            req.decide("next", border::next(req.handle))
        }
    }
    Response::new(Next)
}

/// Has the edge carry out steps with no instance of the plugin held: ensure the sandbox,
/// the process, the port, and then relay the request to it. However many clients wait for
/// a cold start, they cost the plugin nothing. [`Sandbox::reference`] makes the plan's
/// `sandbox`; `then` is `connect` (a WebSocket) or `proxy` (any request).
pub fn plan<'r>(plan: Plan) -> Response<'r> {
    Response::new(plan)
}

impl Decision for Plan {
    fn send(self: Box<Self>, req: &Request, _: &[u8]) -> Result<()> {
        req.decide("plan", border::plan(req.handle, json::write(&*self).as_bytes()))
    }
}

/// Decides to relay the request to the exposure that its host or path names. A request that
/// names none is `NOT_FOUND`, and the handler goes on to decide otherwise. Without an error
/// the decision is made, and the handler must return the response.
pub fn proxy_to_sandbox(req: &Request) -> Result<Response<'_>> {
    struct Made;
    impl Decision for Made {
        fn send(self: Box<Self>, _: &Request, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }
    req.decide("proxyToSandbox", border::proxy(req.handle, "", "", 0, b""))?;
    Ok(Response::new(Made))
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Decision for Answer {
    fn send(self: Box<Self>, req: &Request, headers: &[u8]) -> Result<()> {
        req.decide("respond", border::respond(req.handle, self.status.into(), headers, &self.body))
    }
}

struct Stream<F> {
    status: u16,
    write: F,
}

impl<F: FnOnce(&mut BodyWriter) -> io::Result<()>> Decision for Stream<F> {
    /// Begins the answer, lets the plugin write it, and ends it. Once it has begun there is
    /// no error to answer with any more: leaving it without its end is what tells the edge
    /// to break the connection off.
    fn send(self: Box<Self>, req: &Request, headers: &[u8]) -> Result<()> {
        req.decide("respond", border::respond_begin(req.handle, self.status.into(), headers))?;
        let mut body = BodyWriter { handle: req.handle, closed: false };
        match (self.write)(&mut body) {
            Ok(()) => {
                border::respond_end(req.handle);
            }
            // That the client went away is nobody's fault.
            Err(e) => log(if body.closed { Level::Debug } else { Level::Error }, "stream broke off", &[("error", &e)]),
        }
        Ok(())
    }
}

/// The body of a streamed answer.
pub struct BodyWriter {
    handle: u32,
    closed: bool,
}

impl io::Write for BodyWriter {
    /// Sends the piece at once. The error is `CANCELED` when the client is gone.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.is_empty() {
            return Ok(0);
        }
        match split(border::respond_write(self.handle, piece)) {
            (errno::OK, _) => Ok(piece.len()),
            (number, _) => {
                self.closed = number == errno::CLOSED;
                Err(io::Error::new(io::ErrorKind::Other, meaning("write body", number)))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A function that decides on a port of a sandbox.
pub(crate) type Tell = fn(u32, &str, &str, u32, &[u8]) -> u64;

/// A decision for a port of a sandbox.
struct Target {
    name: &'static str,
    tell: Tell,
    binding: String,
    id: String,
    port: u16,
    sandbox: SandboxOptions,
    policy: Policy,
    wake: String,
}

pub(crate) fn target<'r>(name: &'static str, tell: Tell, sandbox: &Sandbox<'r>, port: u16) -> Response<'r> {
    let reference = sandbox.reference();
    Response::new(Target {
        name,
        tell,
        binding: reference.binding,
        id: reference.id,
        port,
        sandbox: sandbox.options().clone(),
        policy: Policy::default(),
        wake: String::new(),
    })
}

impl Target {
    /// The options as the edge takes them; none are an empty text.
    fn options(&self) -> String {
        let mut w = Writer::default();
        w.begin_object();
        if !self.policy.is_empty() {
            w.key("policy");
            self.policy.write(&mut w);
        }
        if !self.wake.is_empty() {
            w.key("wake");
            w.string(&self.wake);
        }
        if !self.sandbox.is_empty() {
            w.key("sandbox");
            self.sandbox.write(&mut w);
        }
        w.end_object();
        let options = w.into_string();
        if options == "{}" {
            String::new()
        } else {
            options
        }
    }
}

impl Decision for Target {
    fn send(self: Box<Self>, req: &Request, _: &[u8]) -> Result<()> {
        let options = self.options();
        let told = (self.tell)(req.handle, &self.binding, &self.id, self.port.into(), options.as_bytes());
        req.decide(self.name, told)
    }

    fn target(&mut self) -> Option<&mut Target> {
        Some(self)
    }
}
