package initlink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// TestOlderInit plays an init of version 1, byte by byte: everything that this
// version had works, and what needs streams is UNSUPPORTED.
func TestOlderInit(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	c := h.park()
	said := make(chan string)
	go func() { // what comes over the connection, a whole call at a time
		defer close(said)
		var call bytes.Buffer
		b := make([]byte, 1)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			call.Write(b)
			if bytes.HasSuffix(call.Bytes(), []byte("\x00\x00\x00\x00\x05")) {
				said <- call.String()
				call.Reset()
			}
		}
	}()
	answer := frame(initproto.TypeResult, "{}") + frame(initproto.TypeData, `{"any`) + frame(initproto.TypeData, `":"thing","newer":1}`) + frame(initproto.TypeEnd, "")
	refusal := frame(initproto.TypeResult, `{"error":{"code":"NOT_FOUND","message":"m","retryable":false,"started":"no"}}`) +
		frame(initproto.TypeData, `{"a":1}`) + frame(initproto.TypeEnd, "")
	ops := []string{initproto.OpPing, initproto.OpListeningPorts, initproto.OpShutdown}
	for _, row := range abi.Operations {
		if row.Kind() == abi.KindCall {
			ops = append(ops, row.Name())
			continue
		}
		_, err := h.Open(within(t), row.Name(), nil)
		wantCode(t, err, abi.CodeUnsupported)
	}
	for op, req := range map[string]any{
		"exec": &abi.ExecRequest{Command: "id", User: "nobody"}, "startProcess": &abi.StartProcessRequest{Command: "id", Session: "s"},
	} {
		wantCode(t, h.Call(within(t), op, req, nil), abi.CodeUnsupported)
	}
	for _, op := range ops {
		done := make(chan error, 2)
		var got struct{ Any string }
		go func() {
			done <- h.Call(t.Context(), op, map[string]int{"x": 1}, &got)
			done <- h.Call(t.Context(), op, nil, nil)
		}()
		head := fmt.Sprintf(`{"op":%q}`, op)
		if b, want := <-said, frame(initproto.TypeCall, head)+frame(initproto.TypeData, `{"x":1}`)+frame(initproto.TypeEnd, ""); b != want {
			t.Errorf("%s: the edge said %q, want %q", op, b, want)
		}
		io.WriteString(c, answer)
		if err := <-done; err != nil || got.Any != "thing" {
			t.Errorf("%s: %+v, %v", op, got, err)
		}
		<-said
		io.WriteString(c, refusal)
		if e := wantCode(t, <-done, abi.CodeNotFound); string(e.Details) != `{"a":1}` {
			t.Errorf("%s: details %s", op, e.Details)
		}
	}
	tunnelled := make(chan net.Conn, 1)
	go func() {
		tc, err := h.Tunnel(t.Context(), 8080)
		if err != nil {
			t.Error(err)
		}
		tunnelled <- tc
	}()
	if b := <-said; !bytes.Contains([]byte(b), []byte(`"op":"tunnel"`)) || !bytes.Contains([]byte(b), []byte(`{"port":8080}`)) {
		t.Errorf("the edge said %q", b)
	}
	io.WriteString(c, frame(initproto.TypeResult, "{}")+"raw")
	tc := <-tunnelled
	if tc == nil {
		t.Fatal("no tunnel")
	}
	defer tc.Close()
	b := make([]byte, 3)
	if _, err := io.ReadFull(tc, b); err != nil || string(b) != "raw" {
		t.Errorf("through the tunnel %q, %v", b, err)
	}
	if h.violations() != 0 {
		t.Errorf("%d violations", h.violations())
	}
}

// olderEdge is an edge of version 1 on one connection of a real init.
type olderEdge struct {
	net.Conn
	t *testing.T
	r *initproto.Reader
}

// call carries out a call as version 1 has it.
func (o *olderEdge) call(op, body string) (answer string, failure *abi.Error) {
	o.t.Helper()
	io.WriteString(o, frame(initproto.TypeCall, fmt.Sprintf(`{"op":%q,"timeoutMs":20000}`, op))+frame(initproto.TypeData, body)+frame(initproto.TypeEnd, ""))
	var res initproto.Result
	if err := o.r.Head(initproto.TypeResult, initproto.MaxFrame, &res); err != nil {
		o.t.Fatalf("%s: %v", op, err)
	}
	b, err := o.r.Body(initproto.MaxBody, nil)
	if err != nil {
		o.t.Fatalf("%s: %v", op, err)
	}
	return string(b), res.Error
}

// TestOlderEdge plays an edge of version 1 before a real init: it is spoken to as
// before, and streams are refused without harm.
func TestOlderEdge(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	ln, err := net.Listen("unix", filepath.Join(dir, initproto.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	startInit(t, dir)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	o := &olderEdge{c, t, initproto.NewReader(c)}
	var hello initproto.Hello
	if err := o.r.Head(initproto.TypeHello, initproto.MaxHello, &hello); err != nil || hello.Min != 1 || hello.Max < 1 {
		t.Fatalf("hello %+v, %v", hello, err)
	}
	io.WriteString(c, frame(initproto.TypeWelcome, `{"version":1}`))
	if got, failure := o.call("exec", `{"command":"echo hi"}`); failure != nil || !bytes.Contains([]byte(got), []byte(`"stdout":"hi\n"`)) {
		t.Errorf("exec %s, %v", got, failure)
	}
	for _, row := range abi.Operations {
		if row.Kind() == abi.KindCall {
			continue
		}
		if got, failure := o.call(row.Name(), "{}"); failure == nil || failure.Code != abi.CodeUnsupported {
			t.Errorf("%s: %s, %v", row.Name(), got, failure)
		}
	}
	for _, step := range []struct{ op, body string }{
		{"startProcess", `{"processId":"p","command":"echo out"}`}, {"waitForExit", `{"processId":"p"}`}, {"getLogs", `{"processId":"p"}`},
		{"getProcess", `{"processId":"p"}`}, {"listProcesses", `{}`}, {"killProcess", `{"processId":"p"}`}, {"killAllProcesses", `{}`},
		{"waitForLog", `{"processId":"p","pattern":"out"}`}, {"writeFile", `{"path":"` + dir + `/f","content":"x"}`},
		{"readFile", `{"path":"` + dir + `/f"}`}, {"ping", `{}`}, {"listeningPorts", `{}`},
	} {
		if got, failure := o.call(step.op, step.body); failure != nil || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s, %v", step.op, got, failure)
		}
	}
	if _, failure := o.call("tunnel", `{"port":1}`); failure == nil || failure.Code != abi.CodePortNotListening {
		t.Errorf("tunnel: %v", failure)
	}
	_, failure := o.call("exec", `{"command":"echo so far; sleep 991","timeout":200}`)
	if failure == nil || failure.Code != abi.CodeTimeout {
		t.Errorf("timeout: %v", failure)
	}
	if _, failure := o.call("shutdown", `{}`); failure != nil {
		t.Errorf("shutdown: %v", failure)
	}
}
