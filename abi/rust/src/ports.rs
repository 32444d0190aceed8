//! Exposures, and decisions for ports.

use crate::border;
use crate::error::{Error, Result};
use crate::request::Request;
use crate::response::{target, Response};
use crate::sandbox::{check_id, Nothing, Sandbox};
use crate::types::*;
use std::time::Duration;

impl<'r> Sandbox<'r> {
    /// Makes a port reachable by a preview URL. Exposing again changes what is given and
    /// keeps the rest, token and URL first of all.
    pub fn expose_port(&self, port: u16, options: ExposeOptions) -> Result<ExposedPort> {
        self.call("exposePort", &ExposeOptions { port, ..options })
    }

    /// Takes the URL back and closes the live connections that came through it. A port that
    /// is not exposed is no error.
    pub fn unexpose_port(&self, port: u16) -> Result<()> {
        self.tell("unexposePort", &UnexposePortOptions { port, ..Default::default() })
    }

    /// [`unexpose_port`](Sandbox::unexpose_port), but what came through the URL may go on for
    /// so long, at most an hour. New requests are refused at once.
    pub fn drain_port(&self, port: u16, drain: Duration) -> Result<()> {
        self.tell("unexposePort", &UnexposePortOptions { port, drain })
    }

    /// [`unexpose_port`](Sandbox::unexpose_port) by its other name.
    pub fn close_port(&self, port: u16) -> Result<()> {
        self.unexpose_port(port)
    }

    /// The sandbox's exposures, by port.
    pub fn get_exposed_ports(&self) -> Result<Vec<ExposedPort>> {
        let answer: ExposedPorts = self.call("getExposedPorts", &Nothing)?;
        Ok(answer.ports)
    }

    /// Whether a port is exposed.
    pub fn is_port_exposed(&self, port: u16) -> Result<bool> {
        let answer: BoolResponse = self.call("isPortExposed", &NamedPort { port })?;
        Ok(answer.value)
    }

    /// Whether a token is the port's.
    pub fn validate_port_token(&self, port: u16, token: &str) -> Result<bool> {
        let answer: BoolResponse = self.call("validatePortToken", &TokenOptions { port, token: token.to_string() })?;
        Ok(answer.value)
    }

    /// The TCP ports that something in the sandbox listens on, exposed or not. It starts
    /// nothing: a sandbox that does not run has none.
    pub fn get_listening_ports(&self) -> Result<Vec<ListeningPort>> {
        let answer: ListeningPorts = self.call("getListeningPorts", &Nothing)?;
        Ok(answer.ports)
    }

    /// Signs a link to a port that is exposed with `token_in` "request". It shows no
    /// token and ends by itself.
    pub fn create_preview_link(&self, port: u16, options: PreviewLinkOptions) -> Result<PreviewLink> {
        self.call("createPreviewLink", &PreviewLinkOptions { port, ..options })
    }

    /// Decides to splice the client's WebSocket with a port of the sandbox: the frames do
    /// not pass through the plugin, and the handler is done when it has returned the
    /// response. Refused here are a request that is no upgrade (`UPGRADE_REQUIRED`, answered
    /// 426), a bad id and a bad port; whether anything listens on the port shows afterwards
    /// and is answered by the edge.
    pub fn ws_connect(&self, req: &Request, port: u16) -> Result<Response<'r>> {
        if !req.is_upgrade() {
            return Err(Error::new(Code::UpgradeRequired, "this address speaks WebSocket only")
                .suggest("connect with a WebSocket client, which sends Upgrade: websocket and Connection: Upgrade"));
        }
        self.check(port)?;
        Ok(target("wsConnect", border::connect, self, port))
    }

    /// Decides to relay the request, upgrade or not, to a port of the sandbox, with what was
    /// edited on it. Refused here are a bad id and a bad port.
    pub fn proxy_to(&self, _: &Request, port: u16) -> Result<Response<'r>> {
        self.check(port)?;
        Ok(target("proxyTo", border::proxy, self, port))
    }

    /// Decides to serve a preview of this sandbox; a request for no preview goes to the
    /// sandbox's only exposed port. None or several exposed is answered 404.
    pub fn proxy_to_sandbox(&self, _: &Request) -> Result<Response<'r>> {
        check_id(self.id())?;
        Ok(target("proxyToSandbox", border::proxy, self, 0))
    }
}
