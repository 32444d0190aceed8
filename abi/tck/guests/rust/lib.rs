//! The conformance kit's guest, made with the Rust SDK: it carries out the cases of
//! ../../guest.json, whose docs say what each does.

use edge::json::Value;
use edge::*;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

edge::plugin!(decide);

fn decide(req: &Request) -> Result<Response<'_>> {
    let path = req.path();
    let name = path.trim_start_matches("/case/");
    let one = req.sandbox("Sandbox", "one");
    match name {
        "hello" => text(&[&[req.method(), req.path(), req.raw_query(), req.host(), req.scheme(), req.remote_addr(), req.id()].join(" ")]),
        "query" => text(&[&req.query("a").unwrap_or_default(), &req.query("none").unwrap_or_default()]),
        "header" | "upgrade" => {
            let upgrade = req.is_upgrade().to_string();
            text(&[&req.header("Accept").unwrap_or_default(), &req.header_values("Accept").join(","), &upgrade])
        }
        "headers" => {
            let all = req.headers()?;
            let last = &all[all.len() - 1];
            text(&[&format!("{} {}={}", all.len(), last.0, last.1)])
        }
        "edits" => {
            req.set_method("PUT")?;
            req.set_path("/new%20path")?;
            req.set_raw_query("k=v")?;
            req.set_header("X-One", "1")?;
            req.add_header("X-Two", "a")?;
            req.add_header("X-Two", "b")?;
            req.del_header("X-Gone")?;
            one.proxy_to(req, 8080)
        }
        "edit-denied" => {
            req.set_header("Host", "other")?;
            text(&["set"])
        }
        "body" => text(&[&String::from_utf8_lossy(&req.read_body(1024)?)]),
        "body-large" => {
            req.read_body(4)?;
            text(&["read"])
        }
        "json" => {
            let b = Value::Array(vec![Value::from("x"), Value::Bool(true), Value::Null]);
            Ok(Response::json(201, &Value::object().with("a", 1).with("b", b)))
        }
        "status" => Ok(Response::bytes(404, "", Vec::new()).header("X-Kind", "none")),
        "stream" => Ok(Response::stream(201, |w| {
            w.write_all(b"one ")?;
            w.write_all(b"two ")?;
            w.write_all(b"three")
        })
        .header("X-Kind", "pieces")),
        "connect" => {
            let protocols = vec!["chat".to_string()];
            let policy = Policy { idle_timeout: Duration::from_secs(1), max_message_bytes: 4096, protocols, ..Policy::default() };
            Ok(one.ws_connect(req, 8080)?.policy(policy))
        }
        "connect-plain" => one.ws_connect(req, 8080),
        "connect-bad-id" => req.sandbox("Sandbox", "Not Good").ws_connect(req, 8080),
        "connect-options" => {
            let labels = BTreeMap::from([("team".to_string(), "a".to_string())]);
            let options = SandboxOptions { sleep_after: Duration::from_secs(600), labels, ..SandboxOptions::default() };
            req.sandbox_with("Sandbox", "one", options).ws_connect(req, 9000)
        }
        "proxy" => one.proxy_to(req, 8080),
        "proxy-port" => one.proxy_to(req, 80),
        "preview" | "no-preview" => match proxy_to_sandbox(req) {
            Err(e) if e.code == Code::NotFound => text(&["no preview"]),
            other => other,
        },
        "only-port" => one.proxy_to_sandbox(req),
        "next" => Ok(next()),
        "fail" => Err(Error::new(Code::Denied, "no such user")),
        "fail-unknown" => Err(Error::new(Code::Unknown("MY_OWN".to_string()), "of my own")),
        "throw" => panic!("on purpose"),
        "plan" => Ok(plan(Plan {
            sandbox: one.reference(),
            process: Some(PlanProcess { process_id: "srv".into(), command: "run".into(), ..PlanProcess::default() }),
            ready: Some(PlanReady { mode: "http".into(), path: "/health".into(), ..PlanReady::default() }),
            then: "connect".into(),
            port: 8080,
            timeout: Duration::from_secs(20),
            fallback: Some(PlanAnswer { status: 503, body: "later".into(), ..PlanAnswer::default() }),
            ..Plan::default()
        })),
        _ => operate(req, name, &one),
    }
}

fn text<'r>(parts: &[&str]) -> Result<Response<'r>> {
    Ok(Response::text(200, parts.join("|")))
}

fn operate<'r>(req: &'r Request, name: &str, one: &Sandbox<'r>) -> Result<Response<'r>> {
    match name {
        "exec" | "exec-error" | "exec-large" => {
            let options = ExecOptions { command: "echo hi".into(), cwd: "/tmp".into(), timeout: Duration::from_secs(5), ..ExecOptions::default() };
            text(&[&one.exec(options)?.stdout])
        }
        "processes" => processes(one),
        "files" => files(one),
        "binary" => {
            one.write_file("b", [0u8, 255])?;
            let b = one.read_file("b")?;
            text(&[&format!("{} {}", b.len(), b[b.len() - 1])])
        }
        "ports" => {
            let options = ExposeOptions { name: "web".into(), token: "tok_1".into(), ttl: Duration::from_secs(3600), ..ExposeOptions::default() };
            let exposed = one.expose_port(8080, options)?;
            let all = one.get_exposed_ports()?;
            let is = one.is_port_exposed(8080)?;
            let valid = one.validate_port_token(8080, "tok_1")?;
            one.unexpose_port(8080)?;
            text(&[&exposed.url, &all.len().to_string(), &is.to_string(), &valid.to_string()])
        }
        "links" => {
            let options = ExposeOptions {
                token_in: "request".into(),
                host: "app:${port}".into(),
                on_restart: "revoke".into(),
                ..ExposeOptions::default()
            };
            let exposed = one.expose_port(8080, options)?;
            let ttl = Duration::from_secs(600);
            let link = one.create_preview_link(8080, PreviewLinkOptions { ttl, path: "/a?b=c".into(), ..Default::default() })?;
            one.drain_port(8080, Duration::from_secs(30))?;
            text(&[&exposed.token, &link.url])
        }
        "life" => life(one),
        "ensure" => {
            let server = Server {
                process_id: "srv",
                port: 8080,
                path: "/tmp/s",
                source: "code",
                command: "run /tmp/s",
                timeout: Duration::from_secs(0),
            };
            one.ensure_server(&server)?;
            one.ws_connect(req, server.port)
        }
        _ => stream(req, name, one),
    }
}

fn processes<'r>(one: &Sandbox<'r>) -> Result<Response<'r>> {
    let mut p = one.start_process(StartProcessOptions {
        command: "serve".into(),
        process_id: "p".into(),
        cwd: "/app".into(),
        if_running: IfRunning::Reuse,
        ..StartProcessOptions::default()
    })?;
    p.wait_for_port(WaitForPortOptions { port: 8080, timeout: Duration::from_secs(2), ..WaitForPortOptions::default() })?;
    let line = p.wait_for_log("ready", WaitForLogOptions::default())?;
    let logs = p.get_logs(LogsOptions { tail: 10, ..LogsOptions::default() })?;
    let status = p.get_status()?;
    let all = one.list_processes()?;
    let id = p.id().to_string();
    p.kill(KillOptions { signal: "INT".into(), ..KillOptions::default() })?;
    let exit = one.wait_for_exit("p", Duration::from_secs(0))?;
    text(&[&id, &line.line, &logs.stdout, status.as_str(), &all.len().to_string(), &exit.exit_code.to_string()])
}

fn files<'r>(one: &Sandbox<'r>) -> Result<Response<'r>> {
    one.mkdir("d", MkdirOptions { recursive: true, ..MkdirOptions::default() })?;
    one.write_file_mode("d/f", "text", "0600")?;
    let read = one.read_file("d/f")?;
    let exists = one.exists("d/f")?;
    let list = one.list_files("d", ListFilesOptions::default())?;
    one.rename_file("d/f", "d/g")?;
    one.move_file("d/g", "e/")?;
    one.set_permissions("e/g", "0755")?;
    one.delete_file("d", DeleteFileOptions { recursive: true, ..DeleteFileOptions::default() })?;
    text(&[&String::from_utf8_lossy(&read), &exists.to_string(), &list.files[0].name])
}

fn life<'r>(one: &Sandbox<'r>) -> Result<Response<'r>> {
    one.start()?;
    one.touch()?;
    one.pause()?;
    one.resume()?;
    let state = one.get_state()?;
    one.set_env_vars(&[("A", Some("1"))])?;
    let session = one.create_session(SessionOptions { id: "s".into(), cwd: "/app".into(), ..SessionOptions::default() })?;
    let id = session.exec("id")?;
    let name = session.id().to_string();
    session.delete()?;
    one.stop(StopOptions { signal: "INT".into(), ..StopOptions::default() })?;
    one.destroy()?;
    text(&[state.state.as_str(), &name, &id.stdout])
}

fn stream<'r>(req: &'r Request, name: &str, one: &Sandbox<'r>) -> Result<Response<'r>> {
    match name {
        "socket" => {
            let ws = one.ws_open(8080, WebSocketOptions { path: "/feed".into(), ..WebSocketOptions::default() })?;
            ws.send_text("hi")?;
            ws.send_binary(&[0, 1])?;
            let mut said = String::new();
            loop {
                match ws.recv(Duration::from_secs(5)) {
                    Ok(m) => said += &(m.text() + "|"),
                    Err(e) => match e.socket_closed() {
                        Some(closed) => return text(&[&format!("{}closed {} {}", said, closed.code, closed.reason)]),
                        None => return Err(e),
                    },
                }
            }
        }
        "socket-close" => {
            let ws = one.ws_open(8080, WebSocketOptions::default())?;
            let refused = ws.recv(Duration::from_millis(1)).err().unwrap_or_default();
            ws.close(3000, "bye")?;
            text(&[refused.code.as_str()])
        }
        "socket-refused" => {
            one.ws_open(8080, WebSocketOptions::default())?;
            text(&["opened"])
        }
        "events" => {
            let mut events = one.exec_stream(ExecStreamOptions { command: "make".into(), input: true, ..ExecStreamOptions::default() })?;
            events.write(b"in")?;
            events.close_input()?;
            let (mut types, mut data) = (Vec::new(), String::new());
            while let Some(item) = events.next()? {
                if let Item::Event(event) = item {
                    types.push(event.kind.as_str().to_string());
                    data += &event.data;
                }
            }
            drop(events); // which closes it, as it does below
            text(&[&types.join(","), &data])
        }
        "events-failed" => {
            let mut events = one.exec_stream("make")?;
            while events.next()?.is_some() {}
            text(&["ended"])
        }
        "download" => {
            let (info, mut from) = one.open_file("big", ReadFileStreamOptions::default())?;
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
            text(&[&format!("{} {}", info.size, bytes.len())])
        }
        _ => serve(req, name),
    }
}

fn serve<'r>(req: &'r Request, name: &str) -> Result<Response<'r>> {
    let forever = Duration::from_secs(0);
    match name {
        "store" => {
            let store = kv();
            let none = if store.get("none")?.is_none() { "absent" } else { "there" };
            store.set_if("k", b"v1", Duration::from_secs(60), 0)?;
            let held = store.get("k")?.ok_or_else(|| Error::new(Code::Internal, "k is gone"))?;
            let second = store.set_if("k", b"v2", forever, held.revision)?;
            let page = store.list("k", "", 0)?;
            store.delete("k")?;
            let keys: Vec<&str> = page.entries.iter().map(|e| e.key.as_str()).collect();
            let value = String::from_utf8_lossy(&held.value);
            text(&[none, &value, &held.revision.to_string(), &second.to_string(), &keys.join(","), &page.more.to_string()])
        }
        "store-conflict" => {
            kv().set_if("k", b"new", forever, 0)?;
            text(&["set"])
        }
        "fetch" => {
            let options = FetchOptions { method: "POST".into(), headers: vec![("X-A".into(), "1".into())], ..FetchOptions::default() };
            let mut answer = fetch(req, "https://api.example.com/x", b"ask", options)?;
            let body = answer.text()?;
            text(&[&answer.status.to_string(), answer.header("x-b").unwrap_or_default(), &body])
        }
        "fetch-denied" => {
            fetch(req, "https://api.example.com/", b"", FetchOptions::default())?;
            text(&["fetched"])
        }
        "surroundings" => {
            let greeting: String = config("greeting")?.unwrap_or_default();
            let limits: Value = config("limits")?.unwrap_or(Value::Null);
            let n = limits.get("n").and_then(Value::as_i64).unwrap_or_default();
            let missing = if config::<Value>("missing")?.is_none() { "absent" } else { "there" };
            let token = secret("TOKEN")?.unwrap_or_default();
            let none = if secret("NONE")?.is_none() { "absent" } else { "there" };
            log(Level::Warn, "noted", &[("who", &"tck")]);
            count("hits", 2.0, &[("kind", "a")])?;
            observe("took", 0.5, &[])?;
            let mut bytes = [0u8; 16];
            random(&mut bytes)?;
            let good = now() > Duration::from_secs(946_684_800) && monotonic() >= forever;
            text(&[&greeting, &n.to_string(), missing, &String::from_utf8_lossy(&token), none, &good.to_string()])
        }
        _ => Err(Error::new(Code::NotFound, format!("there is no case {:?}", name))),
    }
}
