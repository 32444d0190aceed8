package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimEnv); path != "" {
		os.Exit(runVictim(path))
	}
	goleak.VerifyTestMain(testleak.Settle(m))
}

// patience bounds what a test waits for; it never decides a result.
const patience = time.Minute

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "plugins", "kv.db") }

func set(t *testing.T, s *Store, namespace, key, value string, opts abi.KVSetOptions) uint64 {
	t.Helper()
	rev, err := s.Set(t.Context(), namespace, key, []byte(value), opts)
	if err != nil {
		t.Fatalf("set %s: %v", key, err)
	}
	return rev
}

func wantCode(t *testing.T, what string, err error, code abi.Code) {
	t.Helper()
	if code == "" && err == nil {
		return
	}
	if e := abi.AsError(err); e == nil || e.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func revision(n uint64) *uint64 { return &n }

func TestNamespacesAreApart(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	set(t, s, "one", "k", "1", abi.KVSetOptions{})
	_, err := s.Get(t.Context(), "two", "k")
	wantCode(t, "get in another namespace", err, abi.CodeNotFound)
	if page, err := s.List(t.Context(), "two", "", abi.KVListOptions{Limit: 10}); err != nil || len(page.Entries) != 0 {
		t.Errorf("list in another namespace: %+v, %v", page, err)
	}
	wantCode(t, "delete in another namespace", s.Delete(t.Context(), "two", "k", abi.KVDeleteOptions{}), "")
	if v, err := s.Get(t.Context(), "one", "k"); err != nil || string(v.Value) != "1" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestCompareAndSwap(t *testing.T) {
	t.Parallel()
	const current = 1 << 40 // stands for the key's revision
	for name, tt := range map[string]struct {
		key    string
		if_    *uint64
		remove bool
		want   abi.Code
	}{
		"any":                      {"k", nil, false, ""},
		"current":                  {"k", revision(current), false, ""},
		"old":                      {"k", revision(999), false, abi.CodeConflict},
		"must not exist":           {"k", revision(0), false, abi.CodeConflict},
		"must not exist, does not": {"n", revision(0), false, ""},
		"of nothing":               {"n", revision(3), false, abi.CodeConflict},
		"delete any":               {"k", nil, true, ""},
		"delete current":           {"k", revision(current), true, ""},
		"delete old":               {"k", revision(999), true, abi.CodeConflict},
		"delete nothing":           {"n", nil, true, ""},
		"delete of nothing, old":   {"n", revision(1), true, abi.CodeConflict},
		"delete of nothing, none":  {"n", revision(0), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, file(t))
			rev := set(t, s, "p", "k", "1", abi.KVSetOptions{})
			if tt.if_ != nil && *tt.if_ == current {
				tt.if_ = &rev
			}
			var err error
			next := rev + 1
			if tt.remove {
				err = s.Delete(t.Context(), "p", tt.key, abi.KVDeleteOptions{IfRevision: tt.if_})
			} else {
				next, err = s.Set(t.Context(), "p", tt.key, []byte("2"), abi.KVSetOptions{IfRevision: tt.if_})
			}
			wantCode(t, name, err, tt.want)
			v, _ := s.Get(t.Context(), "p", "k")
			if err == nil && next <= rev {
				t.Errorf("revision %d after %d", next, rev)
			}
			if err != nil {
				if string(v.Value) != "1" || v.Revision != rev {
					t.Errorf("a refused change left %+v", v)
				}
				var c abi.KVConflict
				if json.Unmarshal(abi.AsError(err).Details, &c) != nil || tt.key == "k" && c.Revision != rev || tt.key == "n" && c.Revision != 0 {
					t.Errorf("details %s", abi.AsError(err).Details)
				}
			}
		})
	}
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	c := newClock()
	s.now = c.now
	ttl := abi.KVSetOptions{TTL: abi.Duration(time.Minute)}
	first := set(t, s, "p", "k", "1", ttl)
	set(t, s, "p", "for ever", "1", abi.KVSetOptions{})
	page, err := s.List(t.Context(), "p", "", abi.KVListOptions{Limit: 10})
	if err != nil || len(page.Entries) != 2 || page.Entries[0].ExpiresAt != nil || !page.Entries[1].ExpiresAt.Equal(c.now().Add(time.Minute)) {
		t.Fatalf("listed %+v, %v", page, err)
	}
	c.move(time.Minute - 1)
	if _, err := s.Get(t.Context(), "p", "k"); err != nil {
		t.Errorf("a nanosecond before its time: %v", err)
	}
	c.move(1)
	_, err = s.Get(t.Context(), "p", "k")
	wantCode(t, "get when its time has passed", err, abi.CodeNotFound)
	if page, _ := s.List(t.Context(), "p", "", abi.KVListOptions{Limit: 10}); len(page.Entries) != 1 {
		t.Errorf("listed %+v", page)
	}
	_, err = s.Set(t.Context(), "p", "k", nil, abi.KVSetOptions{IfRevision: &first})
	wantCode(t, "set at the revision that it had", err, abi.CodeConflict)
	if rev := set(t, s, "p", "k", "2", abi.KVSetOptions{IfRevision: revision(0)}); rev <= first {
		t.Errorf("revision %d after %d", rev, first)
	}
	c.move(time.Hour)
	if _, err := s.Get(t.Context(), "p", "k"); err != nil {
		t.Errorf("the second value has the first one's time: %v", err)
	}
	set(t, s, "p", "long", "", abi.KVSetOptions{TTL: abi.Duration(1<<63 - 1)})
	if v, err := s.Get(t.Context(), "p", "long"); err != nil || v.Value == nil {
		t.Errorf("a value for 292 years: %+v, %v", v, err)
	}
}

// counted returns what a namespace's counts say, and what it holds, stale values
// included.
func counted(t *testing.T, s *Store, namespace string) (keys, size, haveKeys, haveBytes, expiries uint64) {
	t.Helper()
	err := s.db.View(func(tx *bolt.Tx) error {
		n := openSpace(tx, namespace, time.Unix(0, 0))
		if n.entries == nil {
			return nil
		}
		keys, size = n.get(keysCount), n.get(bytesCount)
		_ = n.expiries.ForEach(func(_, _ []byte) error { expiries++; return nil })
		return n.entries.ForEach(func(k, v []byte) error {
			haveKeys++
			haveBytes += uint64(len(k) + len(v) - headBytes)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, size, haveKeys, haveBytes, expiries
}

func TestBoundsAreExact(t *testing.T) {
	t.Parallel()
	c := newClock()
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		s := open(t, file(t))
		s.now, s.maxKeys = c.now, 3
		for i := range 3 {
			set(t, s, "p", fmt.Sprint(i), "v", abi.KVSetOptions{})
		}
		_, err := s.Set(t.Context(), "p", "3", nil, abi.KVSetOptions{})
		wantCode(t, "one key more", err, abi.CodeQuotaExceeded)
		set(t, s, "p", "1", "another value", abi.KVSetOptions{})
		wantCode(t, "delete", s.Delete(t.Context(), "p", "1", abi.KVDeleteOptions{}), "")
		set(t, s, "p", "3", "", abi.KVSetOptions{})
		set(t, s, "q", "another namespace", "", abi.KVSetOptions{})
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		s := open(t, file(t))
		s.now, s.maxBytes = c.now, 20
		set(t, s, "p", "a", strings.Repeat("x", 9), abi.KVSetOptions{})
		set(t, s, "p", "b", strings.Repeat("x", 9), abi.KVSetOptions{})
		_, err := s.Set(t.Context(), "p", "c", nil, abi.KVSetOptions{})
		wantCode(t, "a byte more", err, abi.CodeQuotaExceeded)
		_, err = s.Set(t.Context(), "p", "a", make([]byte, 10), abi.KVSetOptions{})
		wantCode(t, "a longer value", err, abi.CodeQuotaExceeded)
		set(t, s, "p", "a", "12345678", abi.KVSetOptions{})
		set(t, s, "p", "c", "", abi.KVSetOptions{})
	})
	t.Run("what is over makes room", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		s := open(t, file(t))
		s.now, s.maxKeys = c.now, 2*purgeAside
		for i := range 2 * purgeAside {
			set(t, s, "p", fmt.Sprint(i), "v", abi.KVSetOptions{TTL: abi.Duration(time.Second)})
		}
		_, err := s.Set(t.Context(), "p", "more", nil, abi.KVSetOptions{})
		wantCode(t, "while they live", err, abi.CodeQuotaExceeded)
		c.move(time.Second)
		for i := range 2 * purgeAside {
			set(t, s, "p", fmt.Sprint("new", i), "v", abi.KVSetOptions{})
		}
		_, err = s.Set(t.Context(), "p", "more", nil, abi.KVSetOptions{})
		wantCode(t, "full again", err, abi.CodeQuotaExceeded)
	})
	t.Run("purge", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		s := open(t, file(t))
		s.now = c.now
		for i := range 5 {
			set(t, s, "p", fmt.Sprint(i), "v", abi.KVSetOptions{TTL: abi.Duration(time.Second)})
			set(t, s, "q", fmt.Sprint(i), "v", abi.KVSetOptions{TTL: abi.Duration(time.Hour)})
		}
		c.move(time.Second)
		if err := s.purge(); err != nil {
			t.Fatal(err)
		}
		if keys, size, have, haveBytes, expiries := counted(t, s, "p"); keys+size+have+haveBytes+expiries != 0 {
			t.Errorf("a purged namespace holds %d %d %d %d %d", keys, size, have, haveBytes, expiries)
		}
		if keys, _, have, _, expiries := counted(t, s, "q"); keys != 5 || have != 5 || expiries != 5 {
			t.Errorf("the other namespace holds %d %d %d", keys, have, expiries)
		}
	})
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	for _, key := range []string{"a/1", "a/2", "a/20", "a/3", "b/1", "a", "é"} {
		set(t, s, "p", key, key, abi.KVSetOptions{})
	}
	for _, tt := range []struct {
		prefix, after string
		limit         int
		want          string
		more          bool
	}{
		{"", "", 10, "a a/1 a/2 a/20 a/3 b/1 é", false},
		{"", "", 7, "a a/1 a/2 a/20 a/3 b/1 é", false},
		{"a/", "", 4, "a/1 a/2 a/20 a/3", false},
		{"a/", "", 3, "a/1 a/2 a/20", true},
		{"a/", "a/2", 10, "a/20 a/3", false},
		{"a/", "a/2", 1, "a/20", true},
		{"a/", "a/3", 10, "", false},
		{"a/", "Z", 1, "a/1", true},
		{"a/", "zz", 10, "", false},
		{"c", "", 10, "", false},
	} {
		page, err := s.List(t.Context(), "p", tt.prefix, abi.KVListOptions{After: tt.after, Limit: tt.limit})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range page.Entries {
			if e.Size != len(e.Key) {
				t.Errorf("%s has the size %d", e.Key, e.Size)
			}
			got = append(got, e.Key)
		}
		if g := strings.Join(got, " "); g != tt.want || page.More != tt.more {
			t.Errorf("list(%q, %q, %d) = %q, more %t; want %q, %t", tt.prefix, tt.after, tt.limit, g, page.More, tt.want, tt.more)
		}
	}
}

func TestFileIsPrivateAndLocked(t *testing.T) {
	t.Parallel()
	path := file(t)
	s := open(t, path)
	if _, err := Open(path, nil); !errors.Is(err, ErrInUse) {
		t.Fatalf("second open: %v, want ErrInUse", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), "p", "k")
	wantCode(t, "get after Close", err, abi.CodeCanceled)
	_, err = s.Set(t.Context(), "p", "k", nil, abi.KVSetOptions{})
	wantCode(t, "set after Close", err, abi.CodeCanceled)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", fi.Mode(), err)
	}
	if fi, err := os.Stat(filepath.Dir(path)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode %v, %v; want 0700", fi.Mode(), err)
	}
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kv.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(path, nil); err == nil {
		_ = s.Close()
		t.Fatal("opened a text file")
	}
}

// TestOpenRefusesWhatIsCutShort cuts a store at many places: none ends the process.
func TestOpenRefusesWhatIsCutShort(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kv.db")
	s, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Set(t.Context(), "team", "key", bytes.Repeat([]byte{1}, 100<<10), abi.KVSetOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 4096, 5000, 8192, 12 << 10, 16 << 10, 64 << 10, 100 << 10} {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(path, nil); !errors.Is(err, ErrBroken) {
			t.Errorf("%d bytes of %d: %v, want ErrBroken", size, len(whole), err)
			if err == nil {
				_ = s.Close()
			}
		}
	}
}

func TestEndedContextStartsNothing(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Set(ctx, "p", "k", nil, abi.KVSetOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("set: %v", err)
	}
	_, err := s.Get(t.Context(), "p", "k")
	wantCode(t, "get", err, abi.CodeNotFound)
}

// TestHammer adds to counters from many goroutines by compare-and-swap, in two
// namespaces; no addition may be lost, and no two changes share a revision.
func TestHammer(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	const workers, adds = 16, 20
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[string]bool{}
	)
	for w := range workers {
		wg.Go(func() {
			namespace, key := fmt.Sprint("n", w%2), fmt.Sprint("k", w%4)
			for done := 0; done < adds; {
				v, err := s.Get(t.Context(), namespace, key)
				if err != nil && !errors.Is(err, abi.CodeNotFound.Err()) {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(v.Value))
				rev, err := s.Set(t.Context(), namespace, key, []byte(strconv.Itoa(n+1)), abi.KVSetOptions{IfRevision: &v.Revision})
				if errors.Is(err, abi.CodeConflict.Err()) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				done++
				name := fmt.Sprint(namespace, " ", rev)
				mu.Lock()
				if seen[name] {
					t.Errorf("revision %s was given twice", name)
				}
				seen[name] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		v, err := s.Get(t.Context(), fmt.Sprint("n", i%2), fmt.Sprint("k", i))
		if want := strconv.Itoa(workers / 4 * adds); err != nil || string(v.Value) != want {
			t.Errorf("k%d = %s, %v; want %s", i, v.Value, err, want)
		}
	}
}

// TestWritesShare has changes that wait for a write in progress go to the disk
// together: less transactions than changes.
func TestWritesShare(t *testing.T) {
	t.Parallel()
	s := open(t, file(t))
	before := s.db.Stats().TxStats.Write
	s.write.Lock()
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { set(t, s, "p", fmt.Sprint(i), "v", abi.KVSetOptions{}) })
	}
	for waiting := 0; waiting < n; {
		s.mu.Lock()
		waiting = len(s.waiting)
		s.mu.Unlock()
		runtime.Gosched()
	}
	s.write.Unlock()
	wg.Wait()
	stats := s.db.Stats()
	t.Logf("%d page writes for %d changes", stats.TxStats.Write-before, n)
	var id int
	_ = s.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil })
	if id > 6 {
		t.Errorf("%d transactions for %d changes that waited together", id, n)
	}
}

func TestTakeIsBounded(t *testing.T) {
	t.Parallel()
	s := new(Store)
	for range 3 {
		s.waiting = append(s.waiting, &change{value: make([]byte, maxBatch/2)})
	}
	s.waiting = append(s.waiting, &change{value: make([]byte, 2*maxBatch)})
	var got []int
	for len(s.waiting) > 0 {
		got = append(got, len(s.take()))
	}
	if !slices.Equal(got, []int{2, 1, 1}) {
		t.Errorf("took %v", got)
	}
}

func BenchmarkSet(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "kv.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Set(b.Context(), "p", "k", []byte("v"), abi.KVSetOptions{}); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "kv.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Set(b.Context(), "p", "k", []byte("v"), abi.KVSetOptions{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), "p", "k"); err != nil {
			b.Fatal(err)
		}
	}
}
