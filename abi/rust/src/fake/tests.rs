//! The SDK against the fake edge.

use super::*;
use crate::*;
use std::io::{Read, Write};
use std::time::Duration;

type Any<'r> = std::result::Result<Response<'r>, Box<dyn std::error::Error>>;

#[test]
fn a_request_is_read_and_edited() {
    fn decide(req: &Request) -> Result<Response> {
        let seen = [
            req.method(),
            req.scheme(),
            req.host(),
            req.path(),
            req.raw_query(),
            req.url(),
            req.id(),
            req.remote_addr(),
        ];
        assert_eq!(req.query("b").as_deref(), Some("2 3"));
        assert_eq!(req.query("c").as_deref(), Some(""));
        assert_eq!(req.query("d"), None);
        assert_eq!(req.header("x-a").as_deref(), Some("1"));
        assert_eq!(req.header_values("X-A"), ["1", "2"]);
        assert_eq!(req.header("x-b"), None);
        assert_eq!(req.headers()?.len(), 3);
        req.set_path("/other")?;
        req.set_raw_query("q")?;
        req.set_header("X-A", "3")?;
        req.add_header("X-C", "4")?;
        assert_eq!(req.set_header("Host", "x").unwrap_err().code, Code::Denied);
        assert_eq!(req.read_body(4).unwrap_err().code, Code::BodyTooLarge);
        Ok(Response::text(200, seen.join(" ")))
    }
    let incoming = request("GET", "/p?a=1&b=2+3&c").header("X-A", "1").header("X-A", "2").body("hello");
    let outcome = Edge::new().run(decide, incoming);
    let want = "GET http localhost:8787 /p a=1&b=2+3&c http://localhost:8787/p?a=1&b=2+3&c request-1 127.0.0.1:50000";
    assert_eq!(outcome.answered(), Some((200, want.to_string())));
    assert_eq!((outcome.request.path.as_str(), outcome.request.query.as_str()), ("/other", "q"));
    assert_eq!(outcome.request.headers[1..], [("X-A".into(), "3".into()), ("X-C".into(), "4".into())]);
}

#[test]
fn bodies_are_read_in_pieces() {
    fn decide(req: &Request) -> Any {
        let mut first = [0; 3];
        let mut body = req.body();
        body.read_exact(&mut first)?;
        let mut rest = Vec::new();
        body.read_to_end(&mut rest)?;
        Ok(Response::text(200, format!("{:?} {}", first, rest.len())))
    }
    let outcome = Edge::new().run(decide, request("POST", "/").body(vec![1; 100_000]));
    assert_eq!(outcome.answered(), Some((200, "[1, 1, 1] 99997".to_string())));
}

#[test]
fn errors_are_answered() {
    fn known(_: &Request) -> Result<Response> {
        Err(Error::new(Code::NotFound, "no such room").suggest("make one"))
    }
    fn other(_: &Request) -> Any {
        Err("the disk is on fire".into())
    }
    fn wrapped(req: &Request) -> Any {
        req.sandbox("Sandbox", "a").exec("true")?;
        Ok(next())
    }
    fn unknown(_: &Request) -> Result<Response> {
        Err(Error::new(Code::from("MY_OWN"), "mine"))
    }
    let outcome = Edge::new().run(known, request("GET", "/"));
    let e = outcome.failed().unwrap();
    assert_eq!((e.code.status(), e.message.as_str(), e.suggestion.as_str()), (404, "no such room", "make one"));

    let outcome = Edge::new().run(other, request("GET", "/"));
    assert_eq!(outcome.failed().unwrap().code, Code::PluginFailed);
    assert!(!outcome.failed().unwrap().message.contains("fire"));
    assert!(outcome.logs.iter().any(|l| l.fields.iter().any(|f| f.contains("fire"))));

    let mut edge = Edge::new();
    edge.on("exec", |_| Err(Error { details: Value::object().with("n", 1), ..Error::new(Code::SandboxLost, "gone") }));
    let outcome = edge.run(wrapped, request("GET", "/"));
    let e = outcome.failed().unwrap();
    assert_eq!(
        (&e.code, e.operation.as_str(), e.details.to_string().as_str()),
        (&Code::SandboxLost, "exec", r#"{"n":1}"#)
    );

    let outcome = Edge::new().run(unknown, request("GET", "/"));
    assert_eq!(outcome.failed().unwrap().code, Code::PluginFailed);
    assert_eq!(outcome.code, 0);
}

#[test]
fn errors_that_are_too_large_are_cut() {
    let e = Error {
        details: Value::String("d".repeat(100_000)),
        ..Error::new(Code::Denied, "\u{1}é".repeat(50_000)).suggest("s".repeat(50_000))
    };
    let text = e.json();
    assert!(text.len() <= 64 << 10, "{} bytes", text.len());
    assert_eq!(Value::parse(text.as_bytes()).unwrap().get("details"), None);
}

#[test]
fn answers_and_streams() {
    fn json(_: &Request) -> Result<Response> {
        Ok(Response::json(201, &Value::object().with("a", vec![1, 2])).header("X-A", "1"))
    }
    fn stream(req: &Request) -> Result<Response> {
        Ok(Response::stream(200, move |body| {
            write!(body, "path ")?;
            body.write_all(req.path().as_bytes())
        }))
    }
    fn broken(_: &Request) -> Result<Response> {
        Ok(Response::stream(200, |body| {
            body.write_all(b"half")?;
            Err(std::io::Error::new(std::io::ErrorKind::Other, "no more"))
        }))
    }
    let headers =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    for (handler, want) in [
        (
            json as fn(&Request) -> Result<Response>,
            Decision::Respond {
                status: 201,
                headers: headers(&[("Content-Type", "application/json"), ("X-A", "1")]),
                body: br#"{"a":[1,2]}"#.to_vec(),
                ended: true,
            },
        ),
        (stream, Decision::Respond { status: 200, headers: vec![], body: b"path /x".to_vec(), ended: true }),
        (broken, Decision::Respond { status: 200, headers: vec![], body: b"half".to_vec(), ended: false }),
        (|_| Ok(next()), Decision::Next),
    ] {
        assert_eq!(Edge::new().run(handler, request("GET", "/x")).decision, Some(want));
    }
}

#[test]
fn decisions_for_ports() {
    fn options() -> SandboxOptions {
        SandboxOptions { sleep_after: Duration::from_secs(60), ..SandboxOptions::default() }
    }
    fn connect(req: &Request) -> Result<Response> {
        let policy =
            Policy { idle_timeout: Duration::from_secs(1), protocols: vec!["chat".into()], ..Policy::default() };
        Ok(req.sandbox_with("Sandbox", "one", options()).ws_connect(req, 8080)?.policy(policy).wake("never"))
    }
    fn proxy(req: &Request) -> Result<Response> {
        get_sandbox(req, "Other", "two").proxy_to(req, 9000)
    }
    fn preview(req: &Request) -> Result<Response> {
        proxy_to_sandbox(req)
    }
    let outcome = Edge::new().run(connect, websocket("/"));
    match outcome.decision {
        Some(Decision::Connect { binding, id, port: 8080, options }) => {
            assert_eq!((binding.as_str(), id.as_str()), ("Sandbox", "one"));
            let want =
                r#"{"policy":{"idleTimeout":1000,"protocols":["chat"]},"wake":"never","sandbox":{"sleepAfter":60000}}"#;
            assert_eq!(options.to_string(), want);
        }
        other => panic!("{:?}", other),
    }
    assert_eq!(Edge::new().run(connect, request("GET", "/")).failed().unwrap().code, Code::UpgradeRequired);
    let want = Decision::Proxy { binding: "Other".into(), id: "two".into(), port: 9000, options: Value::Null };
    assert_eq!(Edge::new().run(proxy, request("GET", "/")).decision, Some(want));
    assert_eq!(Edge::new().run(preview, request("GET", "/")).failed().unwrap().code, Code::NotFound);
    let want = Decision::Proxy { binding: String::new(), id: String::new(), port: 0, options: Value::Null };
    assert_eq!(Edge::new().preview(true).run(preview, request("GET", "/")).decision, Some(want));
    fn bad_port(req: &Request) -> Result<Response> {
        req.sandbox("Sandbox", "one").proxy_to(req, 80)
    }
    assert_eq!(Edge::new().run(bad_port, request("GET", "/")).failed().unwrap().code, Code::InvalidPort);
}

#[test]
fn plans() {
    fn decide(req: &Request) -> Result<Response> {
        Ok(plan(Plan {
            sandbox: req.sandbox("Sandbox", "one").reference(),
            process: Some(PlanProcess { process_id: "server".into(), command: "run".into(), ..PlanProcess::default() }),
            ready: Some(PlanReady::default()),
            then: "connect".into(),
            port: 8080,
            timeout: Duration::from_secs(5),
            fallback: Some(PlanAnswer {
                status: 503,
                headers: vec![("Retry-After".into(), "5".into())],
                ..PlanAnswer::default()
            }),
            ..Plan::default()
        }))
    }
    let outcome = Edge::new().run(decide, websocket("/"));
    let want = concat!(
        r#"{"sandbox":{"binding":"Sandbox","id":"one"},"process":{"processId":"server","command":"run"},"ready":{},"#,
        r#""then":"connect","port":8080,"timeout":5000,"fallback":{"status":503,"headers":[["Retry-After","5"]]}}"#
    );
    match outcome.decision {
        Some(Decision::Plan(plan)) => assert_eq!(plan.to_string(), want),
        other => panic!("{:?}", other),
    }
}

#[test]
fn operations_say_what_was_asked() {
    fn decide(req: &Request) -> Result<Response> {
        let options = SandboxOptions { keep_alive: true, ..SandboxOptions::default() };
        let sandbox = req.sandbox_with("Sandbox", "one", options);
        let result =
            sandbox.exec(ExecOptions { timeout: Duration::from_micros(1), ..ExecOptions::from("ls \"a\"") })?;
        assert_eq!((result.exit_code, result.stdout.len()), (3, 100_000));
        let mut server = sandbox.start_process("serve")?;
        assert_eq!((server.id(), &server.state.status, server.state.exit_code), ("p1", &Status::Running, None));
        server.wait_for_port(8080)?;
        server.kill(KillOptions { signal: "INT".into(), ..KillOptions::default() })?;
        assert_eq!((&server.state.status, server.state.exit_code), (&Status::Killed, Some(0)));
        sandbox.set_env_vars(&[("A", Some("1")), ("B", None)])?;
        sandbox.write_file("/a", [0xff, 0])?;
        assert_eq!(sandbox.read_file("/a")?, [0xff, 0]);
        let port = sandbox.expose_port(8080, ExposeOptions { access: Access::Public, ..ExposeOptions::default() })?;
        assert_eq!(port.url, "http://x/");
        sandbox.op("touch", &Value::object())?;
        Ok(next())
    }
    let mut edge = Edge::new();
    let process = |status: &str| Value::object().with("id", "p1").with("status", status).with("pid", 7);
    edge.on("exec", |_| Ok(Value::object().with("exitCode", 3).with("stdout", "x".repeat(100_000))));
    edge.on("startProcess", move |_| Ok(process("running")));
    edge.on("killProcess", move |_| Ok(process("killed").with("exitCode", 0)));
    edge.on("readFile", |_| Ok(Value::object().with("content", "/wA=").with("encoding", "base64")));
    edge.on("exposePort", |_| Ok(Value::object().with("port", 8080).with("url", "http://x/")));
    for name in ["waitForPort", "setEnvVars", "writeFile", "touch"] {
        edge.on(name, |_| Ok(Value::object()));
    }
    let outcome = edge.run(decide, request("GET", "/"));
    assert_eq!(outcome.decision, Some(Decision::Next));
    let sandbox = r#"{"sandbox":{"binding":"Sandbox","id":"one","keepAlive":true}"#;
    let asked: Vec<String> = outcome.calls.iter().map(|c| c.request.to_string()).collect();
    let fields = [
        r#","command":"ls \"a\"","timeout":1}"#,
        r#","command":"serve"}"#,
        r#","port":8080,"processId":"p1"}"#,
        r#","processId":"p1","signal":"INT"}"#,
        r#","envVars":{"A":"1","B":null}}"#,
        r#","path":"/a","content":"/wA=","encoding":"base64"}"#,
        r#","path":"/a"}"#,
        r#","port":8080,"access":"public"}"#,
        "}",
    ];
    assert_eq!(asked, fields.map(|f| [sandbox, f].concat()));
}

#[test]
fn streams_and_sockets() {
    fn decide(req: &Request) -> Any {
        let sandbox = req.sandbox("Sandbox", "one");
        let mut stream = sandbox.exec_stream("cat")?;
        stream.write(&[7; 70_000])?;
        stream.close_input()?;
        let mut out = String::new();
        while let Some(item) = stream.next()? {
            match item {
                Item::Event(event) => out += &format!("{}:{} ", event.kind, event.data),
                Item::Bytes(bytes) => out += &format!("{:?} ", bytes),
            }
        }
        let mut text = String::new();
        let (info, mut file) = sandbox.open_file("/f", ReadFileStreamOptions::default())?;
        file.read_to_string(&mut text)?;
        assert_eq!((info.size, text.as_str()), (4, "data"));
        let ws = sandbox.ws_open(8083, WebSocketOptions { path: "/p".into(), ..WebSocketOptions::default() })?;
        let message = ws.recv(Duration::from_secs(1))?;
        ws.send_text("thanks")?;
        let closed = ws.recv(Duration::ZERO).unwrap_err().socket_closed().unwrap();
        Ok(Response::text(200, format!("{}{} {} {}", out, message.text(), closed.code, closed.reason)))
    }
    let mut edge = Edge::new();
    edge.on_stream("execStream", |_| Ok(Script::new().text(r#"{"type":"stdout","data":"hi"}"#).binary(&[1])));
    edge.on_stream("readFileStream", |_| {
        Ok(Script::new().text(r#"{"name":"f","size":4}"#).binary(b"da").binary(b"ta"))
    });
    edge.on_ws_open(|id, port, options| {
        assert_eq!((id, port, options.to_string().as_str()), ("one", 8083, r#"{"path":"/p"}"#));
        Ok(Script::new().text("reading").closes(4001, "enough"))
    });
    let outcome = edge.run(decide, request("GET", "/"));
    assert_eq!(outcome.answered(), Some((200, "stdout:hi [1] reading 4001 enough".to_string())), "{:?}", outcome);
    let sizes: Vec<usize> = outcome.sent.iter().map(|(_, data)| data.len()).collect();
    assert_eq!(sizes, [65536, 4464, r#"{"type":"end"}"#.len(), 6]);
}

#[test]
fn surroundings_are_there() {
    fn decide(req: &Request) -> Any {
        assert_eq!(config::<u16>("port")?, Some(8080));
        assert_eq!(config::<Duration>("patience")?, Some(Duration::from_secs(10)));
        assert_eq!(config::<String>("none")?, None);
        assert_eq!(config::<bool>("port").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(secret("key")?.as_deref(), Some(&b"s3cret"[..]));
        assert_eq!(secret("none")?, None);
        assert_eq!(now(), Duration::from_nanos(42));
        let mut bytes = [0; 100];
        random(&mut bytes)?;
        assert_ne!(bytes, [0; 100]);
        count("seen", 1.0, &[("room", "a")])?;
        observe("took", 0.5, &[])?;

        let store = kv();
        assert_eq!(store.get("k")?, None);
        let revision = store.set_if("k", b"v", Duration::ZERO, 0)?;
        assert_eq!(store.set_if("k", b"w", Duration::ZERO, 0).unwrap_err().code, Code::Conflict);
        assert_eq!(store.get("k")?, Some(Entry { revision, value: b"v".to_vec() }));
        store.set("k2", &[9; 5000], Duration::from_secs(1))?;
        assert_eq!(store.get("k2")?.unwrap().value.len(), 5000);
        let list = store.list("k", "", 1)?;
        assert_eq!((list.entries[0].key.as_str(), list.entries[0].size, list.more), ("k", 1, true));
        store.delete_if("k", revision)?;
        store.delete("k")?;

        let options = FetchOptions { method: "POST".into(), ..FetchOptions::default() };
        let mut answer = fetch(req, "https://example.com/a", b"question", options)?;
        assert_eq!((answer.status, answer.header("x-a")), (203, Some("1")));
        let mut begun = [0; 2];
        assert_eq!(std::io::Read::read(&mut answer, &mut begun).unwrap(), 2);
        assert_eq!(answer.next_piece()?, Some(b"swer".to_vec()));
        Ok(Response::text(200, String::from_utf8_lossy(&begun) + answer.text()?.as_str()))
    }
    let mut edge = Edge::new();
    edge.config("port", 8080).config("patience", "10s").secret("key", "s3cret").on_fetch(|request, body| {
        assert_eq!(request.to_string(), r#"{"method":"POST","url":"https://example.com/a"}"#);
        assert_eq!(body, b"question");
        Ok(Fetched { status: 203, headers: vec![("X-A".into(), "1".into())], body: b"answer".to_vec() })
    });
    edge.clock = 42;
    let outcome = edge.run(decide, request("GET", "/"));
    assert_eq!(outcome.answered(), Some((200, "an".to_string())), "{:?}", outcome);
    assert_eq!(outcome.metrics, [("seen".into(), vec!["room".into(), "a".into()], 1.0), ("took".into(), vec![], 0.5)]);
    assert_eq!(edge.store.keys().collect::<Vec<_>>(), ["k2"]);
}

#[test]
fn hooks_say_how_they_failed() {
    assert_eq!(Edge::new().run_hook(|| Ok::<(), Error>(())).code, 0);
    let outcome = Edge::new().run_hook(|| Err(Error::new(Code::NotFound, "no key")));
    assert_eq!((outcome.code, outcome.logs[0].fields[1].as_str()), (2, "NOT_FOUND: no key"));
}
