//! The plugin behind `/ws/echo-rust?id=ID`: each id is a sandbox of its own, in which a
//! WebSocket server sends back whatever it is sent. Plain HTTP asks for the sandbox's state.

use edge::json::Value;
use edge::{Code, Error, Request, Response, Result, Server};
use std::time::Duration;

edge::plugin!(decide);

/// What runs in each sandbox. It is started by the first request that needs it.
const SERVER: Server = Server {
    process_id: "ws-echo",
    port: 8080,
    path: "/tmp/ws-echo.ts",
    source: include_str!("../echo/server.ts"),
    command: "bun run /tmp/ws-echo.ts",
    timeout: Duration::from_secs(20),
};

fn decide(req: &Request) -> Result<Response> {
    let id = req.query("id").unwrap_or_else(|| "echo-service".to_string());
    let sandbox = req.sandbox("Sandbox", &id);
    if req.is_upgrade() {
        sandbox.ensure_server(&SERVER)?;
        return sandbox.ws_connect(req, SERVER.port);
    }
    if req.method() != "GET" {
        return Err(Error::new(
            Code::InvalidRequest,
            "this address speaks WebSocket, and answers GET with the sandbox's state",
        ));
    }
    let now = sandbox.get_state()?;
    let answer = Value::object().with("id", id).with("state", now.state.as_str()).with("connections", now.connections);
    Ok(Response::json(200, &answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge::fake::{self, Edge, Outcome};
    use std::cell::Cell;
    use std::rc::Rc;

    /// A sandbox whose server is in the given state.
    fn sandbox(is_up: bool, start: fn() -> Result<Value>) -> Edge {
        let up = Rc::new(Cell::new(is_up));
        let started = up.clone();
        let mut edge = Edge::new();
        edge.on("waitForPort", move |call| match up.get() {
            true => Ok(Value::object().with("port", SERVER.port)),
            false => fake::refuse(Code::ProcessNotFound, &format!("there is no process {:?}", call.text("processId"))),
        });
        edge.on("writeFile", |call| {
            assert_eq!((call.text("path"), call.text("content")), (SERVER.path, SERVER.source));
            Ok(Value::object())
        });
        edge.on("startProcess", move |call| {
            assert_eq!((call.text("processId"), call.text("command")), (SERVER.process_id, SERVER.command));
            started.set(true);
            start()
        });
        edge.on("getState", |_| Ok(Value::object().with("state", "running").with("connections", 2)));
        edge
    }

    fn starts() -> Result<Value> {
        Ok(Value::object())
    }

    fn exists() -> Result<Value> {
        fake::refuse(Code::ProcessAlreadyExists, "process \"ws-echo\" already exists")
    }

    fn code(outcome: &Outcome) -> Option<u16> {
        outcome.failed().map(|e| e.code.status())
    }

    #[test]
    fn connects() {
        let cold = ["waitForPort", "writeFile", "startProcess", "waitForPort"];
        for (mut edge, target, id, operations) in [
            (sandbox(true, starts), "/ws/echo-rust?id=mine", "mine", &cold[..1]),
            (sandbox(false, starts), "/ws/echo-rust?id=mine", "mine", &cold[..]),
            (sandbox(false, exists), "/ws/echo-rust", "echo-service", &cold[..]),
        ] {
            let outcome = edge.run(decide, fake::websocket(target));
            assert_eq!(outcome.connected(), Some(("Sandbox", id, SERVER.port)), "{:?}", outcome);
            assert_eq!(outcome.operations(), operations);
        }
    }

    #[test]
    fn plain_http_tells_the_state() {
        let outcome = sandbox(true, starts).run(decide, fake::request("GET", "/ws/echo-rust?id=mine"));
        let (status, body) = outcome.answered().expect("an answer");
        assert_eq!((status, body.as_str()), (200, r#"{"id":"mine","state":"running","connections":2}"#));
    }

    #[test]
    fn refusals() {
        let not_found = || fake::refuse(Code::CommandNotFound, "there is no bun");
        for (mut edge, request, status) in [
            (sandbox(true, starts), fake::websocket("/ws/echo-rust?id=Not%20Good"), 400),
            (sandbox(true, starts), fake::websocket("/ws/echo-rust?id=www"), 400),
            (sandbox(true, starts), fake::request("POST", "/ws/echo-rust"), 400),
            (sandbox(false, not_found), fake::websocket("/ws/echo-rust"), 404),
        ] {
            let outcome = edge.run(decide, request);
            assert_eq!(code(&outcome), Some(status), "{:?}", outcome);
        }
    }
}
