package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"edge/abi"
)

// TestSleepAndWake lets a sandbox sleep: not while somebody is connected, soon
// after, and the next connection wakes it. The plugin's hook is told.
func TestSleepAndWake(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		s := withProbe(t, examples(runtime))
		s.binding = "sleepAfter: 6s"
		e := newEdge(t, s)
		b := &box{e: e, id: "sleepy"}
		ws := e.dial("/ws/echo?id=sleepy")
		e.eventually("only the connection keeps it awake", func() error {
			st := b.state(t)
			if st.State != abi.StateRunning || st.SleepsAt != nil || !slices.Equal(st.Why, []string{"1 connection"}) {
				return fmt.Errorf("%s, sleeps at %v, because of %v", st.State, st.SleepsAt, st.Why)
			}
			return nil
		})
		if err := echo(ws, "still here"); err != nil {
			t.Fatal(err)
		}
		if err := ws.Close(); err != nil {
			t.Fatal(err)
		}
		e.eventually("it sleeps", func() error {
			if st := b.state(t); st.State != abi.StateStopped || len(st.Why) == 0 || !strings.Contains(st.Why[0], "idle") {
				return fmt.Errorf("%s, because of %v", st.State, st.Why)
			}
			return nil
		})
		if err := echo(e.dial("/ws/echo?id=sleepy"), "again"); err != nil {
			t.Fatal(err)
		}
		if st := b.state(t); st.State != abi.StateRunning || st.Generation != 2 {
			t.Errorf("after waking it is %s, generation %d", st.State, st.Generation)
		}
		e.eventually("the hook was told", func() error {
			said := e.log.String()
			for _, want := range []string{"msg=hook plugin=probe", "event=start", "event=stop", "reason=sleep"} {
				if !strings.Contains(said, want) {
					return fmt.Errorf("the log lacks %q", want)
				}
			}
			return nil
		})
	})
}

func (b *box) state(t testing.TB) abi.SandboxState {
	t.Helper()
	var st abi.SandboxState
	if err := b.call(abi.GetState.Name(), nil, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestWarm takes a sandbox from the pool, which is filled again; a crash leaves
// no machine over.
func TestWarm(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, settings{runtime: runtime, binding: "warm: 1, env: {A: one}"})
		b := &box{e: e, id: "first", facts: nothing()}
		var seen abi.Inspection
		e.eventually("a machine was ready", func() error {
			b.facts = nothing()
			if err := b.call(abi.Destroy.Name(), nil, nil); err != nil {
				return err
			}
			if err := errors.Join(b.call(abi.Start.Name(), nil, nil), b.call(abi.Inspect.Name(), nil, &seen)); err != nil {
				return err
			}
			if !strings.Contains(seen.Machine, ".warm.") {
				return fmt.Errorf("it runs on %s", seen.Machine)
			}
			return nil
		})
		var out abi.ExecResponse
		if err := b.call(abi.Exec.Name(), abi.ExecRequest{Command: "echo $A; pwd; touch kept"}, &out); err != nil || out.Stdout != "one\n/workspace\n" {
			t.Errorf("a sandbox from the pool says %q, %v", out.Stdout, err)
		}
		e.kill()
		e.start()
		if err := b.call(abi.Exec.Name(), abi.ExecRequest{Command: "ls"}, &out); err != nil || out.Stdout != "kept\n" {
			t.Errorf("after a crash it says %q, %v", out.Stdout, err)
		}
		if st := b.state(t); st.Generation != seen.Generation {
			t.Errorf("generation %d became %d", seen.Generation, st.Generation)
		}
		if err := b.call(abi.Destroy.Name(), nil, nil); err != nil {
			t.Fatal(err)
		}
		owner := strings.Split(seen.Machine, ".")[1]
		e.stop()
		e.nothingLeft(runtime, owner)
	})
}

// TestEventStream follows a process over server-sent events, breaks off, and goes
// on where it was, across a crash of the edge.
func TestEventStream(t *testing.T) {
	e := newEdge(t, settings{runtime: "process"})
	b := &box{e: e, id: "logs", facts: nothing()}
	req := abi.StartProcessRequest{ProcessID: "count", Command: "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.005; done"}
	if err := b.call(abi.StartProcess.Name(), req, nil); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	last, ended := "", false
	for round := 0; !ended; round++ {
		last, ended = b.follow(t, last, 40, &got)
		if round == 2 {
			e.kill()
			e.start()
		}
	}
	var want strings.Builder
	for i := range 400 {
		fmt.Fprintln(&want, i)
	}
	if got.String() != want.String() {
		t.Errorf("followed %d bytes, want %d: %q", got.Len(), want.Len(), got.String())
	}
}

// follow reads at most n events after the one with that id, and returns the last
// id and whether the process has ended.
func (b *box) follow(t *testing.T, last string, n int, got *strings.Builder) (id string, ended bool) {
	t.Helper()
	body := strings.NewReader(`{"processId": "count", "follow": true}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http"+restDoor{b.e, b.id}.path("streamLogs"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := b.e.admin().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(ct, "text/event-stream") {
		t.Fatalf("status %d, %s", resp.StatusCode, ct)
	}
	id = last
	for lines := bufio.NewScanner(resp.Body); n > 0 && lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "data":
			n--
			var ev abi.LogEvent
			if err := json.Unmarshal([]byte(value), &ev); err != nil {
				t.Fatal(err)
			}
			switch ev.Type {
			case abi.LogStdout:
				got.WriteString(ev.Data)
			case abi.LogExit:
				return id, true
			default:
				t.Fatalf("event %s", value)
			}
			if ev.Cursor != id {
				t.Errorf("the event's id is %q, its cursor %q", id, ev.Cursor)
			}
		}
	}
	return id, false
}
