//! Sessions: a working directory and variables that calls share.

use crate::error::Result;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::stream::EventStream;
use crate::types::*;

/// A handle of a session. It ends with the request; the session lives until it is deleted
/// or the sandbox stops.
pub struct Session<'s, 'r> {
    sandbox: &'s Sandbox<'r>,
    /// The session as of the call that returned this handle.
    pub state: SessionState,
}

impl<'r> Sandbox<'r> {
    /// Makes a session. An empty id has one generated.
    pub fn create_session(&self, options: SessionOptions) -> Result<Session<'_, 'r>> {
        Ok(Session { sandbox: self, state: self.call("createSession", &options)? })
    }

    /// A session by its id.
    pub fn get_session(&self, id: &str) -> Result<Session<'_, 'r>> {
        Ok(Session { sandbox: self, state: self.call("getSession", &NamedSession { id: id.to_string() })? })
    }

    /// Forgets a session and kills what was started through it.
    pub fn delete_session(&self, id: &str) -> Result<()> {
        self.tell("deleteSession", &NamedSession { id: id.to_string() })
    }
}

impl<'s, 'r> Session<'s, 'r> {
    /// What names the session.
    pub fn id(&self) -> &str {
        &self.state.id
    }

    /// [`Sandbox::exec`] in this session.
    pub fn exec(&self, what: impl Into<ExecOptions>) -> Result<ExecResult> {
        self.sandbox.exec(ExecOptions { session: self.state.id.clone(), ..what.into() })
    }

    /// [`Sandbox::exec_stream`] in this session.
    pub fn exec_stream(&self, what: impl Into<ExecStreamOptions>) -> Result<EventStream<'r, ExecEvent>> {
        self.sandbox.exec_stream(ExecStreamOptions { session: self.state.id.clone(), ..what.into() })
    }

    /// [`Sandbox::start_process`] in this session.
    pub fn start_process(&self, what: impl Into<StartProcessOptions>) -> Result<Process<'s, 'r>> {
        self.sandbox.start_process(StartProcessOptions { session: self.state.id.clone(), ..what.into() })
    }

    /// [`Sandbox::delete_session`] for this session.
    pub fn delete(self) -> Result<()> {
        self.sandbox.delete_session(&self.state.id)
    }
}
