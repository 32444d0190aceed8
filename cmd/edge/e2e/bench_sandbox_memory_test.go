package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

const (
	// idleFor is how long a sandbox is left alone before its init is looked at.
	idleFor = 15 * time.Second
	// ringBytes is what is kept of each stream that a process prints.
	ringBytes = 1 << 20
)

// guestSettings are a binding whose sandboxes have the guest's program.
func guestSettings(b testing.TB, runtime string) settings {
	s := settings{runtime: runtime, files: fmt.Sprintf("tools: [%q]", guestProgram(b))}
	if runtime == "docker" {
		s.files = "image: " + guestImage(b)
	}
	return s
}

// inits returns the process ids of the inits of an edge's sandboxes: they are
// process 1 where they are, and come from the owner's machines.
func (e *edge) inits(owner string) (pids []int) {
	e.t.Helper()
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		e.t.Fatal(err)
	}
	for _, status := range statuses {
		spaces := strings.Fields(procField(status, "NSpid"))
		if len(spaces) < 2 || spaces[len(spaces)-1] != "1" {
			continue
		}
		mounts, err := os.ReadFile(filepath.Join(filepath.Dir(status), "mountinfo"))
		if err != nil || !strings.Contains(string(mounts), e.state) && !strings.Contains(string(mounts), "edge."+owner+".") {
			continue
		}
		if pid, err := strconv.Atoi(spaces[0]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// procField is a line of a file in /proc, without its name; "" if it has none.
func procField(path, field string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && name == field {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// procBytes adds lines of a file in /proc that are counted in KiB.
func procBytes(pid int, file string, fields ...string) (sum int64) {
	for _, field := range fields {
		kib, _, _ := strings.Cut(procField(fmt.Sprintf("/proc/%d/%s", pid, file), field), " ")
		n, _ := strconv.ParseInt(kib, 10, 64) // of a process that has ended, nothing
		sum += n << 10
	}
	return sum
}

func private(pid int) int64 { return procBytes(pid, "smaps_rollup", "Private_Clean", "Private_Dirty") }

func proportional(pid int) int64 { return procBytes(pid, "smaps_rollup", "Pss") }

// peak is the most memory that a process has had since forgetPeak.
func peak(pid int) int64 { return procBytes(pid, "status", "VmHWM") }

func forgetPeak(b *testing.B, pid int) {
	b.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSandboxIdleInit looks at the private memory of inits that have run
// commands and a server, and have had nothing to do since. There are two, so that
// the program's own pages, which all inits share, count for neither.
func BenchmarkSandboxIdleInit(b *testing.B) {
	const goal = 2 << 20
	for _, runtime := range benchRuntimes(b) {
		e := newEdge(b, guestSettings(b, runtime))
		owner := e.owner()
		for _, x := range []*box{{e: e, id: "one"}, {e: e, id: "two"}} {
			for range 20 {
				mustCall(b, x, abi.Exec, &abi.ExecRequest{Argv: []string{"/bin/true"}})
			}
			server := mustCall(b, x, abi.StartProcess, &abi.StartProcessRequest{ProcessID: "server", Argv: serverArgv(guestPort)})
			mustCall(b, x, abi.KillProcess, &abi.KillRequest{ProcessID: server.ID})
		}
		time.Sleep(idleFor)
		var most, dirty int64
		pids := e.inits(owner)
		if len(pids) != 2 {
			b.Fatalf("inits %v, want two", pids)
		}
		for _, pid := range pids {
			most, dirty = max(most, private(pid)), max(dirty, procBytes(pid, "smaps_rollup", "Private_Dirty"))
		}
		figure(b, "private memory of an idle init, "+runtime, fmt.Sprintf("%s (goal <= %s: %s), of it written %s, after %s of idleness",
			mebibytes(most), mebibytes(goal), verdict(most <= goal), mebibytes(dirty), idleFor))
	}
}

// mustCall carries an operation out by the admin API.
func mustCall[Req, Resp any](b *testing.B, x *box, op *abi.Operation[Req, Resp], req *Req) *Resp {
	b.Helper()
	resp := new(Resp)
	if err := x.call(op.Name(), req, resp); err != nil {
		b.Fatalf("%s: %v", op.Name(), err)
	}
	return resp
}

// BenchmarkSandboxPrints has processes print 1 MiB, and as much as 1 GiB: with the
// output kept for later, with the beginning kept alone, and with somebody who
// reads all of it. The peaks of edge and init must be the same, and what is
// promised to be kept must be there.
func BenchmarkSandboxPrints(b *testing.B) {
	for _, runtime := range benchRuntimes(b) {
		e := newEdge(b, guestSettings(b, runtime))
		owner := e.owner()
		x := &box{e: e, id: "prints"}
		mustCall(b, x, abi.Start, &abi.Empty{})
		pids := e.inits(owner)
		if len(pids) != 1 {
			b.Fatalf("inits %v, want one", pids)
		}
		for _, way := range []struct {
			name  string
			print func(*testing.B, *box, int64)
			much  int64
		}{{"startProcess", printKept, 1 << 30}, {"exec", printCut, 1 << 30}, {"execStream", printRead, 1 << 28}} {
			measure := func(size int64) (edge, init int64, took time.Duration) {
				forgetPeak(b, e.cmd.Process.Pid)
				forgetPeak(b, pids[0])
				began := time.Now()
				way.print(b, x, size)
				return peak(e.cmd.Process.Pid), peak(pids[0]), time.Since(began)
			}
			measure(1 << 20) // has what stays be there
			edgeFew, initFew, _ := measure(1 << 20)
			edgeMany, initMany, took := measure(way.much)
			figure(b, fmt.Sprintf("%d MiB printed against 1 MiB, %s, %s", way.much>>20, way.name, runtime),
				fmt.Sprintf("peak of the edge %s to %s: %s", mebibytes(edgeFew), mebibytes(edgeMany), noMore(edgeFew, edgeMany)),
				fmt.Sprintf("of the init %s to %s: %s", mebibytes(initFew), mebibytes(initMany), noMore(initFew, initMany)),
				fmt.Sprintf("%.0f MiB/s, nothing promised was lost", float64(way.much>>20)/took.Seconds()))
		}
	}
}

// noMore tells whether the second peak is the first, give or take a collector's
// moods.
func noMore(few, many int64) string {
	return ratioAtMost(many, few, 1+float64(max(4<<20, few/4))/float64(few))
}

var printed atomic.Int64 // numbers the processes that print

// printKept has a process print and looks at what is kept of it: the end, whole.
func printKept(b *testing.B, x *box, size int64) {
	b.Helper()
	id := fmt.Sprint("print-", printed.Add(1))
	mustCall(b, x, abi.StartProcess, &abi.StartProcessRequest{ProcessID: id, Argv: []string{"guest", "print", fmt.Sprint(size)}})
	if exit := mustCall(b, x, abi.WaitForExit, &abi.WaitForExitRequest{ProcessID: id, Timeout: abi.Duration(patience)}); exit.ExitCode != 0 {
		b.Fatalf("exit %+v", exit)
	}
	logs := mustCall(b, x, abi.GetLogs, &abi.LogsRequest{ProcessID: id})
	if n := int64(len(logs.Stdout)); n < min(ringBytes, size) || n+logs.Dropped != size {
		b.Fatalf("%d bytes are kept and %d dropped of %d", n, logs.Dropped, size)
	}
	checkBlocks(b, strings.NewReader(logs.Stdout), logs.Dropped, size)
}

// printCut has a command print whose output is cut: the beginning is kept, whole.
func printCut(b *testing.B, x *box, size int64) {
	b.Helper()
	got := mustCall(b, x, abi.Exec, &abi.ExecRequest{Argv: []string{"guest", "print", fmt.Sprint(size)}})
	if kept := int64(len(got.Stdout)); kept != min(abi.DefaultMaxOutput, size) || got.Truncated != (size > kept) {
		b.Fatalf("%d bytes are kept of %d, truncated: %t", kept, size, got.Truncated)
	}
	checkBlocks(b, strings.NewReader(got.Stdout), 0, min(abi.DefaultMaxOutput, size))
}

// blockBytes is what the guest numbers of what it prints.
const blockBytes = 4096

// checkBlocks wants the bytes that the guest prints, from an offset to the end.
func checkBlocks(b *testing.B, r io.Reader, offset, size int64) {
	b.Helper()
	br := bufio.NewReaderSize(r, 64<<10)
	if cut := offset % blockBytes; cut != 0 { // a block that has lost its beginning
		if _, err := br.Discard(int(blockBytes - cut)); err != nil {
			b.Fatal(err)
		}
		offset += blockBytes - cut
	}
	want := []byte(strings.Repeat("x", blockBytes-1) + "\n")
	got := make([]byte, blockBytes)
	for ; offset < size; offset += blockBytes {
		if _, err := io.ReadFull(br, got); err != nil {
			b.Fatalf("at %d of %d: %v", offset, size, err)
		}
		copy(want, fmt.Appendf(nil, "%015d\n", offset/blockBytes))
		if !bytes.Equal(got, want) {
			b.Fatalf("at %d there is %.20q, want %.20q", offset, got, want)
		}
	}
	if n, err := br.Discard(1); n != 0 || !errors.Is(err, io.EOF) {
		b.Fatalf("more than %d bytes (%v)", size, err)
	}
}

// printRead has a command print and reads all of it as it comes, as server-sent
// events.
func printRead(b *testing.B, x *box, size int64) {
	b.Helper()
	body, err := json.Marshal(abi.ExecStreamRequest{Argv: []string{"guest", "print", fmt.Sprint(size)}, Timeout: abi.Duration(patience)})
	if err != nil {
		b.Fatal(err)
	}
	resp, err := x.e.admin().Post("http"+restDoor{x.e, x.id}.path(abi.ExecStream.Name()), "application/json", strings.NewReader(string(body)))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status)
	}
	r, w := io.Pipe()
	var checking sync.WaitGroup
	checking.Go(func() { checkBlocks(b, r, 0, size) })
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var ev abi.ExecEvent
		if err := json.Unmarshal([]byte(data), &ev); err != nil {
			b.Fatal(err)
		}
		if ev.Type == abi.ExecStdout {
			if _, err := io.WriteString(w, ev.Data); err != nil {
				b.Fatal(err)
			}
		}
	}
	w.CloseWithError(lines.Err())
	checking.Wait()
}

// BenchmarkSandboxMany has many sandboxes live at once, each of which answers, and
// tells what each costs.
func BenchmarkSandboxMany(b *testing.B) {
	const atOnce = 8
	for _, many := range []struct {
		runtime string
		count   int
	}{{"process", 200}, {"docker", 50}} {
		if !slices.Contains(benchRuntimes(b), many.runtime) {
			continue
		}
		e := newEdge(b, guestSettings(b, many.runtime))
		owner := e.owner()
		boxes := make([]*box, many.count)
		for i := range boxes {
			boxes[i] = &box{e: e, id: fmt.Sprintf("many-%d", i)}
		}
		edgeBefore, before := private(e.cmd.Process.Pid), available(b)
		began := time.Now()
		eachBox(boxes, atOnce, func(x *box) { mustCall(b, x, abi.Start, &abi.Empty{}) })
		started := time.Since(began)
		began = time.Now()
		eachBox(boxes, atOnce, func(x *box) {
			if got := mustCall(b, x, abi.Exec, &abi.ExecRequest{Argv: []string{"hostname"}}); strings.TrimSpace(got.Stdout) != x.id {
				b.Errorf("%s says that it is %q", x.id, got.Stdout)
			}
		})
		ran := time.Since(began)
		pids := e.inits(owner)
		var pss, own int64
		for _, pid := range pids {
			pss += proportional(pid)
			own += private(pid)
		}
		n := int64(many.count)
		figure(b, fmt.Sprintf("%d sandboxes at once, %s", many.count, many.runtime),
			fmt.Sprintf("%d answer (goal %d: %s)", len(pids), many.count, verdict(len(pids) == many.count)),
			fmt.Sprintf("start %s each, command %s each, %d at a time", short(started/time.Duration(n)), short(ran/time.Duration(n)), atOnce))
		figure(b, "  memory for each", "init "+mebibytes(own/n)+" private, "+mebibytes(pss/n)+" proportional",
			"edge "+mebibytes((private(e.cmd.Process.Pid)-edgeBefore)/n), "this computer has "+mebibytes((before-available(b))/n)+" less")
		eachBox(boxes, atOnce, func(x *box) { mustCall(b, x, abi.Destroy, &abi.Empty{}) })
		e.stop()
		e.nothingLeft(many.runtime, owner)
	}
}

// eachBox does something for each, a few at a time.
func eachBox(boxes []*box, atOnce int, do func(*box)) {
	var wg sync.WaitGroup
	for part := range slices.Chunk(boxes, (len(boxes)+atOnce-1)/atOnce) {
		wg.Go(func() {
			for _, x := range part {
				do(x)
			}
		})
	}
	wg.Wait()
}

// available is how much memory this computer has left.
func available(b *testing.B) int64 {
	b.Helper()
	kib, _, _ := strings.Cut(procField("/proc/meminfo", "MemAvailable"), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n << 10
}
