//! Requests to servers on the network. The hosts must be granted to the plugin; addresses
//! of the edge's own previews need no grant.

use crate::border;
use crate::border::errno;
use crate::error::{collect, failure, handle, meaning, Result};
use crate::json::{self, Value};
use crate::request::Request;
use crate::wire;
use std::io::{self, Read};
use std::time::Duration;

record! {
    /// What is asked for, besides the URL.
    pub struct FetchOptions {
        /// Default `GET`.
        pub method: String = "method",
        /// Set by [`fetch`].
        pub url: String = "url",
        /// Sent as they are; `Accept-Encoding` only if it stands here.
        pub headers: Vec<(String, String)> = "headers",
        /// Default 30 s, and never beyond the request's deadline.
        pub timeout: Duration = "timeout",
        /// `follow` (default, at most 10, each of them granted), `manual` or `error`.
        pub redirect: String = "redirect",
        /// `request` streams the body of the client's request out, in the place of `fetch`'s.
        pub body: String = "body",
    }
}

/// An answer, and its body through [`Read`]. It ends with the request or when it is dropped.
pub struct FetchResponse<'r> {
    req: &'r Request,
    fetch: u32,
    /// The HTTP status.
    pub status: u32,
    /// The URL that answered, after redirects.
    pub url: String,
    /// The headers in the order sent.
    pub headers: Vec<(String, String)>,
    rest: Vec<u8>,
    ended: bool,
}

/// Asks a server and returns when the head of its answer is there. A host that is not
/// granted, and an address that never is, are `DENIED`; a server that cannot be reached is
/// `FETCH_FAILED`.
pub fn fetch<'r>(req: &'r Request, url: &str, body: &[u8], options: FetchOptions) -> Result<FetchResponse<'r>> {
    let text = json::write(&FetchOptions { url: url.to_string(), ..options });
    let fetch = handle(req.handle, "fetch", border::fetch(req.handle, text.as_bytes(), body))?;
    let mut answer = FetchResponse {
        req,
        fetch,
        status: 0,
        url: String::new(),
        headers: Vec::new(),
        rest: Vec::new(),
        ended: false,
    };
    answer.read_head()?;
    Ok(answer)
}

impl FetchResponse<'_> {
    fn read_head(&mut self) -> Result<()> {
        let handle = self.req.handle;
        let mut out = Vec::with_capacity(1024);
        let result = border::fetch_head(handle, self.fetch, &mut out);
        let head = collect(handle, result, out).map_err(|n| failure(handle, "fetch", n))?;
        let mut rest = &head[..];
        let broken = || meaning("fetch", errno::INTERNAL);
        self.status = wire::take_u32(&mut rest).ok_or_else(broken)?;
        self.url = wire::text(wire::take(&mut rest).ok_or_else(broken)?);
        self.headers = wire::parse_headers(rest).ok_or_else(broken)?;
        Ok(())
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The next piece of the body; `None` at the end. A body of more than 64 MiB is
    /// `BODY_TOO_LARGE`.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest))); // of a piece that was begun with read
        }
        if self.ended {
            return Ok(None);
        }
        let handle = self.req.handle;
        let mut out = Vec::with_capacity(32 << 10);
        let result = border::fetch_read(handle, self.fetch, &mut out);
        let piece = collect(handle, result, out).map_err(|n| failure(handle, "fetch", n))?;
        self.ended = piece.is_empty();
        Ok(if self.ended { None } else { Some(piece) })
    }

    /// The whole body.
    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(mut piece) = self.next_piece()? {
            whole.append(&mut piece);
        }
        Ok(whole)
    }

    /// The whole body as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&mut self) -> Result<String> {
        Ok(wire::text(&self.bytes()?))
    }

    /// The whole body as JSON; `None` if it is none.
    pub fn json(&mut self) -> Result<Option<Value>> {
        Ok(Value::parse(&self.bytes()?))
    }
}

impl Read for FetchResponse<'_> {
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

impl Drop for FetchResponse<'_> {
    fn drop(&mut self) {
        border::fetch_close(self.req.handle, self.fetch);
    }
}
