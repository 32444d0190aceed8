package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// crashRounds is how often the edge is killed: few times among the other tests,
// 100 times in "make soak".
func crashRounds(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("EDGE_CRASH_ROUNDS"))
	if err != nil {
		return 8
	}
	t.Logf("%d rounds", n)
	return n
}

// TestCrash kills the edge with SIGKILL at random moments under a mixed load,
// again and again. What was acknowledged is there afterwards, and nothing else
// is.
func TestCrash(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, settings{runtime: runtime})
		boxes := make([]*box, 4)
		for i := range boxes {
			boxes[i] = &box{e: e, id: fmt.Sprintf("box-%d", i), facts: nothing(), rand: rand.New(rand.NewPCG(uint64(i), 1))}
		}
		done := map[string]int{}
		rounds := crashRounds(t)
		for round := range rounds {
			useUntil(boxes, 50*time.Millisecond+rand.N(400*time.Millisecond), e.kill)
			e.start()
			for _, b := range boxes {
				if err := b.verify(); err != nil {
					t.Fatalf("round %d: %s: %v", round, b.id, err)
				}
			}
		}
		for _, b := range boxes {
			for op, n := range b.done {
				done[op] += n
			}
			if err := b.call(abi.Destroy.Name(), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d rounds; acknowledged: %v", rounds, done)
		owner := e.owner()
		e.stop()
		e.nothingLeft(runtime, owner)
	})
}

// useUntil uses the boxes for a while, then calls crash, and returns when everybody
// noticed.
func useUntil(boxes []*box, span time.Duration, crash func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, b := range boxes {
		wg.Go(func() {
			for ctx.Err() == nil && b.step() == nil {
			}
		})
	}
	time.Sleep(span)
	crash()
	cancel()
	wg.Wait()
}

// box is one sandbox and what the edge has acknowledged of it. One goroutine
// uses it at a time, so that the order of things is known.
type box struct {
	e    *edge
	id   string
	rand *rand.Rand
	done map[string]int

	// facts are acknowledged; doubt is the change that was under way when the
	// edge was killed: it may have happened or not.
	facts facts
	doubt func(*facts)
	last  string // the operation that was asked for last
	seq   int
}

// facts are what a sandbox must have.
type facts struct {
	absent     bool              // there is no such sandbox
	generation int64             // 0: it does not run
	files      map[string]string // path to content
	processes  map[string]int    // id to pid
	ports      map[int]string    // port to URL
	env        string            // value of the variable FACT
}

func (f facts) clone() facts {
	c := f
	c.files, c.processes, c.ports = map[string]string{}, map[string]int{}, map[int]string{}
	for k, v := range f.files {
		c.files[k] = v
	}
	for k, v := range f.processes {
		c.processes[k] = v
	}
	for k, v := range f.ports {
		c.ports[k] = v
	}
	return c
}

// nothing is what there is of a sandbox that was destroyed, or never was.
func nothing() facts { return facts{absent: true}.clone() }

// change carries an operation out that changes the facts: apply says how, with
// the answer in place.
func (b *box) change(op string, request, answer any, apply func(*facts)) error {
	b.doubt = apply
	if err := b.call(op, request, answer); err != nil {
		return err
	}
	after := b.facts.clone()
	apply(&after)
	b.facts, b.doubt = after, nil
	if b.done == nil {
		b.done = map[string]int{}
	}
	b.done[op]++
	return nil
}

// step does one thing at random. An error is the edge's end.
func (b *box) step() error {
	b.seq++
	name := fmt.Sprintf("%s-%d", b.id, b.seq)
	switch n := b.rand.IntN(20); {
	case b.facts.generation == 0:
		var st abi.SandboxState
		return b.change(abi.Start.Name(), nil, &st, func(f *facts) {
			f.absent, f.generation, f.processes = false, max(st.Generation, 1), map[string]int{}
		})
	case n < 6:
		return b.change(abi.WriteFile.Name(), abi.WriteFileRequest{Path: name, Content: name}, nil, func(f *facts) { f.files[name] = name })
	case n < 10:
		var p abi.Process
		return b.change(abi.StartProcess.Name(), abi.StartProcessRequest{ProcessID: name, Argv: []string{"sleep", "10000"}}, &p, func(f *facts) { f.processes[name] = p.PID })
	case n < 13:
		port := 9000 + b.rand.IntN(5)
		var x abi.ExposedPort
		return b.change(abi.ExposePort.Name(), abi.ExposePortRequest{Port: port}, &x, func(f *facts) { f.ports[port] = x.URL })
	case n < 14:
		port := 9000 + b.rand.IntN(5)
		return b.change(abi.UnexposePort.Name(), abi.UnexposePortRequest{Port: port}, nil, func(f *facts) { delete(f.ports, port) })
	case n < 16:
		vars := abi.SetEnvVarsRequest{EnvVars: map[string]*string{"FACT": &name}}
		return b.change(abi.SetEnvVars.Name(), vars, nil, func(f *facts) { f.env = name })
	case n < 18:
		return b.call(abi.Exec.Name(), abi.ExecRequest{Argv: []string{"true"}}, nil)
	case n < 19:
		return b.change(abi.Stop.Name(), abi.StopRequest{Grace: abi.Duration(10 * time.Millisecond)}, nil, func(f *facts) { f.generation, f.processes = 0, map[string]int{} })
	}
	return b.change(abi.Destroy.Name(), nil, nil, func(f *facts) { *f = nothing() })
}

// call carries an operation out over the admin API's socket.
func (b *box) call(op string, request, answer any) error {
	b.last = op
	body := []byte("{}")
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	resp, err := b.e.admin().Post("http"+restDoor{b.e, b.id}.path(op), "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var failure struct{ Error *abi.Error }
		if err := json.NewDecoder(resp.Body).Decode(&failure); err != nil {
			return err
		}
		return failure.Error
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// verify compares what there is with the facts, with and without the change that
// was in doubt, and settles which it is.
func (b *box) verify() error {
	last := b.last
	now, err := b.look()
	if err != nil {
		return fmt.Errorf("after a %s that was not answered: %w", last, err)
	}
	held := b.facts
	wrong := held.differs(now)
	if wrong != nil && b.doubt != nil {
		changed := b.facts.clone()
		b.doubt(&changed)
		if also := changed.differs(now); also != nil {
			wrong = fmt.Errorf("neither as before (%w) nor as changed (%w)", wrong, also)
		} else {
			held, wrong = changed, nil
		}
	}
	if now.generation == 0 { // what it wrote cannot be seen, and is there all the same
		now.files, now.env = held.files, held.env
	}
	b.facts, b.doubt = now, nil
	return wrong
}

// look reads the facts back. Those of what does not run are not to be seen.
func (b *box) look() (facts, error) {
	f := facts{}.clone()
	var st abi.SandboxState
	if err := b.call(abi.GetState.Name(), nil, &st); err != nil {
		return f, fmt.Errorf("getState: %w", err)
	}
	var ports abi.ExposedPorts
	if err := b.call(abi.GetExposedPorts.Name(), nil, &ports); err != nil {
		return f, fmt.Errorf("getExposedPorts: %w", err)
	}
	for _, p := range ports.Ports {
		f.ports[p.Port] = p.URL
	}
	switch st.State {
	case abi.StateRunning:
		f.generation = st.Generation
	case abi.StateStopped, abi.StateAbsent:
		f.absent = st.State == abi.StateAbsent
		return f, nil
	default:
		return f, fmt.Errorf("the sandbox is %s: %v", st.State, st.Why)
	}
	var list abi.ProcessList
	if err := b.call(abi.ListProcesses.Name(), nil, &list); err != nil {
		return f, fmt.Errorf("listProcesses: %w", err)
	}
	for _, p := range list.Processes {
		if p.Status == abi.StatusRunning {
			f.processes[p.ID] = p.PID
		}
	}
	var out abi.ExecResponse
	if err := b.call(abi.Exec.Name(), abi.ExecRequest{Command: `printf '%s\n' "$FACT"; cd /workspace && for f in *; do [ "$f" = '*' ] || echo "$f $(cat "$f")"; done`}, &out); err != nil {
		return f, fmt.Errorf("exec: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(out.Stdout, "\n"), "\n")
	f.env = lines[0]
	for _, l := range lines[1:] {
		name, content, _ := strings.Cut(l, " ")
		f.files[name] = content
	}
	return f, nil
}

// differs tells what of the facts is not as it is now. What a sandbox wrote
// cannot be seen while it does not run.
func (f facts) differs(now facts) error {
	var errs []error
	if (f.generation == 0) != (now.generation == 0) || f.absent != now.absent {
		errs = append(errs, fmt.Errorf("generation %d is %d", f.generation, now.generation))
	}
	if !equal(f.ports, now.ports, "") {
		errs = append(errs, fmt.Errorf("ports %v are %v", f.ports, now.ports))
	}
	if f.generation != 0 && now.generation != 0 {
		if !equal(f.files, now.files, "") {
			errs = append(errs, fmt.Errorf("files %v are %v", f.files, now.files))
		}
		if !equal(f.processes, now.processes, 0) {
			errs = append(errs, fmt.Errorf("processes %v are %v", f.processes, now.processes))
		}
		if f.env != now.env {
			errs = append(errs, fmt.Errorf("variable %q is %q", f.env, now.env))
		}
	}
	return errors.Join(errs...)
}

// equal compares maps; the value unknown, of an answer that never came, is equal
// to every other.
func equal[K, V comparable](a, b map[K]V, unknown V) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != unknown && v != w {
			return false
		}
	}
	return true
}

// nothingLeft wants no trace of sandboxes that were all destroyed: containers,
// processes, folders, sockets, mounts, cgroups.
func (e *edge) nothingLeft(runtime, owner string) {
	e.t.Helper()
	for _, dir := range []string{"run", "machines"} {
		entries, err := os.ReadDir(filepath.Join(e.state, dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			e.t.Error(err)
		}
		for _, entry := range entries {
			if entry.IsDir() {
				e.t.Errorf("left in %s: %s", dir, entry.Name())
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		e.t.Fatal(err)
	}
	if strings.Contains(string(mounts), e.state) {
		e.t.Errorf("mounts are left:\n%s", mounts)
	}
	if runtime == "docker" {
		// The engine lists one for a moment after it said that it is removed.
		e.eventually("no container is left", func() error {
			out, err := exec.Command("docker", "ps", "-aq", "--filter", "label=edge.owner="+owner).Output()
			if err != nil || len(bytes.TrimSpace(out)) > 0 {
				return fmt.Errorf("%s (%v)", out, err)
			}
			return nil
		})
		out, err := exec.Command("docker", "volume", "ls", "-q", "--filter", "label=edge.owner="+owner).Output()
		if err != nil || len(bytes.TrimSpace(out)) > 0 {
			e.t.Errorf("volumes are left: %s (%v)", out, err)
		}
	}
	eventually(e.t, "no process and no cgroup is left", func() error {
		if left := append(processesOf(owner), cgroupsOf(owner)...); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
}

// owner is the edge's id, which the name of every machine has in it.
func (e *edge) owner() string {
	e.t.Helper()
	b := &box{e: e, id: "owner"}
	var seen abi.Inspection
	err := errors.Join(b.call(abi.Start.Name(), nil, nil), b.call(abi.Inspect.Name(), nil, &seen), b.call(abi.Destroy.Name(), nil, nil))
	parts := strings.Split(seen.Machine, ".")
	if err != nil || len(parts) != 4 {
		e.t.Fatalf("machine %q: %v", seen.Machine, err)
	}
	return parts[1]
}

// processesOf are the processes of machines of that owner: their inits have the
// machine's name in a mount, an argument or the environment.
func processesOf(owner string) (left []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		for _, file := range []string{"cmdline", "environ", "mountinfo", "cgroup"} {
			b, err := os.ReadFile(filepath.Join(dir, file))
			if err == nil && strings.Contains(string(b), "edge."+owner+".") {
				left = append(left, dir+"/"+file)
			}
		}
	}
	slices.Sort(left)
	return left
}

func cgroupsOf(owner string) (left []string) {
	for _, pattern := range []string{"/sys/fs/cgroup/*/*/*", "/sys/fs/cgroup/*/*", "/sys/fs/cgroup/*/*/*/*"} {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			if strings.Contains(filepath.Base(dir), "edge."+owner+".") {
				left = append(left, dir)
			}
		}
	}
	return left
}
