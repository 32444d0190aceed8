package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// quietTerminal is a terminal whose output is kept and that gets no signals.
func quietTerminal(out, errs *bytes.Buffer) *terminal {
	return &terminal{
		out: out, err: errs, getenv: func(string) string { return "" },
		notify: func(chan<- os.Signal, ...os.Signal) func() { return func() {} },
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	bad := configIn(t, "lisen: x\n")
	occupied := filepath.Dir(bad)
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"help", []string{"--help"}, exitOK},
		{"help of a verb", []string{"help", "exec"}, exitOK},
		{"version", []string{"version"}, exitOK},
		{"version as a flag", []string{"--version"}, exitOK},
		{"nothing", nil, exitUsage},
		{"unknown command", []string{"sing"}, exitUsage},
		{"unknown flag", []string{"serve", "--loud"}, exitUsage},
		{"configuration", []string{"serve", "--config", bad}, exitUsage},
		{"configuration in dev", []string{"dev", occupied}, exitUsage},
		{"folder in the way", []string{"plugin", "new", occupied}, exitUsage},
		{"refused module", []string{"plugin", "check", filepath.Join(occupied, "chat.wasm")}, exitFailure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			if got := run(t.Context(), tt.args, quietTerminal(&out, &errs)); got != tt.want {
				t.Errorf("edge %q exits %d, want %d\n%s%s", tt.args, got, tt.want, &out, &errs)
			}
			if (errs.Len() > 0) != (tt.want != exitOK) {
				t.Errorf("edge %q exits %d and prints %q to stderr", tt.args, tt.want, &errs)
			}
		})
	}
}

// TestMisreadCommandLines holds what is said of command lines that mean nothing:
// each names the help text that says more.
func TestMisreadCommandLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"whistle"}, "edge: there is no command whistle; edge --help says more\n"},
		{"unknown command of a group", []string{"plugin", "sing"}, "edge: unexpected argument sing; edge plugin --help says more\n"},
		{"unknown flag", []string{"top", "--loud", "one"}, "edge: unknown flag --loud; edge top --help says more\n"},
		{"unknown value", []string{"expose", "one", "8080", "--token-in", "query"}, "edge: --token-in must be one of \"host\",\"request\" but got \"query\"; edge expose --help says more\n"},
		{"missing argument", []string{"logs"}, "edge: expected \"<sandbox>\"; edge logs --help says more\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			run(t.Context(), tt.args, quietTerminal(&out, &errs))
			if errs.String() != tt.want {
				t.Errorf("edge %q says %q, want %q", tt.args, &errs, tt.want)
			}
		})
	}
}
