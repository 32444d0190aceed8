package plugins

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	"edge/abi"
	"edge/abi/tck"
	"edge/plugins/wasmasm"
)

// rawGuest is the module of a RawCase: it makes the calls, stores what they return,
// and says all of it in one line of the log. Of an asynchronous case each
// completion is a further line.
type rawGuest struct {
	*asm
	c       tck.RawCase
	outs    []region          // the last buffer of each step
	errors  map[int]errorRead // what last_error said, by step
	report  uint32            // where a completion's line is
	counter wasmasm.Global
	request wasmasm.Global // the request's handle, for completions of request 0
}

type errorRead struct {
	result uint32
	text   region
}

const (
	// reportKey marks a line of a rawGuest.
	reportKey = "tck"
	// errorRoom is the room for an error's JSON.
	errorRoom = 256
	// completionRoom is the room for the result of a completion.
	completionRoom = 512
)

// buildRaw makes the module of a case.
func buildRaw(t *testing.T, c tck.RawCase) (*rawGuest, []byte) {
	g := &rawGuest{asm: newAsmBut(nil), c: c, outs: make([]region, len(c.Steps)), errors: map[int]errorRead{}}
	g.layOut()
	var body []wasmasm.Code
	addresses := make([]uint32, 0, len(c.Steps))
	for i, step := range c.Steps {
		args := make([]any, 0, len(step.Args))
		for _, a := range step.Args {
			args = append(args, g.argument(t, i, a, addresses))
		}
		addresses = append(addresses, g.results+8*g.count)
		body = append(body, g.record(step.Call, args...))
		if step.Code != "" {
			e := g.errors[i]
			e.result = g.count
			g.errors[i] = e
			body = append(body, g.record("last_error", g.handle(), e.text))
		}
	}
	body = append(body, g.say(g.results, g.bufEnd-g.results))
	if !g.decides() && len(c.Completions) == 0 && !c.Init {
		body = append(body, g.call("respond", req(), 200, "", "done"), wasmasm.Drop())
	}
	return g, g.encode(body)
}

// layOut sets the buffers aside, which come before any text.
func (g *rawGuest) layOut() {
	for i, step := range g.c.Steps {
		for _, a := range step.Args {
			switch {
			case a.Out != nil:
				g.outs[i] = g.buffer(*a.Out)
			case a.At != nil:
				g.outs[i] = g.buffer(*a.At)
			}
		}
		if step.Code != "" {
			g.errors[i] = errorRead{text: g.buffer(errorRoom)}
		}
	}
	g.report = g.Space(16 + completionRoom)
	g.counter, g.request = g.Global(0), g.Global(0)
}

func (g *rawGuest) encode(body []wasmasm.Code) []byte {
	g.Func("edge1", "", "", "")
	if g.c.Init {
		g.Func("edge_init", "", "i", "i", append(body, wasmasm.I32(0))...)
		g.Func("edge_request", "i", "i", "", g.call("respond", req(), 200, "", "done"), wasmasm.Drop(), wasmasm.I32(0))
		return g.Encode()
	}
	g.Func("edge_init", "", "i", "", wasmasm.I32(0))
	pending := int32(0)
	if len(g.c.Completions) > 0 {
		pending = 1
		g.completions()
	}
	g.Func("edge_request", "i", "i", "", append(append([]wasmasm.Code{req(), wasmasm.SetGlobal(g.request)}, body...), wasmasm.I32(pending))...)
	return g.Encode()
}

// completions exports edge_complete, which says call, errno and result, and responds
// when it was told of all.
func (g *rawGuest) completions() {
	at := func(offset uint32) wasmasm.Code { return wasmasm.I32(int32(g.report + offset)) }
	finish := wasmasm.Do(g.call("respond", wasmasm.GetGlobal(g.request), 200, "", "done"), wasmasm.Drop())
	if g.decides() {
		finish = wasmasm.Do()
	}
	g.Func("edge_complete", "iii", "", "",
		at(0), wasmasm.Get(1), wasmasm.Store(), at(4), wasmasm.Get(2), wasmasm.Store(),
		at(8), g.call("result_read", req(), wasmasm.Get(1), 0, region{g.report + 16, completionRoom}), wasmasm.Store64(),
		g.say(g.report, 16+completionRoom),
		wasmasm.GetGlobal(g.counter), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(g.counter),
		wasmasm.GetGlobal(g.counter), wasmasm.I32(int32(len(g.c.Completions))), wasmasm.Equal(), wasmasm.If(finish, wasmasm.Do()))
}

// say logs what lies in memory.
func (g *rawGuest) say(ptr, n uint32) wasmasm.Code {
	return wasmasm.Do(g.call("log", 0, 8, region{ptr, n}, abi.AppendValues(nil, []string{reportKey, "1"})), wasmasm.Drop())
}

// handle is the request's, or 0 in edge_init.
func (g *rawGuest) handle() wasmasm.Code {
	if g.c.Init {
		return wasmasm.I32(0)
	}
	return req()
}

// decides tells whether one of the steps makes a decision.
func (g *rawGuest) decides() bool {
	if g.c.Name == "no-decision" {
		return true
	}
	return slices.ContainsFunc(g.c.Steps, func(s tck.Step) bool {
		return s.Errno == "" && slices.Contains([]string{"respond", "respond_begin", "fail", "connect", "proxy", "next", "plan"}, s.Call)
	})
}

// argument is one argument as newAsm's call takes it.
func (g *rawGuest) argument(t *testing.T, step int, a tck.Arg, results []uint32) any {
	t.Helper()
	switch {
	case a.Req:
		return g.handle()
	case a.I32 != nil:
		return wasmasm.I32(int32(*a.I32))
	case a.F64 != nil:
		v, err := strconv.ParseFloat(*a.F64, 64)
		if err != nil {
			t.Fatal(err)
		}
		return wasmasm.F64(v)
	case a.Text != nil:
		return *a.Text
	case a.Bytes != nil:
		b, err := base64.StdEncoding.DecodeString(*a.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return b
	case a.Size != nil:
		return bytes.Repeat([]byte("x"), int(*a.Size))
	case a.Out != nil:
		return g.outs[step]
	case a.At != nil:
		return wasmasm.I32(int32(g.outs[step].ptr))
	case a.Low != nil:
		return wasmasm.Do(wasmasm.I32(int32(results[*a.Low])), wasmasm.Load())
	case a.Bad != nil:
		return wasmasm.Do(wasmasm.I32(int32(a.Bad[0])), wasmasm.I32(int32(a.Bad[1])))
	}
	t.Fatalf("step %d has an argument of no kind", step)
	return nil
}

// TestConformanceRaw makes the kit's single calls.
func TestConformanceRaw(t *testing.T) {
	t.Parallel()
	cases, err := tck.RawCases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			runRaw(t, c)
		})
	}
}

func runRaw(t *testing.T, c tck.RawCase) {
	hand, script := new(stageHand), tck.NewScript(c.Host)
	hand.begin(script)
	g, module := buildRaw(t, c)
	b := newBench(t, Config{Services: hand.services(), GuestLog: slog.New(hand)})
	b.tellsAll = true
	p, err := b.Load(t.Context(), conformanceSpec(writeModule(t, module)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Trap {
		for range 2 { // the second time by another instance
			_, err := p.Decide(t.Context(), c.Request.New(c.Name))
			wantCode(t, err, abi.CodePluginFailed)
		}
		return
	}
	req := c.Request.New(c.Name)
	d, err := p.Decide(t.Context(), req)
	o := outcomeOf(d, err, req, script, hand)
	var reports []string
	o.Logs = slices.DeleteFunc(o.Logs, func(l tck.Line) bool {
		mine := len(l.Fields) > 0 && l.Fields[0] == reportKey
		if mine {
			reports = append(reports, l.Message)
		}
		return mine
	})
	if c.Want == nil {
		c.Want = &tck.Want{Decision: "respond", Status: 200}
	}
	for _, line := range c.Want.Differences(o) {
		t.Error(line)
	}
	if len(reports) != 1+len(c.Completions) {
		t.Fatalf("%d reports, want %d", len(reports), 1+len(c.Completions))
	}
	g.check(t, []byte(reports[0]), reports[1:])
}

// check compares what the guest said with what the case wants.
func (g *rawGuest) check(t *testing.T, said []byte, completions []string) {
	result, handles := 0, map[uint32]int{}
	next := func() (abi.Errno, uint32) {
		errno, low := abi.SplitResult(binary.LittleEndian.Uint64(said[8*result:]))
		result++
		return errno, low
	}
	for i, step := range g.c.Steps {
		what := fmt.Sprintf("step %d, %s", i, step.Call)
		errno, low := next()
		if want := orOK(step.Errno); errno.String() != want {
			t.Errorf("%s: got %s, want %s", what, errno, want)
		}
		if step.Low != nil && low != *step.Low {
			t.Errorf("%s: low is %d, want %d", what, low, *step.Low)
		}
		handles[low] = i
		var got []byte
		if out := g.outs[i]; out.cap > 0 {
			got = said[out.ptr-g.results:][:min(low, out.cap)]
		}
		if step.Bytes != nil && string(got) != *step.Bytes {
			t.Errorf("%s: %q was written, want %q", what, got, *step.Bytes)
		}
		if step.Base64 != "" && base64.StdEncoding.EncodeToString(got) != step.Base64 {
			t.Errorf("%s: %q was written, want %s in base 64", what, got, step.Base64)
		}
		if step.Code != "" {
			errno, n := next()
			text := said[g.errors[i].text.ptr-g.results:][:min(n, errorRoom)]
			if e, err := abi.ParseError(text); errno != abi.OK || err != nil || e.Code != step.Code {
				t.Errorf("%s: last_error is %s %s, want %s", what, errno, text, step.Code)
			}
		}
	}
	for i, want := range g.c.Completions {
		got := []byte(completions[i])
		call, errno := binary.LittleEndian.Uint32(got), abi.Errno(binary.LittleEndian.Uint32(got[4:]))
		_, n := abi.SplitResult(binary.LittleEndian.Uint64(got[8:]))
		if handles[call] != want.Step || errno.String() != orOK(want.Errno) {
			t.Errorf("completion %d is step %d's with %s, want step %d's with %s", i, handles[call], errno, want.Step, orOK(want.Errno))
		}
		if body := got[16:][:min(n, completionRoom)]; want.Bytes != nil && string(body) != *want.Bytes {
			t.Errorf("completion %d: %q, want %q", i, body, *want.Bytes)
		}
	}
}

func orOK(errno string) string {
	if errno == "" {
		return abi.OK.String()
	}
	return errno
}

// TestConformanceIsComplete wants a case of its own for every function and error
// number of the ABI, and a bad pointer for every function that takes one.
func TestConformanceIsComplete(t *testing.T) {
	t.Parallel()
	cases, err := tck.RawCases()
	if err != nil {
		t.Fatal(err)
	}
	succeeds, traps, errnos, names := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		if names[c.Name] {
			t.Errorf("there are two cases %s", c.Name)
		}
		names[c.Name] = true
		for _, s := range c.Steps {
			errnos[orOK(s.Errno)] = true
			switch {
			case c.Trap:
				traps[s.Call] = true
			case s.Errno == "":
				succeeds[s.Call] = true
			}
		}
	}
	// event_read succeeds for events alone, which TestHook tells a guest of. Those that
	// take a request and numbers have no pointer.
	noPointer := []string{"respond_end", "next", "fetch_close", "req_body_read_start", "ws_recv_start", "fetch_read_start", "preview", "budget", "hold", "let_go", "timer_start", "timer_stop"}
	for _, f := range edgeFunctions() {
		if !succeeds[f.name] && f.name != "event_read" {
			t.Errorf("no case has %s succeed", f.name)
		}
		if !traps[f.name] && !slices.Contains(noPointer, f.name) {
			t.Errorf("no case passes a bad pointer to %s", f.name)
		}
	}
	for e := abi.OK; e <= abi.Internal; e++ {
		if !errnos[e.String()] {
			t.Errorf("no case has the error number %s", e)
		}
	}
}
