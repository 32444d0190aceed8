package main

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"edge/abi"
	"edge/host"
	"edge/sandboxmgr"
)

func TestConsoleLines(t *testing.T) {
	t.Parallel()
	ref := abi.SandboxRef{Binding: "Sandbox", ID: "one"}
	tests := []struct {
		name  string
		print func(*console)
		want  string
	}{
		{"plain", func(c *console) { c.line(greenText, "reload", "echo %s", milliseconds(311600*time.Microsecond)) }, "reload echo 312 ms\n"},
		{"control characters", func(c *console) { c.line(dimText, "output", "a\x1b[2Jb\x07\u009bc\td") }, "output a\uFFFD[2Jb\uFFFD\uFFFDc\td\n"},
		{"created", func(c *console) { c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventCreated, Ref: ref}) }, "sandbox Sandbox/one created\n"},
		{"started", func(c *console) {
			c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventStarted, Ref: ref, Generation: 2, Duration: time.Second})
		}, "sandbox Sandbox/one started, generation 2, 1000 ms\n"},
		{"lost", func(c *console) {
			c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventLost, Ref: ref, Text: "exit code 137"})
		}, "sandbox Sandbox/one lost: exit code 137\n"},
		{"stopped, asked to", func(c *console) {
			c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventStopped, Ref: ref, Text: "stopped"})
		}, "sandbox Sandbox/one stopped\n"},
		{"stopped", func(c *console) { c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventStopped, Ref: ref}) }, "sandbox Sandbox/one stopped\n"},
		{"port opened", func(c *console) {
			c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventPortOpened, Ref: ref, Text: "8080 by process web"})
		}, "port Sandbox/one listens on 8080 by process web\n"},
		{"port closed", func(c *console) {
			c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventPortClosed, Ref: ref, Text: "8080"})
		}, "port Sandbox/one does not listen on 8080 any more\n"},
		{"output", func(c *console) {
			c.sandboxEvent(sandboxmgr.Event{Kind: sandboxmgr.EventOutput, Ref: ref, Text: "web listening"})
		}, "output Sandbox/one web listening\n"},
		{"websocket", func(c *console) {
			c.requestEvent(host.Event{Kind: host.EventWebSocketOpened, Path: "/ws/echo", Sandbox: ref, Port: 8080})
		}, "websocket /ws/echo opened to Sandbox/one port 8080\n"},
		{"websocket closed", func(c *console) {
			c.requestEvent(host.Event{Kind: host.EventWebSocketClosed, Path: "/ws/echo", Duration: 1500 * time.Millisecond, Messages: 4, Close: "1000"})
		}, "websocket /ws/echo closed after 1.5s, 4 messages, 1000\n"},
		{"answered", func(c *console) {
			c.requestEvent(host.Event{Kind: host.EventAnswered, Method: "GET", Path: "/", Status: 200})
		}, ""},
		{"failed", func(c *console) {
			c.requestEvent(host.Event{Kind: host.EventAnswered, Method: "GET", Path: "/", Status: 502})
		}, "answered GET / 502\n"},
		{"build error", func(c *console) {
			c.failure("echo", &buildError{"echo", []string{"./main.go:3:1: syntax error"}}, true)
		}, "build echo does not build; the version before it goes on serving\n  | ./main.go:3:1: syntax error\n"},
		{"refused", func(c *console) { c.failure("echo", errors.New("no marker"), false) },
			"refused echo; nothing serves until it is mended\n  | no marker\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			tt.print(newConsole(&b, func(string) string { return "" }))
			if b.String() != tt.want {
				t.Errorf("printed %q, want %q", b.String(), tt.want)
			}
		})
	}
}

func TestConsoleLog(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"below the level", func(l *slog.Logger) { l.Debug("x") }, ""},
		{"values", func(l *slog.Logger) { l.Warn("not ready", "error", "no engine answers", "code", 3, "none", "") },
			"warn not ready error=\"no engine answers\" code=3\n"},
		{"plugin", func(l *slog.Logger) {
			l.With("plugin", "echo", "generation", 2, "digest", "d").Info("hello", "stream", "stdout")
		},
			"info echo: hello\n"},
		{"group", func(l *slog.Logger) { l.WithGroup("a").With("b", 1).Info("x", "c", 2) }, "info x a.b=1 a.c=2\n"},
		{"stack", func(l *slog.Logger) {
			l.Error("handler panicked", "stack", "main.handle()\n\tmain.go:3\n", "request", "r-1")
		},
			"error handler panicked request=r-1\n  | main.handle()\n  | \tmain.go:3\n"},
		{"several lines", func(l *slog.Logger) { l.Error("Error: no\n    at fetch (worker.ts:1:2)", "request", "r-1") },
			"error Error: no request=r-1\n    at fetch (worker.ts:1:2)\n"},
		{"what a Worker said", func(l *slog.Logger) {
			l.Error("request failed", "request", "r-1", "error", abi.Errorf(abi.CodePluginFailed, "the Worker threw an exception"))
		}, ""},
		{"what no Worker said", func(l *slog.Logger) {
			l.Error("request failed", "request", "r-1", "error", abi.Errorf(abi.CodePluginFailed, "the plugin failed"))
		},
			"error request failed request=r-1 error=\"PLUGIN_FAILED: the plugin failed\"\n"},
		{"control characters", func(l *slog.Logger) { l.Info("a\x1b[2J", "k", "\x07") }, "info a\uFFFD[2J k=\uFFFD\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			tt.log(slog.New(newConsole(&b, func(string) string { return "" }).handler(slog.LevelInfo)))
			if b.String() != tt.want {
				t.Errorf("printed %q, want %q", b.String(), tt.want)
			}
		})
	}
}

func TestConsoleColours(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	c := &console{w: &b, colour: true}
	c.line(redText, "lost", "x")
	c.line(plainText, "plain", "x")
	c.block(redText, "build", "x", []string{"y"})
	want := "\x1b[31mlost\x1b[0m x\nplain x\n\x1b[31mbuild\x1b[0m x\n\x1b[31m  | \x1b[0my\n"
	if b.String() != want {
		t.Errorf("printed %q, want %q", b.String(), want)
	}
}
