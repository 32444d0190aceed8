//! Processes that live on after the request.

use crate::error::Result;
use crate::json::Field;
use crate::sandbox::{Nothing, Sandbox};
use crate::types::*;
use std::time::Duration;

/// A handle of a process that [`Sandbox::start_process`] started. It ends with the request,
/// the process does not.
pub struct Process<'s, 'r> {
    sandbox: &'s Sandbox<'r>,
    /// The process as of the call that returned this handle.
    pub state: ProcessState,
}

impl<'r> Sandbox<'r> {
    /// Starts a process that lives on after the request: a text, which is run by /bin/sh -c,
    /// or options. A running process of the same id is `PROCESS_ALREADY_EXISTS`, unless
    /// `if_running` says otherwise.
    pub fn start_process(&self, what: impl Into<StartProcessOptions>) -> Result<Process<'_, 'r>> {
        self.process("startProcess", &what.into())
    }

    /// A process by its id, ended ones included.
    pub fn get_process(&self, process_id: &str) -> Result<Process<'_, 'r>> {
        self.process("getProcess", &NamedProcess { process_id: process_id.to_string() })
    }

    /// Every process that [`start_process`](Sandbox::start_process) started, oldest first,
    /// ended ones included.
    pub fn list_processes(&self) -> Result<Vec<Process<'_, 'r>>> {
        let list: ProcessList = self.call("listProcesses", &Nothing)?;
        Ok(list.processes.into_iter().map(|state| Process { sandbox: self, state }).collect())
    }

    /// Signals the process's whole group (TERM by default), kills it after the grace (5 s),
    /// waits for its end, and returns its last state.
    pub fn kill_process(&self, process_id: &str, options: KillOptions) -> Result<Process<'_, 'r>> {
        self.process("killProcess", &KillOptions { process_id: process_id.to_string(), ..options })
    }

    /// Kills every process that [`start_process`](Sandbox::start_process) started, and
    /// returns how many were running.
    pub fn kill_all_processes(&self, options: KillAllOptions) -> Result<i64> {
        let answer: KillAllResponse = self.call("killAllProcesses", &options)?;
        Ok(answer.count)
    }

    /// What a process printed, as far as the ring (1 MiB a stream) still holds it.
    pub fn get_logs(&self, process_id: &str, options: LogsOptions) -> Result<Logs> {
        self.call("getLogs", &LogsOptions { process_id: process_id.to_string(), ..options })
    }

    /// Waits until a port can be reached on the very path that traffic takes, 30 s by
    /// default: a port, or options. With a `process_id` it also says at once when that
    /// process is unknown (`PROCESS_NOT_FOUND`) or has ended
    /// (`PROCESS_EXITED_BEFORE_READY`); a port that stays shut is `PROCESS_READY_TIMEOUT`,
    /// its details a [`NotReady`].
    pub fn wait_for_port(&self, what: impl Into<WaitForPortOptions>) -> Result<()> {
        self.tell("waitForPort", &what.into())
    }

    /// Waits until a line of the process's output contains the pattern, or matches it with
    /// `regexp`; what was printed before counts.
    pub fn wait_for_log(&self, process_id: &str, pattern: &str, options: WaitForLogOptions) -> Result<LogMatch> {
        self.call(
            "waitForLog",
            &WaitForLogOptions { process_id: process_id.to_string(), pattern: pattern.to_string(), ..options },
        )
    }

    /// Waits until the process has ended. A zero timeout waits as long as the request's
    /// deadline lets it.
    pub fn wait_for_exit(&self, process_id: &str, timeout: Duration) -> Result<ExitStatus> {
        self.call("waitForExit", &WaitForExitOptions { process_id: process_id.to_string(), timeout })
    }

    fn process(&self, op: &str, request: &impl Field) -> Result<Process<'_, 'r>> {
        Ok(Process { sandbox: self, state: self.call(op, request)? })
    }
}

impl From<u16> for WaitForPortOptions {
    fn from(port: u16) -> Self {
        WaitForPortOptions { port, ..WaitForPortOptions::default() }
    }
}

impl Process<'_, '_> {
    /// What names the process.
    pub fn id(&self) -> &str {
        &self.state.id
    }

    /// [`Sandbox::wait_for_port`] that ends early when this process does.
    pub fn wait_for_port(&self, what: impl Into<WaitForPortOptions>) -> Result<()> {
        self.sandbox.wait_for_port(WaitForPortOptions { process_id: self.state.id.clone(), ..what.into() })
    }

    /// [`Sandbox::wait_for_log`] for this process.
    pub fn wait_for_log(&self, pattern: &str, options: WaitForLogOptions) -> Result<LogMatch> {
        self.sandbox.wait_for_log(self.id(), pattern, options)
    }

    /// [`Sandbox::wait_for_exit`] for this process.
    pub fn wait_for_exit(&self, timeout: Duration) -> Result<ExitStatus> {
        self.sandbox.wait_for_exit(self.id(), timeout)
    }

    /// [`Sandbox::get_logs`] for this process.
    pub fn get_logs(&self, options: LogsOptions) -> Result<Logs> {
        self.sandbox.get_logs(self.id(), options)
    }

    /// The process's status as it is now.
    pub fn get_status(&self) -> Result<Status> {
        Ok(self.sandbox.get_process(self.id())?.state.status)
    }

    /// [`Sandbox::kill_process`] for this process; the handle's state becomes the last one.
    pub fn kill(&mut self, options: KillOptions) -> Result<()> {
        self.state = self.sandbox.kill_process(&self.state.id, options)?.state;
        Ok(())
    }
}

impl std::fmt::Debug for Process<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state.fmt(f)
    }
}
