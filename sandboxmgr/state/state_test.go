package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimEnv); path != "" {
		os.Exit(runVictim(path))
	}
	goleak.VerifyTestMain(testleak.Settle(m))
}

func open(t *testing.T, path string) *state.Store {
	t.Helper()
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "new", "state.db") }

func put(key, value string, expect int64) sandboxmgr.Change {
	return sandboxmgr.Change{Key: key, Value: []byte(value), Expect: expect}
}

func TestGetReturnsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, sandboxmgr.ErrNoEntry) {
		t.Fatalf("get of nothing: %v, want ErrNoEntry", err)
	}
	rev, err := s.Commit(t.Context(), put("a", "1", 0), put("b", "", 0))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "1", "b": ""} {
		e, err := s.Get(t.Context(), key)
		if err != nil || string(e.Value) != want || e.Revision != rev || e.Key != key {
			t.Errorf("get %s = %+v, %v; want %q at %d", key, e, err, want, rev)
		}
	}
}

func TestCommitExpectations(t *testing.T) {
	t.Parallel()
	const current = -100 // stands for the entry's real revision
	tests := []struct {
		name    string
		changes []sandboxmgr.Change
		want    error
	}{
		{"new entry that exists", []sandboxmgr.Change{put("a", "2", 0)}, sandboxmgr.ErrConflict},
		{"old revision", []sandboxmgr.Change{put("a", "2", 999)}, sandboxmgr.ErrConflict},
		{"current revision", []sandboxmgr.Change{put("a", "2", current)}, nil},
		{"any revision", []sandboxmgr.Change{put("a", "2", sandboxmgr.AnyRevision)}, nil},
		{"any revision of nothing", []sandboxmgr.Change{put("n", "2", sandboxmgr.AnyRevision)}, nil},
		{"revision of nothing", []sandboxmgr.Change{put("n", "2", 1)}, sandboxmgr.ErrConflict},
		{"delete at current", []sandboxmgr.Change{{Key: "a", Expect: current}}, nil},
		{"delete at old", []sandboxmgr.Change{{Key: "a", Expect: 999}}, sandboxmgr.ErrConflict},
		{"delete of nothing", []sandboxmgr.Change{{Key: "n", Expect: sandboxmgr.AnyRevision}}, nil},
		{"one of two in conflict", []sandboxmgr.Change{put("n", "2", 0), put("a", "2", 999)}, sandboxmgr.ErrConflict},
		{"empty key", []sandboxmgr.Change{put("", "2", 0)}, state.ErrInvalid},
		{"longest key", []sandboxmgr.Change{put(string(bytes.Repeat([]byte("k"), state.MaxKey)), "2", 0)}, nil},
		{"key too long", []sandboxmgr.Change{put(string(bytes.Repeat([]byte("k"), state.MaxKey+1)), "2", 0)}, state.ErrInvalid},
		{"longest value", []sandboxmgr.Change{{Key: "n", Value: make([]byte, state.MaxValue)}}, nil},
		{"value too long", []sandboxmgr.Change{{Key: "n", Value: make([]byte, state.MaxValue+1)}}, state.ErrInvalid},
		{"key twice", []sandboxmgr.Change{put("n", "1", 0), put("n", "2", 0)}, state.ErrInvalid},
		{"unknown expectation", []sandboxmgr.Change{put("n", "1", -2)}, state.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, file(t))
			rev, err := s.Commit(t.Context(), put("a", "1", 0))
			if err != nil {
				t.Fatal(err)
			}
			for i := range tt.changes {
				if tt.changes[i].Expect == current {
					tt.changes[i].Expect = rev
				}
			}
			next, err := s.Commit(t.Context(), tt.changes...)
			if !errors.Is(err, tt.want) {
				t.Fatalf("commit: %v, want %v", err, tt.want)
			}
			if err == nil && next <= rev {
				t.Errorf("revision %d after %d", next, rev)
			}
			if err != nil {
				if es, _ := s.List(t.Context(), "", "", 10); len(es) != 1 || string(es[0].Value) != "1" {
					t.Errorf("a refused commit left %+v", es)
				}
			}
		})
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	var changes []sandboxmgr.Change
	for _, k := range []string{"a/1", "a/2", "a/20", "a/3", "b/1", "a"} {
		changes = append(changes, put(k, k, 0))
	}
	if _, err := s.Commit(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		prefix, after string
		limit         int
		want          string
	}{
		{"", "", 10, "a a/1 a/2 a/20 a/3 b/1"},
		{"a/", "", 10, "a/1 a/2 a/20 a/3"},
		{"a/", "", 2, "a/1 a/2"},
		{"a/", "a/2", 10, "a/20 a/3"},
		{"a/", "a/2", 1, "a/20"},
		{"a/", "a/3", 10, ""},
		{"a/", "Z", 1, "a/1"},
		{"a/", "zz", 10, ""},
		{"c", "", 10, ""},
		{"a/", "", 0, ""},
		{"a/", "", -1, ""},
	}
	for _, tt := range tests {
		es, err := s.List(t.Context(), tt.prefix, tt.after, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range es {
			got = append(got, e.Key)
		}
		if g := fmt.Sprint(got); g != "["+tt.want+"]" {
			t.Errorf("list(%q, %q, %d) = %s, want [%s]", tt.prefix, tt.after, tt.limit, g, tt.want)
		}
	}
}

func TestReopenKeepsEntriesAndRevisions(t *testing.T) {
	t.Parallel()
	path := file(t)
	s := open(t, path)
	rev, err := s.Commit(t.Context(), put("a", "1", 0))
	if err != nil {
		t.Fatal(err)
	}
	// The newest revision belongs to a deletion, so no entry holds it.
	last, err := s.Commit(t.Context(), sandboxmgr.Change{Key: "gone", Expect: 0})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	e, err := s.Get(t.Context(), "a")
	if err != nil || string(e.Value) != "1" || e.Revision != rev {
		t.Fatalf("after reopening: %+v, %v", e, err)
	}
	next, err := s.Commit(t.Context(), put("b", "2", 0))
	if err != nil || next <= last {
		t.Fatalf("revision %d, %v after %d and a restart", next, err, last)
	}
}

func TestFileIsPrivateAndLocked(t *testing.T) {
	t.Parallel()
	path := file(t)
	s := open(t, path)
	if _, err := state.Open(path); !errors.Is(err, state.ErrInUse) {
		t.Fatalf("second open: %v, want ErrInUse", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", fi.Mode(), err)
	}
}

func TestOpenRefusesWhatIsNoStateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := state.Open(path); err == nil {
		_ = s.Close()
		t.Fatal("opened a text file")
	}
}

func TestClosedStoreFails(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, getErr := s.Get(t.Context(), "a")
	_, listErr := s.List(t.Context(), "", "", 1)
	_, commitErr := s.Commit(t.Context(), put("a", "1", 0))
	for _, err := range []error{getErr, listErr, commitErr} {
		if !errors.Is(err, state.ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	}
}

func TestEndedContextStartsNothing(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, put("a", "1", 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, sandboxmgr.ErrNoEntry) {
		t.Errorf("the entry was written: %v", err)
	}
}

// TestHammer adds to counters from many goroutines by compare-and-swap; no
// addition may be lost, and no two commits may share a revision.
func TestHammer(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	const workers, adds = 16, 20
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[int64]bool{}
	)
	for w := range workers {
		wg.Go(func() {
			key := "n/" + strconv.Itoa(w%4)
			for done := 0; done < adds; {
				rev, err := add(t.Context(), s, key)
				if errors.Is(err, sandboxmgr.ErrConflict) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				done++
				mu.Lock()
				if seen[rev] {
					t.Errorf("revision %d was given twice", rev)
				}
				seen[rev] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	es, err := s.List(t.Context(), "n/", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if got := string(e.Value); got != strconv.Itoa(workers/4*adds) {
			t.Errorf("%s = %s, want %d", e.Key, got, workers/4*adds)
		}
	}
}

func add(ctx context.Context, s *state.Store, key string) (int64, error) {
	e, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, sandboxmgr.ErrNoEntry) {
		return 0, err
	}
	n, _ := strconv.Atoi(string(e.Value))
	return s.Commit(ctx, put(key, strconv.Itoa(n+1), e.Revision))
}

func BenchmarkCommit(b *testing.B) {
	s, err := state.Open(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Commit(b.Context(), put("a", "1", sandboxmgr.AnyRevision)); err != nil {
				b.Error(err)
			}
		}
	})
}
