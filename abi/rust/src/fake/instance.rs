//! The edge's side of the border, for one request.

use super::{Call, Decision, Edge, Fetched, Incoming, Line, Outcome, Script};
use crate::border::{errno, result, Border};
use crate::error::Error;
use crate::json::{self, Field, Value};
use crate::types::Code;
use crate::wire;

/// The handle of the one request.
pub(super) const HANDLE: u32 = 7;

/// The first handle of streams, sockets and fetches: their index comes on top.
const FIRST: u32 = 100;

/// What the plugin is served with.
pub(crate) struct Instance {
    edge: Edge,
    outcome: Outcome,
    last_error: Option<Error>,
    /// What did not fit.
    kept: Vec<u8>,
    body_read: usize,
    sockets: Vec<Script>,
    fetches: Vec<(String, Fetched, usize)>,
    random: u64,
}

impl Instance {
    pub(super) fn new(edge: Edge, outcome: Outcome) -> Instance {
        Instance {
            edge,
            outcome,
            last_error: None,
            kept: Vec::new(),
            body_read: 0,
            sockets: Vec::new(),
            fetches: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    pub(super) fn into_parts(self) -> (Edge, Outcome) {
        (self.edge, self.outcome)
    }

    /// Gives a result: into `out` if it fits, else it is kept.
    fn give(&mut self, out: &mut Vec<u8>, bytes: &[u8]) -> u64 {
        out.clear();
        if bytes.len() <= out.capacity() {
            out.extend_from_slice(bytes);
        } else {
            self.kept = bytes.to_vec();
        }
        result(errno::OK, bytes.len())
    }

    fn refuse(&mut self, e: Error) -> u64 {
        let number = e.code.errno();
        self.last_error = Some(e);
        result(number, 0)
    }

    fn decide(&mut self, decision: Decision) -> u64 {
        if self.outcome.decision.is_some() {
            return result(errno::ALREADY, 0);
        }
        self.outcome.decision = Some(decision);
        result(errno::OK, 0)
    }

    fn headers_named(&self, name: &str) -> Vec<&str> {
        self.outcome
            .request
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect()
    }

    fn is_upgrade(&self) -> bool {
        let has = |name, token: &str| {
            self.headers_named(name).iter().any(|v| v.split(',').any(|w| w.trim().eq_ignore_ascii_case(token)))
        };
        has("Upgrade", "websocket") && has("Connection", "upgrade")
    }

    fn open(&mut self, script: Result<Script, Error>) -> u64 {
        match script {
            Ok(script) => {
                self.sockets.push(script);
                result(errno::OK, FIRST as usize + self.sockets.len() - 1)
            }
            Err(e) => self.refuse(e),
        }
    }

    fn call(&mut self, name: &str, request: &[u8]) -> Result<Call, Error> {
        let request =
            Value::parse(request).ok_or_else(|| Error::new(Code::InvalidRequest, format!("{}: not JSON", name)))?;
        let call = Call { name: name.to_string(), request };
        crate::sandbox::check_id(call.id())?;
        self.outcome.calls.push(call.clone());
        Ok(call)
    }
}

/// The value of options that may be empty.
fn options(text: &[u8]) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    Value::parse(text).expect("options that are JSON")
}

fn values(mut list: &[u8]) -> Vec<String> {
    std::iter::from_fn(|| wire::take(&mut list).map(wire::text)).collect()
}

fn not_on(what: &str) -> Error {
    Error::new(Code::Unsupported, format!("the test says nothing of {}", what))
}

impl Border for Instance {
    fn feature(&mut self, _: &str) -> u64 {
        result(errno::OK, 1)
    }

    fn log(&mut self, _: u32, level: i32, message: &str, fields: &[u8]) -> u64 {
        self.outcome.logs.push(Line { level, message: message.to_string(), fields: values(fields) });
        result(errno::OK, 0)
    }

    fn config_get(&mut self, key: &str, out: &mut Vec<u8>) -> u64 {
        match self.edge.config.get(key).map(json::write) {
            Some(text) => self.give(out, text.as_bytes()),
            None => result(errno::NOT_FOUND, 0),
        }
    }

    fn secret_get(&mut self, name: &str, out: &mut Vec<u8>) -> u64 {
        match self.edge.secrets.get(name).cloned() {
            Some(bytes) => self.give(out, &bytes),
            None => result(errno::NOT_FOUND, 0),
        }
    }

    fn clock(&mut self, _: u32, out: &mut u64) -> u64 {
        *out = self.edge.clock;
        result(errno::OK, 0)
    }

    fn random(&mut self, fill: &mut [u8]) -> u64 {
        for byte in fill {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            *byte = self.random as u8;
        }
        result(errno::OK, 0)
    }

    fn count(&mut self, name: &str, labels: &[u8], value: f64) -> u64 {
        self.outcome.metrics.push((name.to_string(), values(labels), value));
        result(errno::OK, 0)
    }

    fn observe(&mut self, name: &str, labels: &[u8], value: f64) -> u64 {
        self.count(name, labels, value)
    }

    fn last_error(&mut self, _: u32, out: &mut Vec<u8>) -> u64 {
        match self.last_error.as_ref().map(json::write) {
            Some(text) => self.give(out, text.as_bytes()),
            None => result(errno::NOT_FOUND, 0),
        }
    }

    fn result_read(&mut self, _: u32, _: u32, offset: u32, out: &mut Vec<u8>) -> u64 {
        let rest = self.kept.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(out.capacity());
        out.clear();
        out.extend_from_slice(&rest[..n]);
        result(errno::OK, n)
    }

    fn req_get(&mut self, _: u32, field: u32, out: &mut Vec<u8>) -> u64 {
        let Incoming { method, scheme, host, path, query, .. } = &self.outcome.request;
        let text = match field {
            1 => method.clone(),
            2 => scheme.clone(),
            3 => host.clone(),
            4 => path.clone(),
            5 => query.clone(),
            6 => "127.0.0.1:50000".to_string(),
            7 => "request-1".to_string(),
            8 => format!("{}://{}{}{}{}", scheme, host, path, if query.is_empty() { "" } else { "?" }, query),
            _ => return result(errno::INVALID, 0),
        };
        self.give(out, text.as_bytes())
    }

    fn req_set(&mut self, _: u32, field: u32, value: &[u8]) -> u64 {
        let text = wire::text(value);
        match field {
            1 => self.outcome.request.method = text,
            4 => self.outcome.request.path = text,
            5 => self.outcome.request.query = text,
            _ => return result(errno::INVALID, 0),
        }
        result(errno::OK, 0)
    }

    fn req_header(&mut self, _: u32, name: &str, out: &mut Vec<u8>) -> u64 {
        let mut list = Vec::new();
        for v in self.headers_named(name) {
            wire::put(&mut list, v.as_bytes());
        }
        if list.is_empty() {
            return result(errno::NOT_FOUND, 0);
        }
        self.give(out, &list)
    }

    fn req_headers(&mut self, _: u32, out: &mut Vec<u8>) -> u64 {
        let block = wire::header_block(&self.outcome.request.headers);
        self.give(out, &block)
    }

    fn req_header_set(&mut self, req: u32, name: &str, value: &[u8]) -> u64 {
        if !name.eq_ignore_ascii_case("Host") {
            self.req_header_del(req, name);
        }
        self.req_header_add(req, name, value)
    }

    fn req_header_add(&mut self, _: u32, name: &str, value: &[u8]) -> u64 {
        if name.eq_ignore_ascii_case("Host") {
            return result(errno::DENIED, 0);
        }
        self.outcome.request.headers.push((name.to_string(), wire::text(value)));
        result(errno::OK, 0)
    }

    fn req_header_del(&mut self, _: u32, name: &str) -> u64 {
        self.outcome.request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        result(errno::OK, 0)
    }

    fn req_body_read(&mut self, _: u32, out: &mut Vec<u8>) -> u64 {
        let rest = &self.outcome.request.body[self.body_read..];
        let n = rest.len().min(out.capacity());
        out.clear();
        out.extend_from_slice(&rest[..n]);
        self.body_read += n;
        result(errno::OK, n)
    }

    fn respond(&mut self, _: u32, status: u32, headers: &[u8], body: &[u8]) -> u64 {
        let headers = wire::parse_headers(headers).expect("a header block");
        self.decide(Decision::Respond { status, headers, body: body.to_vec(), ended: true })
    }

    fn respond_begin(&mut self, _: u32, status: u32, headers: &[u8]) -> u64 {
        let headers = wire::parse_headers(headers).expect("a header block");
        self.decide(Decision::Respond { status, headers, body: Vec::new(), ended: false })
    }

    fn respond_write(&mut self, _: u32, piece: &[u8]) -> u64 {
        match &mut self.outcome.decision {
            Some(Decision::Respond { body, ended: false, .. }) => {
                body.extend_from_slice(piece);
                result(errno::OK, piece.len())
            }
            _ => result(errno::CLOSED, 0),
        }
    }

    fn respond_end(&mut self, _: u32) -> u64 {
        match &mut self.outcome.decision {
            Some(Decision::Respond { ended, .. }) if !*ended => {
                *ended = true;
                result(errno::OK, 0)
            }
            _ => result(errno::CLOSED, 0),
        }
    }

    fn fail(&mut self, _: u32, error: &[u8]) -> u64 {
        match Value::parse(error).and_then(|v| Error::read(&v)) {
            Some(e) if !matches!(e.code, Code::Unknown(_)) && !e.message.is_empty() => self.decide(Decision::Fail(e)),
            _ => result(errno::INVALID, 0),
        }
    }

    fn connect(&mut self, _: u32, binding: &str, id: &str, port: u32, text: &[u8]) -> u64 {
        if !self.is_upgrade() {
            return self.refuse(Error::new(Code::UpgradeRequired, "this address speaks WebSocket only"));
        }
        self.decide(Decision::Connect {
            binding: binding.to_string(),
            id: id.to_string(),
            port: port as u16,
            options: options(text),
        })
    }

    fn proxy(&mut self, _: u32, binding: &str, id: &str, port: u32, text: &[u8]) -> u64 {
        if binding.is_empty() && !self.edge.preview {
            return self.refuse(Error::new(Code::NotFound, "the request is for no preview"));
        }
        self.decide(Decision::Proxy {
            binding: binding.to_string(),
            id: id.to_string(),
            port: port as u16,
            options: options(text),
        })
    }

    fn next(&mut self, _: u32) -> u64 {
        self.decide(Decision::Next)
    }

    fn plan(&mut self, _: u32, text: &[u8]) -> u64 {
        match Value::parse(text) {
            Some(plan) => self.decide(Decision::Plan(plan)),
            None => self.refuse(Error::new(Code::InvalidRequest, "plan: not JSON")),
        }
    }

    fn op(&mut self, _: u32, name: &str, text: &[u8], out: &mut Vec<u8>) -> u64 {
        let answer = self.call(name, text).and_then(|call| match self.edge.operations.get_mut(name) {
            Some(on) => on(&call),
            None => Err(not_on(name)),
        });
        match answer {
            Ok(value) => self.give(out, value.to_string().as_bytes()),
            Err(mut e) => {
                e.operation = name.to_string();
                self.refuse(e)
            }
        }
    }

    fn op_open(&mut self, _: u32, name: &str, text: &[u8]) -> u64 {
        let script = self.call(name, text).and_then(|call| match self.edge.streams.get_mut(name) {
            Some(on) => on(&call),
            None => Err(not_on(name)),
        });
        self.open(script)
    }

    fn ws_open(&mut self, _: u32, _: &str, id: &str, port: u32, text: &[u8]) -> u64 {
        let script = match &mut self.edge.socket {
            Some(on) => on(id, port as u16, &options(text)),
            None => Err(not_on("wsOpen")),
        };
        self.open(script)
    }

    fn ws_recv(&mut self, _: u32, ws: u32, _: u32, out: &mut Vec<u8>) -> u64 {
        let socket = match self.sockets.get_mut((ws - FIRST) as usize) {
            Some(socket) => socket,
            None => return result(errno::CLOSED, 0),
        };
        match socket.messages.pop_front() {
            Some((binary, data)) => {
                let mut message = vec![if binary { 2 } else { 1 }];
                message.extend_from_slice(&data);
                self.give(out, &message)
            }
            None => {
                let details = Value::object().with("code", socket.code).with("reason", socket.reason.as_str());
                self.refuse(Error { details, ..Error::new(Code::Canceled, "the socket was closed") })
            }
        }
    }

    fn ws_send(&mut self, _: u32, _: u32, opcode: u32, data: &[u8]) -> u64 {
        self.outcome.sent.push((opcode == 2, data.to_vec()));
        result(errno::OK, 0)
    }

    fn ws_close(&mut self, _: u32, _: u32, _: u32, _: &str) -> u64 {
        result(errno::OK, 0)
    }

    fn kv(&mut self, _: u32, verb: u32, key: &str, value: &[u8], text: &[u8], out: &mut Vec<u8>) -> u64 {
        let options = options(text);
        let now = self.edge.store.get(key).map_or(0, |(revision, _)| *revision);
        let wanted = options.get("ifRevision").and_then(Value::as_i64);
        if wanted.map_or(false, |n| n as u64 != now) {
            return self.refuse(Error {
                details: Value::object().with("revision", now),
                ..Error::new(Code::Conflict, "another revision")
            });
        }
        match verb {
            1 => match self.edge.store.get(key) {
                Some((revision, value)) => {
                    let mut answer = revision.to_le_bytes().to_vec();
                    answer.extend_from_slice(value);
                    self.give(out, &answer)
                }
                None => result(errno::NOT_FOUND, 0),
            },
            2 => {
                self.edge.store.insert(key.to_string(), (now + 1, value.to_vec()));
                self.give(out, &(now + 1).to_le_bytes())
            }
            3 => {
                self.edge.store.remove(key);
                result(errno::OK, 0)
            }
            4 => {
                let after = options.get("after").and_then(Value::as_str).unwrap_or_default();
                let limit = options.get("limit").and_then(Value::as_i64).unwrap_or(100) as usize;
                let all: Vec<Value> = self
                    .edge
                    .store
                    .iter()
                    .filter(|(k, _)| k.starts_with(key) && k.as_str() > after)
                    .map(|(k, (revision, v))| {
                        Value::object().with("key", k).with("revision", *revision).with("size", v.len())
                    })
                    .collect();
                let more = all.len() > limit;
                let entries: Vec<Value> = all.into_iter().take(limit).collect();
                let answer = Value::object().with("entries", entries).with("more", more);
                self.give(out, answer.to_string().as_bytes())
            }
            _ => result(errno::INVALID, 0),
        }
    }

    fn fetch(&mut self, _: u32, text: &[u8], body: &[u8]) -> u64 {
        let request = options(text);
        let answer = match &mut self.edge.fetcher {
            Some(on) => on(&request, body),
            None => Err(not_on("fetch")),
        };
        match answer {
            Ok(answer) => {
                let url = request.get("url").and_then(Value::as_str).unwrap_or_default().to_string();
                self.fetches.push((url, answer, 0));
                result(errno::OK, FIRST as usize + self.fetches.len() - 1)
            }
            Err(e) => self.refuse(e),
        }
    }

    fn fetch_head(&mut self, _: u32, fetch: u32, out: &mut Vec<u8>) -> u64 {
        let (url, answer, _) = &self.fetches[(fetch - FIRST) as usize];
        let mut head = answer.status.to_le_bytes().to_vec();
        wire::put(&mut head, url.as_bytes());
        head.extend_from_slice(&wire::header_block(&answer.headers));
        self.give(out, &head)
    }

    fn fetch_read(&mut self, _: u32, fetch: u32, out: &mut Vec<u8>) -> u64 {
        let (_, answer, done) = &mut self.fetches[(fetch - FIRST) as usize];
        let n = (answer.body.len() - *done).min(out.capacity());
        out.clear();
        out.extend_from_slice(&answer.body[*done..*done + n]);
        *done += n;
        result(errno::OK, n)
    }

    fn fetch_close(&mut self, _: u32, _: u32) -> u64 {
        result(errno::OK, 0)
    }
}
