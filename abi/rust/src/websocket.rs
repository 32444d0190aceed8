//! WebSockets on which the plugin itself is the client.

use crate::border::{self, errno, split};
use crate::error::{collect, failure, last_error, meaning, Error, Result};
use crate::json::{self, whole_ms};
use crate::request::Request;
use crate::sandbox::Sandbox;
use crate::types::{SandboxOptions, WebSocketOptions};
use std::time::Duration;

/// A connection on which the plugin itself is the client. It ends with the request;
/// [`close`](WebSocket::close) says goodbye before that.
pub struct WebSocket<'r> {
    req: &'r Request,
    ws: u32,
}

/// One whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Tells a binary message from a text.
    pub binary: bool,
    /// The payload.
    pub data: Vec<u8>,
}

impl Message {
    /// The payload as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        crate::wire::text(&self.data)
    }
}

/// Opcodes of a message (RFC 6455, section 11.8).
const TEXT: u32 = 1;
const BINARY: u32 = 2;

impl<'r> Sandbox<'r> {
    /// Opens a WebSocket to a port of the sandbox with the plugin as client, for data that
    /// the plugin itself wants. To give the client's own WebSocket to the sandbox use
    /// [`ws_connect`](Sandbox::ws_connect).
    pub fn ws_open(&self, port: u16, mut options: WebSocketOptions) -> Result<WebSocket<'r>> {
        self.check(port)?;
        if options.sandbox.is_none() && *self.options() != SandboxOptions::default() {
            options.sandbox = Some(self.options().clone());
        }
        let text = if options == WebSocketOptions::default() { String::new() } else { json::write(&options) };
        let handle = self.req.handle;
        match split(border::ws_open(handle, self.binding(), self.id(), port.into(), text.as_bytes())) {
            (errno::OK, low) => Ok(WebSocket::new(self.req, low as u32)),
            (number, _) => Err(failure(handle, "wsOpen", number)),
        }
    }
}

impl<'r> WebSocket<'r> {
    pub(crate) fn new(req: &'r Request, ws: u32) -> Self {
        WebSocket { req, ws }
    }

    /// The next message. It waits for at most `timeout` (zero only looks; fractions of a
    /// millisecond count as one): `TIMEOUT` then, and nothing is lost. After the peer closed
    /// it is `CANCELED`, and [`Error::socket_closed`] says how. A message of more than 1 MiB
    /// closes the socket and is an error.
    pub fn recv(&self, timeout: Duration) -> Result<Message> {
        let handle = self.req.handle;
        let mut out = Vec::with_capacity(4096);
        let result = border::ws_recv(handle, self.ws, whole_ms(timeout, i32::MAX as u64) as u32, &mut out);
        let mut message = collect(handle, result, out).map_err(|n| self.failure("wsRecv", n))?;
        if message.is_empty() {
            return Err(meaning("wsRecv", errno::INTERNAL));
        }
        let binary = u32::from(message.remove(0)) == BINARY;
        Ok(Message { binary, data: message })
    }

    /// Sends one text message. It blocks while the peer reads slowly.
    pub fn send_text(&self, text: &str) -> Result<()> {
        self.send(TEXT, text.as_bytes())
    }

    /// Sends one binary message. It blocks while the peer reads slowly.
    pub fn send_binary(&self, bytes: &[u8]) -> Result<()> {
        self.send(BINARY, bytes)
    }

    /// Starts the closing handshake. `code` is 1000 or 3000 to 4999, `reason` at most 123
    /// bytes. Closing what is closed is no error.
    pub fn close(&self, code: u16, reason: &str) -> Result<()> {
        match split(border::ws_close(self.req.handle, self.ws, code.into(), reason)) {
            (errno::OK | errno::CLOSED, _) => Ok(()),
            (number, _) => Err(failure(self.req.handle, "wsClose", number)),
        }
    }

    fn send(&self, opcode: u32, data: &[u8]) -> Result<()> {
        match split(border::ws_send(self.req.handle, self.ws, opcode, data)) {
            (errno::OK, _) => Ok(()),
            (number, _) => Err(self.failure("wsSend", number)),
        }
    }

    /// The error of the socket; that the peer closed is said by its details.
    fn failure(&self, call: &str, number: u32) -> Error {
        match last_error(self.req.handle) {
            Some(e) if e.code.errno() == number => e,
            Some(e) if number == errno::CLOSED && e.socket_closed().is_some() => {
                Error { details: e.details, ..meaning(call, number) }
            }
            _ => meaning(call, number),
        }
    }
}
