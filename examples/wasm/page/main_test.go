//go:build !wasip1

package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest/guesttest"
)

func TestPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200}, {"HEAD", "/", 200}, {"GET", "/?x=1", 200}, {"POST", "/", 405},
	} {
		r := new(guesttest.Host).Do(guesttest.Request(tt.method, tt.path)).Respond()
		if r == nil || r.Status != tt.status {
			t.Errorf("%s %s: %+v, want %d", tt.method, tt.path, r, tt.status)
		}
	}
	for _, path := range []string{"/other", "/favicon.ico"} {
		if e := new(guesttest.Host).Do(guesttest.Request("GET", path)).Failed(); e == nil || e.Code != abi.CodeNotFound {
			t.Errorf("GET %s: %v, want NOT_FOUND", path, e)
		}
	}
	r := new(guesttest.Host).Do(guesttest.Request("GET", "/")).Respond()
	if !bytes.Equal(r.Body, page) || !slices.ContainsFunc(r.Headers, func(h abi.Header) bool { return h.Name == "Content-Security-Policy" }) {
		t.Errorf("the page has %d bytes and the headers %v", len(r.Body), r.Headers)
	}
}

// TestPageStandsAlone looks for what a page without external resources has not,
// and for ids that are used but not there.
func TestPageStandsAlone(t *testing.T) {
	t.Parallel()
	text := string(page)
	if m := regexp.MustCompile(`(src|href)="(https?:)?//|@import|url\(`).FindString(text); m != "" {
		t.Errorf("the page loads something from elsewhere: %q", m)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bid="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if ids[m[1]] {
			t.Errorf("the id %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	used := regexp.MustCompile(`element\("([^"]+)"\)|(?:for|aria-labelledby|aria-describedby)="([^"]+)"|onSubmit\("([^"]+)"`).FindAllStringSubmatch(text, -1)
	for _, m := range used {
		if id := m[1] + m[2] + m[3]; !ids[id] {
			t.Errorf("the page uses the id %s and does not have it", id)
		}
	}
	for _, name := range []string{"echo", "broadcast", "json", "realtime", "worker", "preview"} {
		for _, part := range []string{"status", "log"} {
			if !ids[name+"-"+part] {
				t.Errorf("there is no #%s-%s", name, part)
			}
		}
	}
}

func TestEchoServerIsTheEchoExamples(t *testing.T) {
	t.Parallel()
	original, err := os.ReadFile("../echo/server.ts")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(original, script) {
		t.Error("echo-server.ts is not ../echo/server.ts; copy it again")
	}
}

func TestSocketURL(t *testing.T) {
	t.Parallel()
	host := new(guesttest.Host)
	running := false
	guesttest.On(host, abi.WaitForPort, func(_ guesttest.Call, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
		if !running {
			return nil, abi.Errorf(abi.CodeProcessNotFound, "there is no process %q", req.ProcessID)
		}
		return &abi.WaitForPortResponse{}, nil
	})
	guesttest.On(host, abi.WriteFile, func(_ guesttest.Call, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
		return &abi.WriteFileResponse{Path: req.Path}, nil
	})
	guesttest.On(host, abi.StartProcess, func(_ guesttest.Call, req *abi.StartProcessRequest) (*abi.Process, error) {
		running = true
		return &abi.Process{ID: req.ProcessID}, nil
	})
	guesttest.On(host, abi.ExposePort, func(c guesttest.Call, req *abi.ExposePortRequest) (*abi.ExposedPort, error) {
		return &abi.ExposedPort{Port: req.Port, WSURL: "ws://8080-" + c.Sandbox.ID + "-token.localhost:8787/"}, nil
	})
	result := host.Do(guesttest.Request("GET", "/ws-url?id=mine"))
	if r := result.Respond(); r == nil || r.Status != 200 || string(r.Body) != `{"url":"ws://8080-mine-token.localhost:8787/"}` {
		t.Errorf("answer %+v", r)
	}
	if got, want := result.Operations(), []string{"waitForPort", "writeFile", "startProcess", "waitForPort", "exposePort"}; !slices.Equal(got, want) {
		t.Errorf("operations %v, want %v", got, want)
	}
	again := host.Do(guesttest.Request("GET", "/ws-url"))
	if got := again.Operations(); !slices.Equal(got, []string{"waitForPort", "exposePort"}) || again.Calls[0].Sandbox.ID != "echo-service" {
		t.Errorf("operations %v on %s", got, again.Calls[0].Sandbox.ID)
	}
	bad := host.Do(guesttest.Request("GET", "/ws-url?id=www"))
	if e := bad.Failed(); e == nil || e.Code != abi.CodeInvalidSandboxID || !strings.Contains(e.Message, "reserved") {
		t.Errorf("a reserved id: %v", e)
	}
}
