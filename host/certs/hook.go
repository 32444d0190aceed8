package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libdns/libdns"
)

// hookTimeout bounds one run of the DNS command.
const hookTimeout = 2 * time.Minute

// hookGrace is how long what it left behind may hold its output open.
const hookGrace = 2 * time.Second

// hookOutput is how much of what the command printed last is kept, in bytes.
const hookOutput = 4 << 10

// hook changes DNS records by running a command of the operator's:
//
//	PROGRAM ARGS... present|cleanup _acme-challenge.preview.example.com VALUE
//
// One runs at a time. There may be two values for one name at a time, so that present
// adds a TXT record and cleanup removes that one alone. A code other than 0 is a
// failure. The command has the edge's environment.
type hook struct {
	command []string
	timeout time.Duration
	log     *slog.Logger

	mu sync.Mutex // held while one runs
}

// What libdns wants of those who change records for certmagic.
var (
	_ libdns.RecordAppender = (*hook)(nil)
	_ libdns.RecordDeleter  = (*hook)(nil)
)

// AppendRecords adds records to a zone.
func (h *hook) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return h.each(ctx, "present", zone, records)
}

// DeleteRecords removes records from a zone.
func (h *hook) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return h.each(ctx, "cleanup", zone, records)
}

func (h *hook) each(ctx context.Context, verb, zone string, records []libdns.Record) ([]libdns.Record, error) {
	for i, r := range records {
		rr := r.RR()
		name := strings.TrimSuffix(libdns.AbsoluteName(rr.Name, zone), ".")
		if err := h.run(ctx, verb, name, rr.Data); err != nil {
			return records[:i], err
		}
	}
	return records, nil
}

// run runs the command once.
func (h *hook) run(ctx context.Context, verb, name, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	args := append(append([]string(nil), h.command[1:]...), verb, name, value)
	cmd := exec.CommandContext(ctx, h.command[0], args...)
	// The whole group ends with it, and not the shell alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = hookGrace
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // it did its work, and something in the background holds its output
		err = nil
	}
	said := withoutSecrets(out.String(), cmd.Environ())
	if err == nil {
		h.log.Info("the DNS command ran", "verb", verb, "name", name, "took", time.Since(begin).Round(time.Millisecond), "output", said)
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %s, or the edge ended: %w", h.timeout, ctx.Err())
	}
	h.log.Warn("the DNS command failed", "verb", verb, "name", name, "error", err, "output", said)
	return fmt.Errorf("the DNS command %s %s %s: %w", h.command[0], verb, name, err)
}

// tail keeps the last hookOutput bytes of what is written to it.
type tail struct {
	b   bytes.Buffer
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.b.Write(p)
	if over := t.b.Len() - hookOutput; over > 0 {
		t.b.Next(over)
		t.cut = true
	}
	return len(p), nil
}

func (t *tail) String() string {
	s := strings.TrimSpace(strings.ToValidUTF8(t.b.String(), "?"))
	if t.cut {
		s = "..." + s
	}
	return s
}

// withoutSecrets puts "***" in the place of the values of environment variables that
// are named like secrets: what sets DNS records has a key, and may print it (set -x).
func withoutSecrets(text string, environ []string) string {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if len(value) < 6 || !secretLike(name) {
			continue
		}
		text = strings.ReplaceAll(text, value, "***")
	}
	return text
}

func secretLike(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"TOKEN", "KEY", "SECRET", "PASS", "AUTH", "CREDENTIAL"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
