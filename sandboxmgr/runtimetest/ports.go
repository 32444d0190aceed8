package runtimetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// Ports runs what the edge knows of ports that are listened on, with the real init:
// which, by whom, from when to when, and how who listened has ended; that a wait for a
// port says ready exactly where a connection gets through; and that all of it outlives
// the edge and keeps no sandbox awake. network is the binding's.
func Ports(t *testing.T, network string, newBench func(testing.TB) *Bench) {
	program := BuildWicked(t, RunDir(t))
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *keeper)
		// same is set where it is the same whether the edge sees the machine.
		same bool
	}{
		{"Listening", listening, false},
		{"Reachability", reachability, false},
		{"Crash", crash, true},
		{"OutOfMemory", outOfMemoryBehindPort, true},
		{"Restart", restart, false},
		{"Many", manyPorts, true},
		{"Sleep", portsSleep, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if b.Apart && tt.same {
				t.Log("the same as where the machine is seen")
				return
			}
			tt.run(t, newKeeper(t, b, program, network))
		})
	}
}

// listening: ports are told as they open and close, with the process that they belong
// to, and nothing else is.
func listening(t *testing.T, k *keeper) {
	k.wantHeard(t) // and nothing is started for it
	if st, err := k.GetState(t.Context(), &abi.Empty{}); err != nil || st.State != abi.StateAbsent {
		t.Errorf("state %+v, %v", st, err)
	}
	k.start(t, "web", 8080, "serve", "127.0.0.1:8080", "[::1]:8080")
	k.told(t, "portOpened 8080 by process web")
	k.wantHeard(t, "8080 127.0.0.1 web", "8080 ::1 web")
	for _, port := range []int{8080, 8085} {
		if _, err := k.ExposePort(t.Context(), &abi.ExposePortRequest{Port: port}); err != nil {
			t.Fatal(err)
		}
	}
	k.exposed(t, 8080, "active")
	if e := k.exposed(t, 8085, "inactive"); e.Ended != nil {
		t.Errorf("a port on which nothing ever listened: %+v", e.Ended)
	}
	open, _, err := k.Dial(t.Context(), 8080) // its other end has a port too
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	k.wantHeard(t, "8080 127.0.0.1 web", "8080 ::1 web")
	k.start(t, "launcher", 8090, "daemon", "0.0.0.0:8090")
	k.told(t, "portOpened 8080 by process web", "portOpened 8090 by process launcher")
	if _, err := k.Exec(t.Context(), &abi.ExecRequest{Argv: []string{"/.edge/init", "daemon", "[::]:8095"}}); err != nil {
		t.Fatal(err)
	}
	opened := []string{"portOpened 8080 by process web", "portOpened 8090 by process launcher", "portOpened 8095"}
	k.told(t, opened...)
	k.wantHeard(t, "8080 127.0.0.1 web", "8080 ::1 web", "8090 0.0.0.0 launcher", "8095 :: ")
	k.kill(t, "web")
	k.told(t, append(opened, "portClosed 8080 by process web")...)
	e := k.exposed(t, 8080, "inactive")
	if e.Ended == nil || e.Ended.ProcessID != "web" || e.Ended.Signal != "SIGTERM" {
		t.Errorf("how web ended: %+v", e.Ended)
	}
	list := k.manager.List()
	if len(list) != 1 || len(list[0].Listening) != 2 || list[0].Listening[0].Port != 8090 {
		t.Errorf("list %+v", list)
	}
}

// reachability: waitForPort and a connection take the same way, so that one succeeds
// where the other does.
func reachability(t *testing.T, k *keeper) {
	for port, tt := range map[int]struct {
		act, addr string
		reached   bool
		http      bool // it answers
	}{
		8101: {"serve", "127.0.0.1:8101", true, true},
		8102: {"serve", "[::1]:8102", true, true},
		8103: {"serve", "0.0.0.0:8103", true, true},
		8104: {"serve", "only6:8104", true, true},
		8105: {"serve", "own:8105", k.network != "none", k.network != "none"},
		8106: {"serve", "127.0.0.2:8106", false, false},
		8107: {"hang up", "127.0.0.1:8107", true, false},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			id := fmt.Sprint("on-", port)
			k.start(t, id, 0, tt.act, tt.addr)
			if tt.addr == "own:8105" && !tt.reached {
				t.Log("the sandbox has no address but loopback")
				return
			}
			k.until(t, "a listening port", func() (string, bool) {
				all := fmt.Sprint(k.heard(t))
				return all, strings.Contains(all, fmt.Sprint(port))
			})
			timeout := patience
			if !tt.reached {
				timeout = 300 * time.Millisecond
			}
			_, err := k.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: port, Timeout: abi.Duration(timeout)})
			if (err == nil) != tt.reached {
				t.Errorf("waitForPort: %v, want it to be reached: %v", err, tt.reached)
			}
			body, err := k.get(t, port, "/")
			if got := strings.HasPrefix(body, "hello from"); got != tt.http {
				t.Errorf("answer %q, %v", body, err)
			}
			if !tt.reached {
				if n := k.refusal(t, port); !strings.Contains(n.Diagnosis, fmt.Sprint(port)) {
					t.Errorf("diagnosis %q", n.Diagnosis)
				}
				return
			}
			if c, _, err := k.Dial(t.Context(), port); err != nil {
				t.Errorf("dial: %v", err)
			} else {
				c.Close()
			}
			if !tt.http {
				timeout = time.Second
			}
			_, err = k.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: port, Mode: "http", Timeout: abi.Duration(timeout)})
			if (err == nil) != tt.http {
				t.Errorf("waitForPort by HTTP: %v", err)
			}
		})
	}
}

// crash: of a port whose server has ended it is told which process that was, and how it
// ended, until it runs again.
func crash(t *testing.T, k *keeper) {
	k.start(t, "web", 8080, "serve", "127.0.0.1:8080")
	k.told(t, "portOpened 8080 by process web")
	if _, err := k.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080}); err != nil {
		t.Fatal(err)
	}
	_, _ = k.get(t, 8080, "/crash") // which is no answer
	k.told(t, "portOpened 8080 by process web", "portClosed 8080 by process web")
	k.wantCrash(t)
	e := k.exposed(t, 8080, "inactive").Ended
	if e == nil || e.ProcessID != "web" || e.ExitCode == nil || *e.ExitCode != 3 || e.EndedAt == nil || !strings.Contains(e.StderrTail, "boom") {
		t.Errorf("exposure: %+v", e)
	}
	if n := k.refusal(t, 8081); n.Diagnosis != abi.DiagnosisNotListening || n.ExitCode != nil {
		t.Errorf("a port on which nothing ever listened: %+v", n)
	}
	k.start(t, "web", 8080, "serve", "127.0.0.1:8080")
	if e := k.exposed(t, 8080, "active"); e.Ended != nil {
		t.Errorf("one that runs again: %+v", e.Ended)
	}
}

// wantCrash wants the refusal of port 8080 to tell how web crashed.
func (k *keeper) wantCrash(t *testing.T) {
	t.Helper()
	n := k.refusal(t, 8080)
	if n.Diagnosis != abi.DiagnosisEnded || n.ProcessID != "web" || n.ExitCode == nil || *n.ExitCode != 3 || !strings.Contains(n.StderrTail, "boom") || n.OOMKilled {
		t.Errorf("refusal: %+v", n)
	}
}

// outOfMemoryBehindPort: that the kernel ended a server for want of memory is told, where
// the machine's memory is bounded.
func outOfMemoryBehindPort(t *testing.T, k *keeper) {
	k.start(t, "web", 8080, "serve", "127.0.0.1:8080")
	k.told(t, "portOpened 8080 by process web")
	in, err := k.Inspect(t.Context(), &abi.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(in.Limits, func(l abi.Limit) bool { return l.Name == "memory" }); i < 0 || !strings.HasPrefix(in.Limits[i].By, "cgroup") && in.Limits[i].By != "engine" {
		t.Logf("without a control group the kernel ends nothing for want of memory: %+v", in.Limits)
		return
	}
	_, _ = k.get(t, 8080, "/eat")
	k.told(t, "portOpened 8080 by process web", "portClosed 8080 by process web")
	if n := k.refusal(t, 8080); n.Diagnosis != abi.DiagnosisEnded || n.Signal != "SIGKILL" || !n.OOMKilled {
		t.Errorf("refusal: %+v", n)
	}
	p, err := k.GetProcess(t.Context(), &abi.ProcessRequest{ProcessID: "web"})
	if err != nil || !p.OOMKilled {
		t.Errorf("process: %+v, %v", p, err)
	}
}

// restart: another edge knows what the first one knew, and is told what happens from
// then on and nothing else.
func restart(t *testing.T, k *keeper) {
	k.start(t, "web", 8080, "serve", "127.0.0.1:8080")
	k.start(t, "other", 8081, "serve", "127.0.0.1:8081")
	before := []string{"portOpened 8080 by process web", "portOpened 8081 by process other"}
	k.told(t, before...)
	_, _ = k.get(t, 8080, "/crash")
	before = append(before, "portClosed 8080 by process web")
	k.told(t, before...)
	k.close(t)
	k.open(t)
	k.wantHeard(t, "8081 127.0.0.1 other")
	k.wantCrash(t)
	k.until(t, "a list of what listens", func() (string, bool) {
		list := k.manager.List()
		return fmt.Sprintf("%+v", list), len(list) == 1 && len(list[0].Listening) == 1
	})
	k.start(t, "third", 8082, "serve", "127.0.0.1:8082")
	k.told(t, append(before, "portOpened 8082 by process third")...)
}

// manyPorts: of far more ports than are told those of the lowest numbers are, and the
// others work all the same.
func manyPorts(t *testing.T, k *keeper) {
	const ports, told = 1500, 1024
	k.start(t, "many", 8000+ports-1, "serve", fmt.Sprintf("127.0.0.1+%d:8000", ports))
	got := k.heard(t)
	if len(got) != told || got[0] != "8000 127.0.0.1 many" || got[told-1] != fmt.Sprintf("%d 127.0.0.1 many", 8000+told-1) {
		t.Errorf("%d ports, from %q to %q", len(got), got[0], got[len(got)-1])
	}
	k.until(t, "events of all of them", func() (string, bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return fmt.Sprint(len(k.events)), len(k.events) == told
	})
	k.kill(t, "many")
	k.until(t, "events of their end", func() (string, bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return fmt.Sprint(len(k.events)), len(k.events) == 2*told
	})
	k.wantHeard(t)
}

// portsSleep: that ports are watched keeps no sandbox awake, nor does asking for them.
func portsSleep(t *testing.T, k *keeper) {
	k.close(t)
	k.sleep = 5 * time.Second // longer than between two calls
	k.open(t)
	k.start(t, "web", 8080, "serve", "127.0.0.1:8080")
	k.until(t, "sleep", func() (string, bool) {
		k.heard(t)
		st, err := k.GetState(t.Context(), &abi.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v", st), st.State == abi.StateStopped
	})
	k.wantHeard(t)
}
