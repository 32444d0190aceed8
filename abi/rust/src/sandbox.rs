//! Handles of sandboxes, and what the edge is asked to do with one.

use crate::border::{self, errno, split};
use crate::error::{collect, failure, meaning, Error, Result};
use crate::json::{Field, Value, Writer};
use crate::request::Request;
use crate::types::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// A handle of one sandbox. Having one starts nothing: the first operation that needs the
/// sandbox does.
pub struct Sandbox<'r> {
    pub(crate) req: &'r Request,
    binding: String,
    id: String,
    options: SandboxOptions,
}

/// [`Request::sandbox`], by the name that it has elsewhere.
pub fn get_sandbox<'r>(req: &'r Request, binding: &str, id: &str) -> Sandbox<'r> {
    req.sandbox(binding, id)
}

/// A program in a sandbox that listens on a port, under a process id by which every
/// request finds the same one.
#[derive(Clone, Debug, Default)]
pub struct Server<'a> {
    /// The process id.
    pub process_id: &'a str,
    /// The port it listens on.
    pub port: u16,
    /// Where `source` is written before `command` starts the program. An empty path writes
    /// nothing.
    pub path: &'a str,
    /// The program's text.
    pub source: &'a str,
    /// Run by /bin/sh -c.
    pub command: &'a str,
    /// Bounds the wait until the port answers; default 30 s.
    pub timeout: Duration,
}

impl<'r> Sandbox<'r> {
    pub(crate) fn new(req: &'r Request, binding: &str, id: &str, options: SandboxOptions) -> Self {
        Sandbox { req, binding: binding.to_string(), id: id.to_string(), options }
    }

    /// The id that the handle was made with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The binding that the handle was made with.
    pub fn binding(&self) -> &str {
        &self.binding
    }

    pub(crate) fn options(&self) -> &SandboxOptions {
        &self.options
    }

    /// What names the sandbox in a [`Plan`].
    pub fn reference(&self) -> SandboxRef {
        let options = self.options.clone();
        SandboxRef {
            binding: self.binding.clone(),
            id: self.id.clone(),
            sleep_after: options.sleep_after,
            keep_alive: options.keep_alive,
            env: options.env,
            labels: options.labels,
        }
    }

    /// Returns when the server can be reached, and starts it if need be.
    ///
    /// It waits for the port first, because with a process id that answers three questions
    /// in one call: is the process there, does it run, does it listen. So a server that is
    /// up costs one operation, one that another request is starting is waited for, and only
    /// one that is missing, has ended, or was lost with its sandbox, is written and started.
    pub fn ensure_server(&self, server: &Server) -> Result<()> {
        let ready = WaitForPortOptions {
            port: server.port,
            process_id: server.process_id.to_string(),
            timeout: server.timeout,
            ..WaitForPortOptions::default()
        };
        match self.wait_for_port(ready.clone()) {
            Err(e) if matches!(e.code, Code::ProcessNotFound | Code::ProcessExitedBeforeReady | Code::SandboxLost) => {}
            other => return other,
        }
        if !server.path.is_empty() {
            self.write_file(server.path, server.source)?;
        }
        let process = StartProcessOptions { process_id: server.process_id.to_string(), ..server.command.into() };
        match self.tell("startProcess", &process) {
            // "already exists": another request was faster.
            Err(e) if e.code != Code::ProcessAlreadyExists => return Err(e),
            _ => {}
        }
        self.wait_for_port(ready)
    }

    /// Starts the sandbox, or does nothing if it runs.
    pub fn start(&self) -> Result<SandboxState> {
        self.call("start", &Nothing)
    }

    /// Stops the sandbox; what it wrote stays as the binding's persist says.
    pub fn stop(&self, options: StopOptions) -> Result<SandboxState> {
        self.call("stop", &options)
    }

    /// Freezes everything that runs in the sandbox; the next use of it goes on where it
    /// stood.
    pub fn pause(&self) -> Result<SandboxState> {
        self.call("pause", &Nothing)
    }

    /// Lets a paused sandbox run on.
    pub fn resume(&self) -> Result<SandboxState> {
        self.call("resume", &Nothing)
    }

    /// Removes the sandbox with everything it wrote and its exposures.
    pub fn destroy(&self) -> Result<()> {
        self.tell("destroy", &Nothing)
    }

    /// Counts as use of the sandbox, so that it sleeps later.
    pub fn touch(&self) -> Result<SandboxState> {
        self.call("touch", &Nothing)
    }

    /// Tells the sandbox's state without starting it.
    pub fn get_state(&self) -> Result<SandboxState> {
        self.call("getState", &Nothing)
    }

    /// Tells all that the edge knows of the sandbox without starting it.
    pub fn inspect(&self) -> Result<Inspection> {
        self.call("inspect", &Nothing)
    }

    /// Sets variables for every command that is started from now on, and after each later
    /// start of the sandbox; `None` takes one back.
    pub fn set_env_vars(&self, vars: &[(&str, Option<&str>)]) -> Result<()> {
        let env_vars: BTreeMap<_, _> = vars.iter().map(|(k, v)| (k.to_string(), v.map(str::to_string))).collect();
        self.tell("setEnvVars", &SetEnvVarsOptions { env_vars })
    }

    /// Runs a command to its end: a text, which is run by /bin/sh -c, or options. A command
    /// that fails is an answer, not an error.
    ///
    /// ```ignore
    /// sandbox.exec("ls -la")?;
    /// sandbox.exec(ExecOptions { cwd: "/tmp".into(), ..ExecOptions::from("ls -la") })?;
    /// ```
    pub fn exec(&self, what: impl Into<ExecOptions>) -> Result<ExecResult> {
        self.call("exec", &what.into())
    }

    /// Carries out an operation by its name, such as one that is newer than this SDK, with
    /// the fields that abi/REFERENCE.md lists.
    pub fn op(&self, name: &str, request: &Value) -> Result<Value> {
        self.call(name, request)
    }

    /// Carries out an operation and reads its answer.
    pub(crate) fn call<T: Field>(&self, op: &str, request: &impl Field) -> Result<T> {
        let answer = self.operate(op, &self.envelope(request))?;
        Value::parse(&answer).and_then(|v| T::read(&v)).ok_or_else(|| {
            let mut e = Error::new(Code::Internal, [op, ": the edge's answer cannot be read"].concat());
            e.started = Started::Yes;
            e
        })
    }

    fn operate(&self, op: &str, json: &str) -> Result<Vec<u8>> {
        let handle = self.req.handle;
        let mut out = Vec::with_capacity(1024);
        let result = border::op(handle, op, json.as_bytes(), &mut out);
        collect(handle, result, out).map_err(|number| failure(handle, op, number))
    }

    /// [`call`](Sandbox::call) for an operation whose answer says nothing that its caller
    /// wants: the answer stays with the edge.
    pub(crate) fn tell(&self, op: &str, request: &impl Field) -> Result<()> {
        let handle = self.req.handle;
        match split(border::op(handle, op, self.envelope(request).as_bytes(), &mut Vec::new())) {
            (errno::OK, _) => Ok(()),
            (number, _) => Err(failure(handle, op, number)),
        }
    }

    /// Begins an operation that is a stream, and returns its handle.
    pub(crate) fn open_stream(&self, op: &str, request: &impl Field) -> Result<u32> {
        let handle = self.req.handle;
        match split(border::op_open(handle, op, self.envelope(request).as_bytes())) {
            (errno::OK, low) => Ok(low as u32),
            (number, _) => Err(failure(handle, op, number)),
        }
    }

    /// The operation's JSON: the request's fields beside the sandbox's name.
    fn envelope(&self, request: &impl Field) -> String {
        let mut w = Writer::default();
        w.begin_object();
        w.key("sandbox");
        w.begin_object();
        w.key("binding");
        w.string(&self.binding);
        w.key("id");
        w.string(&self.id);
        if !self.options.is_empty() {
            w.fields_of(&self.options);
        }
        w.end_object();
        w.fields_of(request);
        w.end_object();
        w.into_string()
    }

    /// What the edge would say of the handle and the port, early enough for the handler to
    /// act on it.
    pub(crate) fn check(&self, port: u16) -> Result<()> {
        check_id(&self.id)?;
        if port < 1024 {
            return Err(Error::new(Code::InvalidPort, format!("port {} is not between 1024 and 65535", port)));
        }
        Ok(())
    }
}

/// A request without fields.
pub(crate) struct Nothing;

impl Field for Nothing {
    fn is_empty(&self) -> bool {
        true
    }

    fn write(&self, w: &mut Writer) {
        w.begin_object();
        w.end_object();
    }

    fn read(_: &Value) -> Option<Self> {
        Some(Nothing)
    }
}

/// Checks a sandbox id: `[a-z0-9]` and inner `-`, in any case, 1 to 40 characters, not a
/// reserved word.
pub(crate) fn check_id(id: &str) -> Result<()> {
    let broken = if id.is_empty() {
        "is empty"
    } else if id.len() > 40 {
        "is longer than 40 characters"
    } else if id.starts_with('-') || id.ends_with('-') {
        "begins or ends with \"-\""
    } else if ["www", "api", "admin", "root", "system"].iter().any(|word| id.eq_ignore_ascii_case(word)) {
        "is a reserved word"
    } else if !id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
        "holds a character that is not a-z, 0-9 or \"-\""
    } else {
        return Ok(());
    };
    let shown: String = id.chars().take(60).collect();
    Err(Error::new(Code::InvalidSandboxId, format!("sandbox id {:?} {}", shown, broken))
        .suggest("use 1 to 40 characters of a-z, 0-9 and inner \"-\""))
}

macro_rules! from_command {
    ($($options:ident)*) => {
        $(
            impl From<&str> for $options {
                fn from(command: &str) -> Self {
                    $options { command: command.to_string(), ..$options::default() }
                }
            }

            impl From<String> for $options {
                fn from(command: String) -> Self {
                    $options { command, ..$options::default() }
                }
            }
        )*
    };
}

from_command! { ExecOptions ExecStreamOptions StartProcessOptions }

/// The error of a stream or socket whose message cannot be read.
pub(crate) fn unreadable(op: &str) -> Error {
    meaning(op, errno::INTERNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for good in ["a", "my-sandbox", "A-1", &"a".repeat(40)] {
            assert!(check_id(good).is_ok(), "{}", good);
        }
        for bad in ["", "-a", "a-", "www", "API", "a_b", "a b", "ä", &"a".repeat(41)] {
            assert_eq!(check_id(bad).unwrap_err().code, Code::InvalidSandboxId, "{}", bad);
        }
    }
}
