package certs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
)

// script writes a shell script and returns the command that runs it.
func script(t testing.TB, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dns.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", path, "first", "second word"}
}

func TestHook(t *testing.T) {
	// Environment: not parallel.
	t.Setenv("DNS_API_TOKEN", "hunter2hunter2")
	out := filepath.Join(t.TempDir(), "out")
	log := new(record)
	h := &hook{command: script(t, `for a in "$@"; do echo "[$a]" >> `+out+`; done; set -x; : $DNS_API_TOKEN; echo done`), timeout: patience, log: log.log()}
	record := []libdns.Record{libdns.TXT{Name: "_acme-challenge.preview", Text: "va lue$(x)"}}
	if _, err := h.AppendRecords(t.Context(), "example.com.", record); err != nil {
		t.Fatal(err)
	}
	if _, err := h.DeleteRecords(t.Context(), "example.com.", record); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	args := "[first]\n[second word]\n[%s]\n[_acme-challenge.preview.example.com]\n[va lue$(x)]\n"
	if want := strings.Replace(args, "%s", "present", 1) + strings.Replace(args, "%s", "cleanup", 1); string(got) != want {
		t.Errorf("it was run with\n%swant\n%s", got, want)
	}
	if s := log.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, "***") || !strings.Contains(s, "done") {
		t.Errorf("the log holds\n%s", s)
	}
}

func TestHookFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script, wantError, wantLog string
		timeout                          time.Duration
	}{
		{"code", "echo no such zone >&2; exit 3", "exit status 3", "no such zone", patience},
		{"time", "sleep 1000 & sleep 1000", "it took longer than 100ms", "", 100 * time.Millisecond},
		{"much output", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 1", "exit status 1", "line 2999", patience},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := new(record)
			h := &hook{command: script(t, tt.script), timeout: tt.timeout, log: log.log()}
			_, err := h.AppendRecords(t.Context(), "example.com.", []libdns.Record{libdns.TXT{Name: "x", Text: "y"}})
			if err == nil || !strings.Contains(err.Error(), tt.wantError) || !strings.Contains(err.Error(), "present x.example.com") {
				t.Errorf("error %v, want %q", err, tt.wantError)
			}
			if s := log.String(); !strings.Contains(s, tt.wantLog) || len(s) > 2*hookOutput {
				t.Errorf("the log holds %d bytes\n%.500s", len(s), s)
			}
		})
	}
}

// TestHookLeavesSomethingBehind: what it started and did not wait for does not hold
// it up.
func TestHookLeavesSomethingBehind(t *testing.T) {
	t.Parallel()
	h := &hook{command: script(t, "sleep 5 & exit 0"), timeout: patience, log: new(record).log()}
	if _, err := h.AppendRecords(t.Context(), "example.com.", []libdns.Record{libdns.TXT{Name: "x", Text: "y"}}); err != nil {
		t.Error(err)
	}
}
