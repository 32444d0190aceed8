package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAttackImports imports what has no end, or nothing to read. A build that would
// wait for it would hold up all others.
func TestAttackImports(t *testing.T) {
	t.Parallel()
	const hello = "export default { fetch() { return new Response('hello'); } };\n"
	for _, c := range []struct{ name, source, want string }{
		{"device", "import '/dev/zero';\n", "not a regular file"},
		{"device as text", "import t from '/dev/zero' with { type: 'text' };\nconsole.log(t);\n", "not a regular file"},
		{"pipe", "import './pipe.ts';\n", "not a regular file"},
		{"pipe as bytes", "import t from './pipe.bin';\nconsole.log(t);\n", "not a regular file"},
		{"huge", "import t from './huge.txt';\nconsole.log(t);\n", "at most"},
		{"web", "import 'https://example.com/x.js';\n", "nothing is downloaded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, "worker.ts", c.source+hello, "huge.txt", "")
			dir := filepath.Dir(file)
			for _, pipe := range []string{"pipe.ts", "pipe.bin"} {
				if err := syscall.Mkfifo(filepath.Join(dir, pipe), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Truncate(filepath.Join(dir, "huge.txt"), 1<<33); err != nil {
				t.Fatal(err)
			}
			made := make(chan error, 1)
			go func() {
				_, err := builder(t).Build(context.Background(), file)
				made <- err
			}()
			select {
			case err := <-made:
				if e := (*SourceError)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
			case <-time.After(patience):
				t.Fatal("the build does not end")
			}
		})
	}
}

// TestAttackTopLevel wants to know what is wrong with top levels that do not end well.
func TestAttackTopLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, source string
		builder      func(testing.TB) *Builder
		want         string
	}{
		{"jobs without end", "const again = () => { Promise.resolve().then(again); };\nagain();", hurried, "computes for longer"},
		{"nothing to show", "throw new Proxy({}, { get() { throw 1; } });", builder, "cannot be shown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, "worker.ts", c.source+"\nexport default { fetch() { return new Response('hello'); } };\n")
			if _, err := c.builder(t).Build(t.Context(), file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
