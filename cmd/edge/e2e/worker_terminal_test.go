package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// terminalWorker gives everybody a terminal.
const terminalWorker = sdk + `
export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const sandbox = getSandbox(env.Sandbox, "term"), url = new URL(request.url);
    switch (url.searchParams.get("how")) {
    case "session": {
      const session = await sandbox.createSession({ id: "one", cwd: "/tmp", env: { WHO: "the session" } });
      return session.terminal(request, { cols: 100, rows: 30, shell: "/bin/sh" });
    }
    case "nowhere": return sandbox.terminal(request, { session: "nowhere" });
    case "origin": return sandbox.terminal(request, { policy: { allowOrigins: ["https://app.example"] } });
    case "never": return getSandbox(env.Sandbox, "asleep").terminal(request, { wake: "never" });
    }
    return sandbox.terminal(request, { cols: 100, rows: 30, shell: "/bin/sh" });
  },
};
`

// typist is somebody at a terminal.
type typist struct {
	*websocket.Conn
	t       *testing.T
	printed string // not looked at yet
}

// sit opens a terminal, which says that it is ready.
func (w *workers) sit(t *testing.T, how string) *typist {
	t.Helper()
	p := &typist{Conn: w.dial("/terminal?how=" + how), t: t}
	if e := p.event(); e.Type != abi.TerminalReady || e.PID == 0 {
		t.Fatalf("the terminal began with %+v", e)
	}
	return p
}

// event is the next text message; what is printed before it is kept.
func (p *typist) event() abi.TerminalEvent {
	p.t.Helper()
	for {
		kind, b := p.next()
		if kind == websocket.BinaryMessage {
			p.printed += string(b)
			continue
		}
		var e abi.TerminalEvent
		if err := json.Unmarshal(b, &e); err != nil {
			p.t.Fatalf("the terminal said %s: %v", b, err)
		}
		return e
	}
}

func (p *typist) next() (int, []byte) {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	kind, b, err := p.ReadMessage()
	if err != nil {
		p.t.Fatalf("the terminal ended, after %q: %v", p.printed, err)
	}
	return kind, b
}

// types types a line, and waits until the terminal has printed a text.
func (p *typist) types(line, want string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.BinaryMessage, []byte(line+"\n")); err != nil {
		p.t.Fatal(err)
	}
	for want != "" {
		if _, after, found := strings.Cut(p.printed, want); found {
			p.printed = after
			return
		}
		kind, b := p.next()
		if kind != websocket.BinaryMessage {
			p.t.Fatalf("the terminal said %s while %q was awaited after %q", b, want, p.printed)
		}
		p.printed += string(b)
	}
}

// ends reads to the end, past what the terminal still prints, and wants it closed so.
func (p *typist) ends(code int, reason string) {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	for {
		_, _, err := p.ReadMessage()
		if err == nil {
			continue
		}
		if closed, ok := errors.AsType[*websocket.CloseError](err); !ok || closed.Code != code || closed.Text != reason {
			p.t.Errorf("the terminal ended with %v, want %d %s", err, code, reason)
		}
		return
	}
}

// refusesTerminals wants what cannot be given to be an answer, and no WebSocket.
func (w *workers) refusesTerminals(t *testing.T) {
	t.Helper()
	for _, tt := range []struct{ how, want string }{
		{"nowhere", "404 {\"code\":\"SESSION_NOT_FOUND\""}, {"never", "503 {\"code\":\"SANDBOX_ASLEEP\""},
	} {
		ws, err := dialURL("ws://" + w.addr + "/terminal?how=" + tt.how)
		if err == nil {
			ws.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.how, err, tt.want)
		}
	}
	d := websocket.Dialer{HandshakeTimeout: patience}
	if _, resp, err := d.Dial("ws://"+w.addr+"/terminal?how=origin", http.Header{"Origin": {"https://other.example"}}); resp == nil || resp.StatusCode != 403 {
		t.Errorf("a page of another site: %v, %v", resp, err)
	}
	if _, err := w.get("/terminal", 426); err != nil {
		t.Errorf("without a WebSocket: %v", err)
	}
}

// closesTerminal has an administrator close the terminal of a session, beside one
// whose connection has this number.
func (w *workers) closesTerminal(t *testing.T, beside int64) {
	t.Helper()
	p := w.sit(t, "session")
	p.types(`echo "$WHO"; pwd`, "the session\r\n/tmp\r\n")
	live := slices.DeleteFunc(w.connections("?id=term"), func(c liveConnection) bool { return c.ID == beside })
	if len(live) != 1 {
		t.Fatalf("live beside %d are %+v", beside, live)
	}
	w.edge.ask("DELETE", fmt.Sprintf("/v1/connections/%d?code=4001&reason=enough", live[0].ID), 200)
	p.ends(4001, "enough")
}

// TestWorkerTerminal has clients talk to terminals that a Worker gave them, in a
// sandbox that would sleep after a second, until they end in each way.
func TestWorkerTerminal(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime, binding: "sleepAfter: 1s"}, map[string]string{"terminal": terminalWorker})
		p := w.sit(t, "")
		p.types("echo h'i'; stty size", "hi\r\n30 100\r\n")
		if err := p.WriteMessage(websocket.TextMessage, []byte(`{"type":"resize","cols":120,"rows":50}`)); err != nil {
			t.Fatal(err)
		}
		p.types("stty size", "50 120\r\n")

		live := w.connections("?binding=Sandbox&id=term&plugin=terminal")
		if len(live) != 1 || live[0].Kind != "websocket" || live[0].Port != 0 || live[0].Preview {
			t.Fatalf("live are %+v", live)
		}
		var state abi.SandboxState
		w.box("term").must(t, "getState", &abi.Empty{}, &state)
		if state.State != abi.StateRunning || !slices.ContainsFunc(state.Why, func(s string) bool { return strings.Contains(s, "terminal") }) {
			t.Errorf("the sandbox is %s, because of %q", state.State, state.Why)
		}
		w.closesTerminal(t, live[0].ID) // meanwhile the sandbox does not sleep, and has the session
		generation := state.Generation
		p.types("sleep 3; echo stay'ed'", "stayed\r\n") // longer than sleepAfter
		if w.box("term").must(t, "getState", &abi.Empty{}, &state); state.Generation != generation {
			t.Errorf("the sandbox slept under the terminal: run %d, then %d", generation, state.Generation)
		}

		p.types("exit 3", "")
		if e := p.event(); e.Type != abi.TerminalExit || e.ExitCode == nil || *e.ExitCode != 3 {
			t.Errorf("the terminal ended with %+v", e)
		}
		p.ends(websocket.CloseNormalClosure, "")
		p.Close()
		w.wantConnections(0)

		p = w.sit(t, "")
		if err := p.WriteMessage(websocket.TextMessage, []byte("no JSON")); err != nil {
			t.Fatal(err)
		}
		p.ends(websocket.CloseProtocolError, "the message is malformed: invalid character 'o' in literal null (expecting 'u')")
		p = w.sit(t, "")
		w.box("term").must(t, "stop", &abi.StopRequest{}, nil)
		p.ends(websocket.CloseServiceRestart, "the sandbox is stopping")
		w.refusesTerminals(t)

		p = w.sit(t, "")
		var stopping sync.WaitGroup
		stopping.Go(w.stop)
		p.ends(websocket.CloseGoingAway, "going away")
		stopping.Wait()
	})
}
