package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

func TestDoctorsReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newConsole(&out, func(string) string { return "" })
	err := c.findings([]sandboxmgr.Finding{
		{Name: "state folder", Level: levelOK, Text: "/var/lib/edge"},
		{Name: "engine", Level: levelBad, Text: "no Docker engine answers at unix:///var/run/docker.sock: it is not\nthere, or not for this user", Mend: "systemctl start docker"},
		{Name: "disk", Level: levelNote, Text: "not bounded \x1b[2J"},
	})
	const want = `ok    state folder  /var/lib/edge
BAD   engine        no Docker engine answers at unix:///var/run/docker.sock: it
                    is not there, or not for this user
                    mend: systemctl start docker
note  disk          not bounded ` + "\uFFFD" + `[2J
`
	if err != nil || out.String() != want {
		t.Errorf("%v, printed\n%s\nwant\n%s", err, &out, want)
	}
}

// findingsOf runs doctor on a configuration with one binding that takes nothing
// but this machine.
func findingsOf(t *testing.T, args ...string) (byName map[string]sandboxmgr.Finding, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"doctor", "--format", "json"}, args...), quietTerminal(&out, &errs))
	var report struct{ Findings []sandboxmgr.Finding }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, &out, &errs)
	}
	byName = map[string]sandboxmgr.Finding{}
	for _, f := range report.Findings {
		if f.Level != levelOK && f.Level != levelNote && f.Level != levelBad {
			t.Errorf("finding %+v", f)
		}
		if known, there := byName[f.Name]; !there || known.Level == levelOK {
			byName[f.Name] = f
		}
	}
	return byName, code
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	config := configIn(t, "listen: 127.0.0.1:0\nadmin: {listen: off}\nstate: ./state\nsandboxes: {S: {runtime: process}}\n")
	state := filepath.Join(filepath.Dir(config), "state")
	found, code := findingsOf(t, "--config", config)
	if code != exitOK && code != exitFailure { // this machine may have no namespaces
		t.Errorf("exit %d", code)
	}
	for name, text := range map[string]string{
		"configuration": config, "state folder": state + " (will be made)", "admin API": "no edge runs with this state folder", "listen": "127.0.0.1:0 is free",
	} {
		if f := found[name]; f.Level != levelOK || f.Text != text {
			t.Errorf("%s: %+v, want %q", name, f, text)
		}
	}
	if found["socket paths"].Level != levelOK || found["descriptors"].Text == "" {
		t.Errorf("found %+v", found)
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("doctor made the state folder")
	}
}

// TestDoctorWhileASilentEdgeRuns wants no fault found with an edge that has no
// admin API to be asked.
func TestDoctorWhileASilentEdgeRuns(t *testing.T) {
	t.Parallel()
	config := configIn(t, "listen: 127.0.0.1:0\nadmin: off\nstate: ./state\nsandboxes: {S: {runtime: process}}\n")
	store, err := state.Open(filepath.Join(filepath.Dir(config), "state", stateFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	found, _ := findingsOf(t, "--config", config)
	if f := found["state file"]; f.Level != levelNote || !strings.HasPrefix(f.Text, "an edge runs with this state folder") {
		t.Errorf("found %+v", f)
	}
	if f, there := found[othersName]; there {
		t.Errorf("machines of others are told of: %+v", f)
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	config := configIn(t, "listen: 127.0.0.1:0\nadmin: {listen: off}\nsandboxes: {S: {runtime: process}}\n")
	dir := filepath.Dir(config)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	edge, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(edge) }()
	t.Cleanup(func() { srv.Close(); <-ended })
	srvAddr, otherAddr := edge.Addr().String(), other.Addr().String()
	go func() { // accepts and answers nothing an edge would
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	tests := []struct {
		name string
		args []string
		find string
		text string
		mend string
	}{
		{"port of an edge", []string{"--listen", srvAddr}, "listen", srvAddr + " is taken by another edge", "stop that one"},
		{"port of another", []string{"--listen", otherAddr}, "listen", otherAddr + " is taken by another program", "ss -ltnp"},
		{"admin port", []string{"--admin-listen", otherAddr}, "admin listen", otherAddr + " is taken by another program", "--admin-listen"},
		{"no address of ours", []string{"--listen", "192.0.2.1:1"}, "listen", "listen tcp 192.0.2.1:1: bind: cannot assign requested address", "--listen"},
		{"state is a file", []string{"--state", dir + "/notes.txt"}, "state folder", dir + "/notes.txt is a file", "--state"},
		{"state is deep", []string{"--state", dir + "/" + strings.Repeat("d", 100)}, "socket paths", "", "--state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--config", config, "--state", dir + "/state"}, tt.args...)
			if tt.args[0] == "--state" {
				args = append([]string{"--config", config}, tt.args...)
			}
			found, code := findingsOf(t, args...)
			f := found[tt.find]
			if code != exitFailure || f.Level != levelBad || tt.text != "" && f.Text != tt.text || !strings.Contains(f.Mend, tt.mend) {
				t.Errorf("exit %d, found %+v", code, f)
			}
		})
	}
	bad := configIn(t, "lisen: x\n")
	if found, code := findingsOf(t, "--config", bad); code != exitFailure || !strings.HasSuffix(found["configuration"].Text, `unknown key "lisen"; did you mean "listen"?`) {
		t.Errorf("exit %d, found %+v", code, found["configuration"])
	}
}

// TestFailedStartTellsWhatIsMissing takes a port that is taken.
func TestFailedStartTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := configIn(t, "state: ./state\nsandboxes: {S: {runtime: process}}\n")
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"serve", "--config", config, "--listen", l.Addr().String(), "--admin-listen", "off"}, quietTerminal(&out, &errs))
	if code != exitFailure || !strings.Contains(errs.String(), "\nedge: doctor: listen: "+l.Addr().String()+" is taken by ") {
		t.Errorf("exit %d: %s", code, &errs)
	}
	if n := strings.Count(errs.String(), "\n"); n > maxMissing+2 {
		t.Errorf("%d lines:\n%s", n, &errs)
	}
}
