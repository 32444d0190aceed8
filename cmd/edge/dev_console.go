package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"edge/host"
	"edge/sandboxmgr"
)

// sandboxEvent prints what happened to a sandbox.
func (c *console) sandboxEvent(e sandboxmgr.Event) {
	who := e.Ref.Binding + "/" + e.Ref.ID
	switch e.Kind {
	case sandboxmgr.EventCreated:
		c.line(greenText, "sandbox", "%s created", who)
	case sandboxmgr.EventStarted:
		c.line(greenText, "sandbox", "%s started, generation %d, %s", who, e.Generation, milliseconds(e.Duration))
	case sandboxmgr.EventLost:
		c.line(redText, "sandbox", "%s lost: %s", who, e.Text)
	case sandboxmgr.EventProcessStarted:
		c.line(plainText, "process", "%s %s", who, e.Text)
	case sandboxmgr.EventProcessExited:
		c.line(yellowText, "process", "%s %s", who, e.Text)
	case sandboxmgr.EventOutput:
		c.line(dimText, "output", "%s %s", who, e.Text)
	case sandboxmgr.EventPortOpened:
		c.line(plainText, "port", "%s listens on %s", who, e.Text)
	case sandboxmgr.EventPortClosed:
		c.line(plainText, "port", "%s does not listen on %s any more", who, e.Text)
	case sandboxmgr.EventExposed:
		c.line(plainText, "exposed", "%s %s", who, e.Text)
	default:
		text := e.Text
		if text == string(e.Kind) { // why it was stopped: it was stopped
			text = ""
		}
		c.line(plainText, "sandbox", "%s", strings.TrimSpace(fmt.Sprintf("%s %s %s", who, e.Kind, text)))
	}
}

// requestEvent prints WebSockets, and requests that failed.
func (c *console) requestEvent(e host.Event) {
	where := e.Path
	if e.Preview {
		where = e.Host + e.Path
	}
	switch e.Kind {
	case host.EventWebSocketOpened:
		c.line(plainText, "websocket", "%s opened to %s/%s port %d", where, e.Sandbox.Binding, e.Sandbox.ID, e.Port)
	case host.EventWebSocketClosed:
		how := e.Close
		if e.Breach != "" {
			how += " (" + e.Breach + ")"
		}
		c.line(plainText, "websocket", "%s closed after %s, %d messages, %s", where, e.Duration.Round(time.Millisecond), e.Messages, how)
	case host.EventAnswered:
		switch {
		case e.Breach != "":
			c.line(yellowText, "answered", "%s %s %d (%s)", e.Method, where, e.Status, e.Breach)
		case e.Status >= 500:
			c.line(yellowText, "answered", "%s %s %d", e.Method, where, e.Status)
		}
	}
}

// failure prints why a plugin was not taken.
func (c *console) failure(plugin string, err error, serving bool) {
	rest := "nothing serves until it is mended"
	if serving {
		rest = "the version before it goes on serving"
	}
	var b *buildError
	if errors.As(err, &b) {
		c.block(redText, "build", fmt.Sprintf("%s does not build; %s", plugin, rest), b.lines)
		return
	}
	c.block(redText, "refused", fmt.Sprintf("%s; %s", plugin, rest), lines(err))
}

// lines splits an error's text.
func lines(err error) []string { return strings.Split(err.Error(), "\n") }
