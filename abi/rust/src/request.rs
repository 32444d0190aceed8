//! The request that a handler decides on.

use crate::border::{self, errno};
use crate::error::{collect, done, failure, meaning, read, Error, Result};
use crate::sandbox::Sandbox;
use crate::types::{Code, SandboxOptions};
use crate::wire;
use std::cell::Cell;
use std::io;

/// The fields of a request, for `req_get` and `req_set` (SPEC.md, section 4).
mod field {
    pub const METHOD: u32 = 1;
    pub const SCHEME: u32 = 2;
    pub const HOST: u32 = 3;
    pub const PATH: u32 = 4;
    pub const QUERY: u32 = 5;
    pub const REMOTE_ADDR: u32 = 6;
    pub const ID: u32 = 7;
    pub const URL: u32 = 8;
}

/// The request that the handler decides on. It reads through to the edge and keeps
/// nothing: a call costs what it reads. Bytes that are not UTF-8 become U+FFFD in texts.
pub struct Request {
    pub(crate) handle: u32,
    /// Set when the edge has been told a decision.
    decided: Cell<bool>,
    /// What `is_upgrade` found out; the headers it depends on cannot be edited.
    upgrade: Cell<Option<bool>>,
}

impl Request {
    pub(crate) fn new(handle: u32) -> Request {
        Request { handle, decided: Cell::new(false), upgrade: Cell::new(None) }
    }

    pub(crate) fn decided(&self) -> bool {
        self.decided.get()
    }

    /// Takes the result of a deciding call.
    pub(crate) fn decide(&self, call: &str, result: u64) -> Result<()> {
        done(self.handle, call, result)?;
        self.decided.set(true);
        Ok(())
    }

    /// The method, `GET`.
    pub fn method(&self) -> String {
        self.field(field::METHOD)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> String {
        self.field(field::SCHEME)
    }

    /// The Host header as sent, port included.
    pub fn host(&self) -> String {
        self.field(field::HOST)
    }

    /// The path as sent, still percent-encoded.
    pub fn path(&self) -> String {
        self.field(field::PATH)
    }

    /// What follows `?`, as sent.
    pub fn raw_query(&self) -> String {
        self.field(field::QUERY)
    }

    /// The client's `ip:port`.
    pub fn remote_addr(&self) -> String {
        self.field(field::REMOTE_ADDR)
    }

    /// What names the request in the edge's log.
    pub fn id(&self) -> String {
        self.field(field::ID)
    }

    /// `scheme://host/path?query`
    pub fn url(&self) -> String {
        self.field(field::URL)
    }

    /// The first value of a parameter of the query, decoded; `None` if there is none.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.raw_query();
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name.as_bytes()).then(|| wire::text(&decode(value)))
        })
    }

    /// The first value of a header; `None` if there is none.
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_list(name).and_then(|list| wire::take(&mut &list[..]).map(wire::text))
    }

    /// Every value of a header in the order sent.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        let list = self.header_list(name).unwrap_or_default();
        let mut rest = &list[..];
        std::iter::from_fn(|| wire::take(&mut rest).map(wire::text)).collect()
    }

    fn header_list(&self, name: &str) -> Option<Vec<u8>> {
        read(&mut |out| border::req_header(self.handle, name, out)).ok()
    }

    /// All headers in the order sent, Host included.
    pub fn headers(&self) -> Result<Vec<(String, String)>> {
        let block = read(&mut |out| border::req_headers(self.handle, out)).map_err(|n| meaning("headers", n))?;
        wire::parse_headers(&block).ok_or_else(|| meaning("headers", errno::INTERNAL))
    }

    /// Whether the request asks for a WebSocket: `Upgrade: websocket` together with
    /// `Connection: upgrade` (RFC 6455, section 4.1).
    pub fn is_upgrade(&self) -> bool {
        let known = self.upgrade.get();
        let is =
            known.unwrap_or_else(|| self.has_token("Upgrade", "websocket") && self.has_token("Connection", "upgrade"));
        self.upgrade.set(Some(is));
        is
    }

    /// Whether a header's values, lists between commas, hold the token, whatever the case
    /// of its letters (RFC 9110, section 5.6.1).
    fn has_token(&self, name: &str, token: &str) -> bool {
        let list = self.header_list(name).unwrap_or_default();
        let mut rest = &list[..];
        while let Some(value) = wire::take(&mut rest) {
            if value.split(|c| *c == b',').any(|word| trim(word).eq_ignore_ascii_case(token.as_bytes())) {
                return true;
            }
        }
        false
    }

    /// Changes the method that the backend will be sent.
    pub fn set_method(&self, method: &str) -> Result<()> {
        self.set_field(field::METHOD, "set method", method)
    }

    /// Changes the path that the backend will be sent; it is percent-encoded and begins
    /// with `/`.
    pub fn set_path(&self, path: &str) -> Result<()> {
        self.set_field(field::PATH, "set path", path)
    }

    /// Changes the query that the backend will be sent, without `?`.
    pub fn set_raw_query(&self, query: &str) -> Result<()> {
        self.set_field(field::QUERY, "set query", query)
    }

    /// Replaces every value of a header that the backend will be sent. Host and the headers
    /// of the connection itself are `DENIED`.
    pub fn set_header(&self, name: &str, value: &str) -> Result<()> {
        done(self.handle, "set header", border::req_header_set(self.handle, name, value.as_bytes()))
    }

    /// Adds a value to a header that the backend will be sent; refused are the same as for
    /// [`set_header`](Request::set_header).
    pub fn add_header(&self, name: &str, value: &str) -> Result<()> {
        done(self.handle, "add header", border::req_header_add(self.handle, name, value.as_bytes()))
    }

    /// Removes every value of a header; refused are the same as for
    /// [`set_header`](Request::set_header).
    pub fn del_header(&self, name: &str) -> Result<()> {
        done(self.handle, "delete header", border::req_header_del(self.handle, name))
    }

    /// The request's body. What is read from it is not sent to a backend.
    pub fn body(&self) -> Body<'_> {
        Body { req: self, rest: Vec::new(), ended: false }
    }

    /// Reads the whole body. One that is longer than `limit` bytes is `BODY_TOO_LARGE`.
    pub fn read_body(&self, limit: usize) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        let mut body = self.body();
        while let Some(mut piece) = body.next_piece()? {
            if whole.len() + piece.len() > limit {
                return Err(Error::new(
                    Code::BodyTooLarge,
                    format!("the request's body is longer than {} bytes", limit),
                ));
            }
            whole.append(&mut piece);
        }
        Ok(whole)
    }

    /// A handle of a sandbox, at once: having one starts nothing. `binding` is a name under
    /// `sandboxes:` in the edge's configuration. An id that breaks the rules is
    /// `INVALID_SANDBOX_ID` at the first use.
    pub fn sandbox(&self, binding: &str, id: &str) -> Sandbox<'_> {
        self.sandbox_with(binding, id, SandboxOptions::default())
    }

    /// [`sandbox`](Request::sandbox) with settings.
    pub fn sandbox_with(&self, binding: &str, id: &str, options: SandboxOptions) -> Sandbox<'_> {
        Sandbox::new(self, binding, id, options)
    }

    fn field(&self, number: u32) -> String {
        let bytes = read(&mut |out| border::req_get(self.handle, number, out)).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_else(|e| wire::text(e.as_bytes()))
    }

    fn set_field(&self, number: u32, call: &str, value: &str) -> Result<()> {
        done(self.handle, call, border::req_set(self.handle, number, value.as_bytes()))
    }
}

/// The body of a request, piece by piece. Use [`next_piece`](Body::next_piece) or
/// [`std::io::Read`], not both.
pub struct Body<'r> {
    req: &'r Request,
    /// What `read` got and did not give away yet.
    rest: Vec<u8>,
    ended: bool,
}

impl Body<'_> {
    /// How much is asked for at a time.
    const PIECE: usize = 32 << 10;

    /// The next piece; `None` at the end. It waits until there is one.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        let handle = self.req.handle;
        let mut out = Vec::with_capacity(Self::PIECE);
        let result = border::req_body_read(handle, &mut out);
        let piece = collect(handle, result, out).map_err(|n| failure(handle, "read body", n))?;
        self.ended = piece.is_empty();
        Ok(if self.ended { None } else { Some(piece) })
    }
}

impl io::Read for Body<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && !buf.is_empty() {
            let piece = self.next_piece().map_err(|e| io::Error::new(io::ErrorKind::Other, e))?;
            self.rest = piece.unwrap_or_default();
        }
        let n = buf.len().min(self.rest.len());
        buf[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}

fn trim(mut word: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = word {
        word = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = word {
        word = rest;
    }
    word
}

/// Decodes a part of a query: `+` is a space, `%41` is `A`, and what is no such thing stays
/// as it is.
fn decode(text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        let code = text
            .get(i + 1..i + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|c| c.is_ascii_hexdigit()));
        match (text[i], code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        for (text, want) in
            [("a+b", "a b"), ("%41%2b", "A+"), ("%4", "%4"), ("%zz", "%zz"), ("100%", "100%"), ("%+1", "% 1"), ("", "")]
        {
            assert_eq!(decode(text), want.as_bytes(), "{}", text);
        }
    }
}
