package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// reached is every service that leads to sandboxes, and notes what came through.
type reached struct {
	mu    sync.Mutex
	calls []string
}

func (r *reached) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
}

func (r *reached) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *reached) Operate(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	ref, _, err := abi.SplitCall(abi.Lookup(name), body)
	r.note("%s %s/%s", name, ref.Binding, ref.ID)
	return json.RawMessage("{}"), err
}

func (r *reached) Open(_ context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	ref, _, err := abi.SplitCall(abi.Lookup(name), body)
	r.note("open %s %s/%s", name, ref.Binding, ref.ID)
	return nil, errors.Join(err, abi.Errorf(abi.CodeUnsupported, "no streams here"))
}

func (r *reached) OpenSocket(_ context.Context, ref abi.SandboxRef, port int, _ abi.WebSocketOptions) (abi.Socket, error) {
	r.note("socket %s/%s %d", ref.Binding, ref.ID, port)
	return nil, abi.Errorf(abi.CodeUnsupported, "no sockets here")
}

func (r *reached) services() Services { return Services{Operations: r, Streams: r, Sockets: r} }

func granting(g Grants) func(*Spec) { return func(s *Spec) { s.Grants = &g } }

// mine is what most tests grant: one team's sandboxes.
func mine() Grants {
	return Grants{
		Sandboxes: map[string][]string{"Sandbox": {"a-*"}}, Ports: []PortRange{{8080, 8089}},
		Operations: []string{"exec*", "waitForPort", "exposePort", "getState", "getExposedPorts"}, KV: "a",
	}
}

// planFor is a plan's JSON with every step.
func planFor(binding, id string, port int) string {
	return fmt.Sprintf(`{"sandbox":{"binding":%q,"id":%q},"then":"proxy","port":%d,"files":[{"path":"a","content":"b"}],
		"process":{"processId":"p","command":"true"},"ready":{}}`, binding, id, port)
}

// TestUngrantedUsesAreDenied makes every call that names a sandbox, granted and
// not: only what is granted reaches the services, and the rest says what and where.
func TestUngrantedUsesAreDenied(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		call   func(g *asm) wasmasm.Code
		what   string // of the error; "" is granted
		key    string
		reach  string
		grants func(*Grants)
	}{
		{name: "op", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "exec", `{"sandbox":{"binding":"Sandbox","id":"A-1"},"command":"x"}`, 0, 0)
		}, reach: "exec Sandbox/A-1"},
		{name: "op on another's sandbox", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "exec", `{"sandbox":{"binding":"Sandbox","id":"b-1"},"command":"x"}`, 0, 0)
		}, what: `the sandbox "b-1" of the binding Sandbox`, key: "grants.sandboxes.Sandbox"},
		{name: "op on another binding", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "exec", `{"sandbox":{"binding":"Secret","id":"a-1"},"command":"x"}`, 0, 0)
		}, what: `the binding "Secret"`, key: "grants.sandboxes"},
		{name: "op that is not granted", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "destroy", `{"sandbox":{"binding":"Sandbox","id":"a-1"}}`, 0, 0)
		}, what: `the operation "destroy"`, key: "grants.operations"},
		{name: "the last of two names counts", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "exec", `{"sandbox":{"binding":"Sandbox","id":"a-1","ID":"b-1"},"sandbox":{"binding":"Sandbox","ID":"b-2"},"command":"x"}`, 0, 0)
		}, what: `"b-2"`, key: "grants.sandboxes.Sandbox"},
		{name: "port", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "exposePort", `{"sandbox":{"binding":"Sandbox","id":"a-1"},"port":9000}`, 0, 0)
		}, what: "port 9000", key: "grants.ports"},
		{name: "the last of two ports counts", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "waitForPort", `{"sandbox":{"binding":"Sandbox","id":"a-1"},"PORT":8080,"port":9000}`, 0, 0)
		}, what: "port 9000", key: "grants.ports"},
		{name: "granted port", call: func(g *asm) wasmasm.Code {
			return g.record("op", req(), "waitForPort", `{"sandbox":{"binding":"Sandbox","id":"a-1"},"port":8085}`, 0, 0)
		}, reach: "waitForPort Sandbox/a-1"},
		{name: "stream", call: func(g *asm) wasmasm.Code {
			return g.record("op_open", req(), "execStream", `{"sandbox":{"binding":"Sandbox","id":"b-1"},"command":"x"}`)
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox"},
		{name: "socket", call: func(g *asm) wasmasm.Code {
			return g.record("ws_open", req(), "Sandbox", "b-1", 8080, "")
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox"},
		{name: "socket to a port", call: func(g *asm) wasmasm.Code {
			return g.record("ws_open", req(), "Sandbox", "a-1", 9000, "")
		}, what: "port 9000", key: "grants.ports"},
		{name: "connect", call: func(g *asm) wasmasm.Code {
			return g.record("connect", req(), "Sandbox", "b-1", 8080, "")
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox"},
		{name: "connect to a port", call: func(g *asm) wasmasm.Code {
			return g.record("connect", req(), "Sandbox", "a-1", 9000, "")
		}, what: "port 9000", key: "grants.ports"},
		{name: "connect with another's stream", call: func(g *asm) wasmasm.Code {
			return g.record("connect", req(), "Sandbox", "b-1", 0, `{"stream":{"name":"execStream","request":{"command":"x"}}}`)
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox"},
		{name: "connect with a stream", call: func(g *asm) wasmasm.Code {
			return g.record("connect", req(), "Sandbox", "a-1", 0, `{"stream":{"name":"terminal"}}`)
		}, what: `the operation "terminal"`, key: "grants.operations"},
		{name: "proxy", call: func(g *asm) wasmasm.Code {
			return g.record("proxy", req(), "Sandbox", "b-1", 8080, "")
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox"},
		{name: "proxy to the only exposed port", call: func(g *asm) wasmasm.Code {
			return g.record("proxy", req(), "Sandbox", "b-1", 0, "")
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox"},
		{name: "plan", call: func(g *asm) wasmasm.Code {
			return g.record("plan", req(), planFor("Sandbox", "b-1", 8080))
		}, what: `"b-1"`, key: "grants.sandboxes.Sandbox", grants: func(g *Grants) { g.Operations = nil }},
		{name: "plan to a port", call: func(g *asm) wasmasm.Code {
			return g.record("plan", req(), planFor("Sandbox", "a-1", 9000))
		}, what: "port 9000", key: "grants.ports", grants: func(g *Grants) { g.Operations = nil }},
		{name: "plan with files", call: func(g *asm) wasmasm.Code {
			return g.record("plan", req(), planFor("Sandbox", "a-1", 8080))
		}, what: `the operation "writeFile"`, key: "grants.operations", grants: func(g *Grants) { g.Operations = []string{"startProcess", "waitForPort"} }},
		{name: "plan with a process", call: func(g *asm) wasmasm.Code {
			return g.record("plan", req(), planFor("Sandbox", "a-1", 8080))
		}, what: `the operation "startProcess"`, key: "grants.operations", grants: func(g *Grants) { g.Operations = []string{"writeFile", "waitForPort"} }},
		{name: "plan that waits", call: func(g *asm) wasmasm.Code {
			return g.record("plan", req(), planFor("Sandbox", "a-1", 8080))
		}, what: `the operation "waitForPort"`, key: "grants.operations", grants: func(g *Grants) { g.Operations = []string{"writeFile", "startProcess"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &reached{}
			b := newBench(t, Config{Services: r.services()})
			g := newAsm()
			failure := g.buffer(1024)
			grants := mine()
			if tt.grants != nil {
				tt.grants(&grants)
			}
			p := b.load(t, g.script(tt.call(g), g.record("last_error", req(), failure)), granting(grants))
			answered, ok := decide(t, p, upgradeRequest()).(*abi.Respond)
			if !ok {
				t.Fatal("the call became the decision")
			}
			a := scriptAnswer{t, g, answered.Body}
			if got := r.all(); tt.what == "" {
				if !slices.Equal(got, []string{tt.reach}) {
					t.Errorf("reached %q, want %q", got, tt.reach)
				}
				return
			} else if len(got) > 0 {
				t.Errorf("reached %q", got)
			}
			if errno, _ := a.result(0); errno != abi.Denied {
				t.Errorf("errno %s, want DENIED", errno)
			}
			_, n := a.result(1)
			e := new(abi.Error)
			if err := json.Unmarshal(a.bytes(failure, n), e); err != nil {
				t.Fatal(err)
			}
			wantDenied(t, e, tt.what, tt.key)
			b.logged(t, notGranted)
		})
	}
}

// TestPortsOfOperations finds every operation that is about a port.
func TestPortsOfOperations(t *testing.T) {
	t.Parallel()
	for _, row := range abi.Operations {
		req := row.NewRequest()
		v := reflect.ValueOf(req).Elem()
		var field reflect.Value
		for _, f := range reflect.VisibleFields(v.Type()) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); strings.EqualFold(name, "port") {
				field = v.FieldByIndex(f.Index)
			} else if strings.Contains(strings.ToLower(f.Name), "port") && f.Type.Kind() != reflect.Map {
				t.Errorf("%s has a field %s: is it a port?", row.Name(), f.Name)
			}
		}
		if field.IsValid() {
			field.SetInt(4321)
		}
		if port, has := portOf(req); has != field.IsValid() || has && port != 4321 {
			t.Errorf("%s: portOf says %d, %v", row.Name(), port, has)
		}
	}
}

func TestUngrantedPortsAreNotShown(t *testing.T) {
	t.Parallel()
	g := mine()
	ports := []abi.ExposedPort{{Port: 8080, URL: "http://8080"}, {Port: 9000, URL: "http://secret"}}
	listening := []abi.ListeningPort{{Port: 8080, URL: "http://8080"}, {Port: 9000, URL: "http://secret"}}
	for name, answer := range map[string]any{
		"getExposedPorts":   abi.ExposedPorts{Ports: ports},
		"inspect":           abi.Inspection{ID: "a", Ports: ports},
		"getListeningPorts": abi.ListeningPorts{Ports: listening},
	} {
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.visible(name, text)
		if err != nil || strings.Contains(string(got), "secret") || !strings.Contains(string(got), "http://8080") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		whole, err := (&Grants{}).visible(name, text)
		if err != nil || !strings.Contains(string(whole), "secret") {
			t.Errorf("%s with every port granted: %s, %v", name, whole, err)
		}
	}
	if _, err := g.visible("inspect", json.RawMessage("[")); err == nil {
		t.Error("an answer that cannot be read is shown")
	}
	if got, err := g.visible("exec", json.RawMessage("[")); err != nil || string(got) != "[" {
		t.Errorf("another answer: %s, %v", got, err)
	}
}

// grantedByHand is what Grants mean, said in another way: it looks at the call as it
// would be carried out.
func grantedByHand(g *Grants, name string, ref abi.SandboxRef, req any) bool {
	glob := func(patterns []string, s string) bool {
		for _, p := range patterns {
			if regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*") + "$").MatchString(s) {
				return true
			}
		}
		return false
	}
	if g.Operations != nil && !glob(g.Operations, abi.Lookup(name).Name()) {
		return false
	}
	if !glob(g.Sandboxes[ref.Binding], strings.ToLower(ref.ID)) {
		return false
	}
	port := reflect.ValueOf(req).Elem().FieldByName("Port")
	if !port.IsValid() || g.Ports == nil {
		return true
	}
	return slices.ContainsFunc(g.Ports, func(r PortRange) bool { return int(port.Int()) >= r.First && int(port.Int()) <= r.Last })
}

// TestNoCallPassesThatIsNotGranted makes up grants and calls, with fields given
// twice and in other cases: whatever passes is granted, as it would be carried out.
func TestNoCallPassesThatIsNotGranted(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	some := func(of ...string) (list []string) {
		for _, s := range of {
			if rng.IntN(2) == 0 {
				list = append(list, s)
			}
		}
		return list
	}
	passed, refused := 0, 0
	for range 20_000 {
		g := &Grants{Sandboxes: map[string][]string{}}
		for _, b := range some("S", "T") {
			g.Sandboxes[b] = some("a*", "*b", "a-*-b", "ab")
		}
		if rng.IntN(3) > 0 {
			g.Operations = some("exec", "*Port", "get*", "unexposePort")
		}
		if rng.IntN(3) > 0 {
			g.Ports = []PortRange{{2000, 2000 + rng.IntN(3)}}
		}
		name := pick("exec", "exposePort", "unexposePort", "closePort", "waitForPort", "getState", "isPortExposed", "destroy")
		id := func() string { return pick("a", "b", "ab", "A-x-B", "aB", "b-a") }
		fields := []string{fmt.Sprintf(`%q:{%q:%q,%q:%q,%q:%q}`, pick("sandbox", "sandbox", "Sandbox"), pick("binding", "Binding"), pick("S", "T", "U"),
			pick("id", "ID"), id(), pick("id", "iD"), id())}
		if strings.Contains(strings.ToLower(name), "port") {
			fields = append(fields, fmt.Sprintf(`%q:%d`, pick("port", "PORT"), 2000+rng.IntN(4)), fmt.Sprintf(`%q:%d`, pick("port", "pORT"), 2000+rng.IntN(4)))
		}
		if rng.IntN(4) == 0 {
			fields = append(fields, fmt.Sprintf(`"sandbox":{"binding":"S","id":%q}`, id()))
		}
		rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		body := []byte("{" + strings.Join(fields, ",") + "}")
		if g.Call(name, body) != nil {
			refused++
			continue
		}
		passed++
		ref, req, err := abi.SplitCall(abi.Lookup(name), body)
		if err != nil || !grantedByHand(g, name, ref, req) {
			t.Fatalf("%s %s passed %+v (%v)", name, body, g, err)
		}
	}
	if passed < 500 || refused < 500 {
		t.Errorf("%d passed and %d were refused: the test tells little", passed, refused)
	}
}

// FuzzCalls has any JSON ask for any operation.
func FuzzCalls(f *testing.F) {
	f.Add("exec", []byte(`{"sandbox":{"binding":"Sandbox","id":"a-1"},"command":"x"}`))
	f.Add("exposePort", []byte(`{"sandbox":{"binding":"Sandbox","id":"a-1"},"port":8080}`))
	f.Add("closePort", []byte(`{"sandbox":{"binding":"Sandbox","id":"a-1","Id":"b"},"port":8080,"PoRt":1}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		g := mine()
		g.Operations = []string{"*Port*", "exec"}
		if g.Call(name, body) != nil || abi.Lookup(name) == nil {
			return
		}
		ref, req, err := abi.SplitCall(abi.Lookup(name), body)
		if err != nil || !grantedByHand(&g, name, ref, req) {
			t.Errorf("%q %q passed (%v)", name, body, err)
		}
	})
}

// TestTeamsCannotSeeEachOther has two plugins with grants of their own on one edge:
// neither reaches the other's sandboxes, and neither hears of them.
func TestTeamsCannotSeeEachOther(t *testing.T) {
	t.Parallel()
	r := &reached{}
	b := newBench(t, Config{Services: r.services()})
	team := func(name string) *Plugin {
		g := newAsm()
		g.hearing(false, 0)
		steps := []wasmasm.Code{}
		for _, id := range []string{"a-1", "b-1"} {
			steps = append(steps, g.record("op", req(), "getState", `{"sandbox":{"binding":"Sandbox","id":"`+id+`"}}`, 0, 0),
				g.record("ws_open", req(), "Sandbox", id, 8080, ""))
		}
		return b.load(t, g.script(steps...), func(s *Spec) {
			s.Name = name
			s.Grants = &Grants{Sandboxes: map[string][]string{"Sandbox": {name + "-*"}}, KV: name}
		})
	}
	plugins := map[string]*Plugin{"a": team("a"), "b": team("b")}
	for name, p := range plugins {
		decide(t, p, newRequest())
		want := []string{"getState Sandbox/" + name + "-1", "socket Sandbox/" + name + "-1 8080"}
		if got := r.all(); !slices.Equal(got, want) {
			t.Errorf("plugin %s reached %q, want %q", name, got, want)
		}
		r.mu.Lock()
		r.calls = nil
		r.mu.Unlock()
		ns, _ := p.current.Load().spec.Grants.Namespace(name)
		if ns != name {
			t.Errorf("plugin %s has the namespace %q", name, ns)
		}
	}

	for name, p := range plugins {
		for other := range plugins {
			err := p.MayReach(abi.SandboxRef{Binding: "Sandbox", ID: other + "-9"}, 3000)
			if (err == nil) != (name == other) {
				t.Errorf("may %s reach a sandbox of %s: %v", name, other, err)
			}
		}
	}
}

// TestHooksHearOfGrantedSandboxes tells of one that is granted after many that are
// not: the first that is heard is that one.
func TestHooksHearOfGrantedSandboxes(t *testing.T) {
	t.Parallel()
	e := &ears{heard: make(chan abi.SandboxEvent, 64)}
	b := newBench(t, Config{Services: Services{Operations: e}})
	g := newAsm()
	buf := g.buffer(eventText)
	length := wasmasm.Do(g.call("event_read", wasmasm.Get(0), buf), wasmasm.Wrap(), wasmasm.Set(1))
	// An operation that there is not passes, whatever its JSON.
	g.Func("edge_event", "i", "i", "i", length,
		g.drop("op", wasmasm.Get(0), "fly", wasmasm.Do(wasmasm.I32(int32(buf.ptr)), wasmasm.Get(1)), 0, 0), wasmasm.I32(0))
	b.load(t, g.script(), granting(Grants{Sandboxes: map[string][]string{"Sandbox": {"a-*"}}, KV: "a"}))
	for i := range 10 {
		b.Notify(abi.SandboxEvent{Type: abi.SandboxStarted, Binding: "Sandbox", ID: fmt.Sprintf("b-%d", i)})
		b.Notify(abi.SandboxEvent{Type: abi.SandboxStarted, Binding: "Other", ID: "a-1"})
	}
	b.Notify(abi.SandboxEvent{Type: abi.SandboxStarted, Binding: "Sandbox", ID: "a-1"})
	if got := e.next(t); got.ID != "a-1" || got.Binding != "Sandbox" {
		t.Errorf("heard of %s/%s", got.Binding, got.ID)
	}
	select {
	case got := <-e.heard:
		t.Errorf("heard of %s/%s too", got.Binding, got.ID)
	default:
	}
}

// TestWrongDecisionsAreLogged makes a wrong policy, a wrong plan and a use that is not
// granted many times: each is in the log once.
func TestWrongDecisionsAreLogged(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	g := newAsm()
	p := b.load(t, g.script(
		g.record("connect", req(), "Sandbox", "a-1", 8080, `{"policy":{"maxBytes":-1}}`),
		g.record("proxy", req(), "Sandbox", "a-1", 8080, `{"polcy":{}}`),
		g.record("proxy", req(), "", "", 0, `{"policy":{"allowOrigins":["/"]}}`),
		g.record("plan", req(), `{"then":"proxy","sandbox":{"binding":"S","id":"a"},"port":8080,"timeout":"1h"}`),
		g.record("proxy", req(), "Other", "a-1", 8080, ""),
	), granting(mine()))
	for range 5 {
		decide(t, p, upgradeRequest())
	}
	book := b.book.String()
	for _, once := range []string{"maxBytes: -1 is negative", `unknown field \"polcy\"`, "has a path", "more than 10m0s", `sandboxes of the binding \"Other\"`} {
		if n := strings.Count(book, once); n != 1 {
			t.Errorf("%q is in the log %d times:\n%s", once, n, book)
		}
	}
}

func TestComplaintsAreBounded(t *testing.T) {
	t.Parallel()
	var c complaints
	told := 0
	for i := range 3 * maxComplaints {
		first, last := c.first(fmt.Sprint(i))
		if first {
			told++
		}
		if last != (i == maxComplaints-1) {
			t.Errorf("complaint %d: last is %v", i, last)
		}
	}
	if again, _ := c.first("0"); told != maxComplaints || again {
		t.Errorf("%d were told, and the first again: %v", told, again)
	}
}
