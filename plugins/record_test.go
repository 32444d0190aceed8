package plugins

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"edge/abi"
)

// memo is a Recorder that keeps what it is shown; it skips requests to /skip.
type memo struct {
	mu    sync.Mutex
	lines []string
}

func (m *memo) add(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, line)
}

func (m *memo) Begin(s Settings, req *abi.Request, services Services) (Services, Recording) {
	if req.Path == "/skip" {
		return services, nil
	}
	m.add("begin " + s.Plugin + " " + s.Spec.Name + " " + req.Path)
	services.Operations = memoOperations{m, services.Operations}
	return services, memoRecording{m}
}

type memoOperations struct {
	memo *memo
	real Operations
}

func (o memoOperations) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	answer, err := o.real.Operate(ctx, name, body)
	o.memo.add("op " + name + " " + string(answer))
	return answer, err
}

type memoRecording struct{ memo *memo }

func (r memoRecording) Over() { r.memo.add("over") }

func (r memoRecording) End(d abi.Decision, err error, e *abi.Explanation) {
	r.memo.add("end " + e.Verdict.Decision + " " + e.Plugin)
}

// answers is an Operations that answers every operation alike.
type answers string

func (a answers) Operate(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(a), nil
}

// TestRecorder has requests recorded with their host calls, one of them not.
func TestRecorder(t *testing.T) {
	t.Parallel()
	var m memo
	b := newBench(t, Config{Recorder: &m, Services: Services{Operations: answers(`{"ok":1}`)}})
	g := newAsm()
	p := b.load(t, g.script(g.record("op", req(), "exec", `{"sandbox":{"binding":"S","id":"a"}}`, region{0, 0})))
	decide(t, p, newRequest())
	skipped := newRequest()
	skipped.Path = "/skip"
	decide(t, p, skipped)
	var e abi.Explanation // the host asked, too: both are told
	if _, err := p.Decide(WithExplanation(t.Context(), &e), newRequest()); err != nil || e.Verdict.Decision != "respond" {
		t.Errorf("explained %+v, %v", e, err)
	}
	one := []string{"begin p p /x%20y", `op exec {"ok":1}`, "end respond p", "over"}
	if want := slices.Concat(one, one); !slices.Equal(m.lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(m.lines, "\n"), strings.Join(want, "\n"))
	}
}
