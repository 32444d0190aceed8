package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
	"edge/cmd/edge/testport"
	"edge/plugins/wasmasm"
	"edge/sandboxmgr/process"
)

func TestMain(m *testing.M) {
	// Where no init is embedded this program is copied into sandboxes as one.
	testscript.Main(leakChecked{m}, map[string]func(){"edge": main, "init": main})
}

// leakChecked runs the tests and fails them if goroutines are left.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	// The one goroutine that fasthttp starts for the life of a process.
	fasthttpClock := goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")
	code := testleak.Settle(l.m, fasthttpClock).Run()
	if err := goleak.Find(fasthttpClock); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs testdata/script/*.txtar. Besides testscript's own commands
// they have
//
//	hex FILE BYTES        writes a file of bytes given in hexadecimal
//	answering FILE TEXT   writes a module that answers every request with the text
//	port NAME             sets NAME to a TCP port that is free
//	exitcode N PROGRAM... runs a program that must end with that exit code
//	get URL PATTERN       asks until the URL answers with a body that matches
//	cleaned CONFIG        has the sandboxes of that edge destroyed at the script's
//	                      end, however it ends
func TestScripts(t *testing.T) {
	t.Parallel()
	caches := goCaches(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, caches...)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "race" && raceEnabled || cond == "sandboxes" && haveSandboxes(t) || cond == "engine" && haveEngine(), nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"hex": writeHex, "answering": writeAnswering, "port": freePort, "get": getURL, "exitcode": exitCodeIs, "cleaned": cleanAtEnd,
		},
	})
}

// goCaches are the variables that let go work without a home, and offline.
func goCaches(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	dirs := strings.Split(strings.TrimSpace(string(out)), "\n")
	return []string{"GOCACHE=" + dirs[0], "GOMODCACHE=" + dirs[1], "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=", "CGO_ENABLED=0"}
}

func writeHex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: hex file bytes...")
	}
	b, err := hex.DecodeString(strings.Join(args[1:], ""))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

func writeAnswering(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answering file text")
	}
	file := ts.MkAbs(args[0])
	whole := file + ".whole" // an edge may watch the file, and must not read a part of it
	ts.Check(os.WriteFile(whole, answeringModule(args[1]), 0o644))
	ts.Check(os.Rename(whole, file))
}

// answeringModule is a plugin of a few bytes: 200 and the text, whatever is
// asked.
func answeringModule(text string) []byte {
	m := wasmasm.New()
	respond := m.Import("edge1", "respond", "iiiiii", "I")
	m.Memory(1, 0)
	body := m.Bytes([]byte(text))
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	answer := wasmasm.Call(respond, wasmasm.Get(0), wasmasm.I32(200), wasmasm.I32(0), wasmasm.I32(0),
		wasmasm.I32(int32(body)), wasmasm.I32(int32(len(text))))
	m.Func("edge_request", "i", "i", "", answer, wasmasm.Drop(), wasmasm.I32(0))
	return m.Encode()
}

func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	port, err := testport.Hold()
	ts.Check(err)
	ts.Defer(func() { ts.Check(port.Release()) })
	ts.Setenv(args[0], port.Number())
}

func getURL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get url pattern")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	if last, ok := awaitBody(args[0], pattern); !ok {
		ts.Fatalf("%s did not answer with %s; last: %s", args[0], args[1], last)
	}
}

// awaitBody asks until the body matches, and returns what it saw last.
func awaitBody(url string, pattern *regexp.Regexp) (last string, ok bool) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		last = fmt.Sprintf("%d %s %v", resp.StatusCode, b, err)
		if err == nil && pattern.Match(b) {
			return last, true
		}
	}
	return last, false
}

// haveSandboxes tells whether the process runtime works here, as it must in CI.
func haveSandboxes(t *testing.T) bool {
	rt, err := process.New(process.Config{StateDir: t.TempDir()})
	if err == nil {
		err = rt.Check(t.Context())
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("the process runtime does not work here: %v", err)
	}
	return err == nil
}

func exitCodeIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N program...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exited, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exited.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func cleanAtEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cleaned config")
	}
	config := ts.MkAbs(args[0])
	ts.Defer(func() {
		for _, cmd := range ts.BackgroundCmds() {
			_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		}
		var err error
		for end := time.Now().Add(patience); time.Now().Before(end); { // clean waits a while for the state folder itself
			if err = ts.Exec("edge", "clean", "--config", config); err == nil {
				return
			}
		}
		ts.Fatalf("sandboxes may be left: %v", err)
	})
}
