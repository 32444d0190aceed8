//! Operations that go on.

use crate::error::{Error, Result};
use crate::json::{self, Field, Value};
use crate::sandbox::{unreadable, Sandbox};
use crate::types::*;
use crate::websocket::WebSocket;
use std::marker::PhantomData;
use std::time::Duration;

/// An operation that goes on: events, and for some bytes. It ends with the request, or when
/// it is dropped, and with it what it began (the command of
/// [`exec_stream`](Sandbox::exec_stream), the terminal without an id).
pub struct EventStream<'r, E> {
    socket: WebSocket<'r>,
    op: &'static str,
    event: PhantomData<E>,
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<E> {
    /// An event.
    Event(E),
    /// Bytes of a terminal or file.
    Bytes(Vec<u8>),
}

/// The most bytes of one message to a stream.
pub(crate) const MAX_PIECE: usize = 64 << 10;

/// The close code of a stream that came to its end (RFC 6455, section 7.4.1).
const CLOSED_WELL: i64 = 1000;

impl<'r, E: Field> EventStream<'r, E> {
    pub(crate) fn open(sandbox: &Sandbox<'r>, op: &'static str, request: &impl Field) -> Result<Self> {
        let handle = sandbox.open_stream(op, request)?;
        Ok(EventStream { socket: WebSocket::new(sandbox.req, handle), op, event: PhantomData })
    }

    /// What comes next; `None` at the end. It waits as long as the request may take.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item<E>>> {
        self.next_within(Duration::from_millis(i32::MAX as u64))
    }

    /// [`next`](EventStream::next) with a bound (zero only looks): `TIMEOUT` then, and
    /// nothing is lost.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Item<E>>> {
        let message = match self.socket.recv(timeout) {
            Err(e) if e.socket_closed().map_or(false, |closed| closed.code == CLOSED_WELL) => return Ok(None),
            other => other?,
        };
        if message.binary {
            return Ok(Some(Item::Bytes(message.data)));
        }
        let event = Value::parse(&message.data).and_then(|v| E::read(&v));
        event.map(|e| Some(Item::Event(e))).ok_or_else(|| unreadable(self.op))
    }

    /// The event where nothing else can come. What comes is the sandbox's word.
    pub(crate) fn object(&mut self) -> Result<E> {
        match self.next()? {
            Some(Item::Event(event)) => Ok(event),
            _ => Err(Error { started: Started::Yes, ..unreadable(self.op) }),
        }
    }

    /// Sends bytes: the standard input of [`exec_stream`](Sandbox::exec_stream), what is
    /// typed into a terminal, a file's content. It blocks while the sandbox reads slowly.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        bytes.chunks(MAX_PIECE).try_for_each(|piece| self.socket.send_binary(piece))
    }

    /// Sends a message other than bytes: a terminal's new size, a signal, the end of the
    /// input.
    pub fn send(&mut self, input: StreamInput) -> Result<()> {
        self.socket.send_text(&json::write(&input))
    }

    /// Says that no more bytes will be written.
    pub fn close_input(&mut self) -> Result<()> {
        self.send(StreamInput { kind: InputType::End, ..StreamInput::default() })
    }

    /// Ends the stream. Closing what has ended is no error.
    pub fn close(&mut self) -> Result<()> {
        self.socket.close(CLOSED_WELL as u16, "")
    }
}

impl<E> Drop for EventStream<'_, E> {
    fn drop(&mut self) {
        // Nobody is left to be told that it had failed.
        let _ = self.socket.close(CLOSED_WELL as u16, "");
    }
}

impl<'r> Sandbox<'r> {
    /// Runs a command, given as for [`exec`](Sandbox::exec), and tells what it prints while
    /// it prints it.
    pub fn exec_stream(&self, what: impl Into<ExecStreamOptions>) -> Result<EventStream<'r, ExecEvent>> {
        EventStream::open(self, "execStream", &what.into())
    }

    /// Opens a terminal, or comes back to one.
    pub fn terminal(&self, options: TerminalOptions) -> Result<EventStream<'r, TerminalEvent>> {
        EventStream::open(self, "terminal", &options)
    }

    /// Tells what a process printed, and with `follow` what it prints.
    pub fn stream_logs(&self, process_id: &str, options: StreamLogsOptions) -> Result<EventStream<'r, LogEvent>> {
        EventStream::open(self, "streamLogs", &StreamLogsOptions { process_id: process_id.to_string(), ..options })
    }

    /// [`op`](Sandbox::op) for an operation that is a stream.
    pub fn open(&self, operation: &'static str, request: &Value) -> Result<EventStream<'r, Value>> {
        EventStream::open(self, operation, request)
    }
}
