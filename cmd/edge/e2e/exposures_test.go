package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// exposed is one preview that must outlive the edge, and what it answers.
type exposed struct {
	url, token string
	want       string // "{sandbox}:{port}"
}

const (
	firstNamePort   = 9000
	namesOfASandbox = 10
)

// TestExposuresSurviveKill exposes a thousand ports of a hundred sandboxes, kills the
// edge with SIGKILL and asks each preview from the moment on at which a new edge is
// started: none answers anything but its own server's answer. In containers, which
// take longer to make, there are fewer.
func TestExposuresSurviveKill(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		sandboxes := 100
		if runtime == "docker" {
			sandboxes = 10
		}
		e := newEdge(t, guestSettings(t, runtime))
		previews := exposeNames(t, e, sandboxes)
		askNames(t, e, previews) // what they answer before
		for round := range 2 {
			inits := e.inits(e.owner())
			e.kill()
			before := threadTimeOf(t, inits)
			asked := make(chan survival)
			began := time.Now()
			go func() { asked <- askNames(t, e, previews) }()
			e.start()
			s, used := <-asked, processorTimeOf(t, e.cmd.Process.Pid)
			theirs := threadTimeOf(t, inits) - before
			if len(s.answered) == 0 {
				t.Fatal("nothing was asked")
			}
			t.Logf("kill %d, %d exposures of %d sandboxes on %s: listening %s after the start, the first answered after %s, half after %s, the last after %s (goal 500ms), by when the edge had used %s of processor time and the %d inits %s",
				round+1, len(previews), sandboxes, runtime, short(s.listening.Sub(began)), short(s.answered[0].Sub(began)),
				short(s.answered[len(s.answered)/2].Sub(began)), short(s.answered[len(s.answered)-1].Sub(began)), used, len(inits), short(theirs))
		}
	})
}

// exposeNames starts sandboxes with a server on ten ports each, and exposes those in
// each way in which the edge serves them by itself.
func exposeNames(t *testing.T, e *edge, sandboxes int) []exposed {
	boxes := make([]*box, sandboxes)
	for i := range boxes {
		boxes[i] = &box{e: e, id: fmt.Sprintf("names-%d", i)}
	}
	var mu sync.Mutex
	var all []exposed
	eachBox(boxes, 4, func(b *box) {
		some, err := b.exposeNames()
		if err != nil {
			t.Errorf("%s: %v", b.id, err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, some...)
	})
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func (b *box) exposeNames() (all []exposed, err error) {
	argv := []string{"guest", "names", fmt.Sprint(firstNamePort), fmt.Sprint(namesOfASandbox), b.id}
	if err := b.call(abi.StartProcess.Name(), &abi.StartProcessRequest{ProcessID: "names", Argv: argv}, nil); err != nil {
		return nil, err
	}
	last := &abi.WaitForPortRequest{Port: firstNamePort + namesOfASandbox - 1, ProcessID: "names"}
	if err := b.call(abi.WaitForPort.Name(), last, nil); err != nil {
		return nil, err
	}
	for port := firstNamePort; port < firstNamePort+namesOfASandbox; port++ {
		req := &abi.ExposePortRequest{Port: port}
		switch port % 4 {
		case 1:
			req.Access = abi.AccessPublic
		case 2:
			req.TokenIn = abi.TokenInRequest
		}
		var p abi.ExposedPort
		if err := b.call(abi.ExposePort.Name(), req, &p); err != nil {
			return nil, err
		}
		all = append(all, exposed{p.URL, p.Token, fmt.Sprintf("%s:%d", b.id, port)})
	}
	return all, nil
}

// survival is when an edge could be reached, and when previews had answered, in order.
type survival struct {
	listening time.Time
	answered  []time.Time
}

// askNames asks each preview as soon as the edge can be reached, a few at a time.
func askNames(t *testing.T, e *edge, previews []exposed) (s survival) {
	const clients = 32
	conn, err := dialUp(t.Context(), e.addr)
	if err != nil {
		t.Error(err)
		return s
	}
	conn.Close()
	s.listening = time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for part := range slices.Chunk(previews, (len(previews)+clients-1)/clients) {
		wg.Go(func() {
			for _, p := range part {
				err := p.ask(t.Context(), e.addr)
				mu.Lock()
				s.answered = append(s.answered, time.Now())
				mu.Unlock()
				if err != nil {
					t.Errorf("%s: %v", p.want, err)
				}
			}
		})
	}
	wg.Wait()
	return s
}

// processorTimeOf is what a process has used, in its own name and the kernel's:
// fields 14 and 15 of proc_pid_stat(5), in hundredths of a second.
func processorTimeOf(t *testing.T, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	_, fields, _ := strings.Cut(string(stat), ") ") // behind the name
	var ticks time.Duration
	for _, field := range strings.Fields(fields)[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Error(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// threadTimeOf is what the threads of some processes have used together, to the
// nanosecond: the first field of /proc/{pid}/task/{tid}/schedstat (Linux,
// Documentation/scheduler/sched-stats.rst).
func threadTimeOf(t *testing.T, pids []int) (sum time.Duration) {
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			t.Error(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // the thread has ended
			}
			used, _, _ := strings.Cut(string(b), " ")
			n, err := strconv.ParseInt(used, 10, 64)
			if err != nil {
				t.Error(err)
			}
			sum += time.Duration(n)
		}
	}
	return sum
}

// dialUp connects once somebody listens there.
func dialUp(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			return conn, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody listens on %s: %w", addr, err)
		}
	}
}

// ask makes one request on a connection of its own: its answer must be the server's.
func (p exposed) ask(ctx context.Context, addr string) error {
	u, err := url.Parse(p.url)
	if err != nil {
		return err
	}
	conn, err := dialUp(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	req := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", u.RequestURI(), u.Host)
	if p.token != "" {
		req += "X-Edge-Token: " + p.token + "\r\n"
	}
	if _, err := io.WriteString(conn, req+"\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != p.want {
		return fmt.Errorf("status %d, %.200q, %w", resp.StatusCode, body, err)
	}
	return nil
}
