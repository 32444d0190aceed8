package remote

import (
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 59600 * time.Millisecond: "1m", 61 * time.Minute: "1h1m",
		2 * time.Hour: "2h", 11*time.Hour + 5*time.Minute: "11h", 49 * time.Hour: "2d",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	if got := cut("2 connections, 1 terminal", 20); got != "2 connections, 1 te…" {
		t.Errorf("cut = %q", got)
	}
	if got := cut("2 connections", 3); got != "2 connectio…" {
		t.Errorf("cut below the least = %q", got)
	}
	if got := cut("äöü", 3); got != "äöü" {
		t.Errorf("cut of what fits = %q", got)
	}
}

func TestSizeText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1536: "1.5 KiB", 3 << 30: "3.0 GiB", 5 << 50: "5120.0 TiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("sizeText(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestModeText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		info abi.FileInfo
		want string
	}{
		{abi.FileInfo{Type: abi.FileTypeFile, Mode: "0644"}, "-rw-r--r--"},
		{abi.FileInfo{Type: abi.FileTypeDirectory, Mode: "1777"}, "drwxrwxrwx"},
		{abi.FileInfo{Type: abi.FileTypeSymlink, Mode: "x"}, "l---------"},
		{abi.FileInfo{Type: abi.FileTypeOther, Mode: "0000"}, "?---------"},
	} {
		if got := modeText(tt.info); got != tt.want {
			t.Errorf("modeText(%+v) = %s, want %s", tt.info, got, tt.want)
		}
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.list = threeBoxes
	e.calls["getState"] = func(Ref, []byte) (any, error) { return abi.SandboxState{State: abi.StateRunning}, nil }
	e.calls["listProcesses"] = func(Ref, []byte) (any, error) {
		return abi.ProcessList{Processes: []abi.Process{{ID: "web"}, {ID: "two words"}, {ID: "--all"}}}, nil
	}
	e.calls["listFiles"] = func(Ref, []byte) (any, error) {
		files := []abi.FileInfo{{Name: "a"}, {Name: "d", Type: abi.FileTypeDirectory}, {Name: "größe_1.2-x+y@z"}}
		for _, name := range []string{";reboot", "a&b", "a|b", "a>b", "a<b", "$(b)", "`b`", "*", "?", "[a]", "{a,b}", "!a", "#a", "~", "a\nb", "a'b", `a"b`, `a\b`, "a\u200bb", "a\u00a0b"} {
			files = append(files, abi.FileInfo{Name: name})
		}
		return abi.ListFilesResponse{Files: files}, nil
	}
	tests := []struct{ kind, word, sandbox, want string }{
		{"sandbox", "", "", "Py/job alpha zeta"},
		{"sandbox", "Sandbox/", "", "Py/job Sandbox/alpha Sandbox/zeta"},
		{"path", "", "", "Py/job: alpha: zeta:"},
		{"path", "zeta:src/", "", "zeta:src/a zeta:src/d/ zeta:src/größe_1.2-x+y@z"},
		{"process", "", "zeta", "web"},
		{"port", "", "zeta", ""},
		{"signal", "", "", "TERM KILL INT HUP QUIT USR1 USR2 STOP CONT"},
		{"nothing", "", "", ""},
	}
	for _, tt := range tests {
		var got []string
		for _, c := range Candidates(t.Context(), s.env(e), Connection{}, tt.kind, tt.word, tt.sandbox) {
			got = append(got, c.Word)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.kind, tt.word, got, tt.want)
		}
	}
	if list := Candidates(t.Context(), s.env(e), Connection{}, "operation", "", ""); len(list) != len(abi.Operations) ||
		!slices.Contains(list, Candidate{abi.Exec.Name(), abi.Exec.Doc()}) {
		t.Errorf("operations: %v", list)
	}
}

func TestFolded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		head, rest int
		want       []string
	}{
		{"fits", "one two three", 20, 15, []string{"one two three"}},
		{"just fits", "one two three", 13, 13, []string{"one two three"}},
		{"two lines", "one two three four", 13, 12, []string{"one two three", "four"}},
		{"rest is narrower", "one two three four five six", 14, 13, []string{"one two three", "four five six"}},
		{"long word", "of /a/path/that/is/longer end", 14, 14, []string{"of", "/a/path/that/is/longer", "end"}},
		{"no room", "one two three four", -5, -5, []string{"one two", "three four"}},
		{"empty", "", 20, 15, []string{""}},
		{"unbounded", "one two", unbounded, unbounded, []string{"one two"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := folded(tt.text, tt.head, tt.rest); !slices.Equal(got, tt.want) {
				t.Errorf("folded(%q, %d, %d) = %q, want %q", tt.text, tt.head, tt.rest, got, tt.want)
			}
		})
	}
}
