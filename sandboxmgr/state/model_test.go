package state_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

type modelEntry struct {
	value    string
	revision int64
}

// TestModel drives the store and a plain map with the same random steps, with
// reopenings in between.
func TestModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "model.db")
		s, err := state.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(); _ = os.Remove(path) }()
		model := map[string]modelEntry{}
		var last int64
		keys := rapid.SampledFrom([]string{"a", "a/1", "a/2", "b", "b/1"})
		steps := map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				names := rapid.SliceOfNDistinct(keys, 1, 3, rapid.ID[string]).Draw(t, "keys")
				changes, want := drawChanges(t, names, model)
				rev, err := s.Commit(t.Context(), changes...)
				if !errors.Is(err, want) {
					t.Fatalf("commit %v: %v, want %v", changes, err, want)
				}
				if err != nil {
					return
				}
				if rev <= last {
					t.Fatalf("revision %d after %d", rev, last)
				}
				last = rev
				for _, c := range changes {
					if c.Value == nil {
						delete(model, c.Key)
					} else {
						model[c.Key] = modelEntry{string(c.Value), rev}
					}
				}
			},
			"list": func(t *rapid.T) {
				prefix := rapid.SampledFrom([]string{"", "a", "a/", "b", "c"}).Draw(t, "prefix")
				after := rapid.SampledFrom([]string{"", "a", "a/1", "b", "z"}).Draw(t, "after")
				limit := rapid.IntRange(0, 6).Draw(t, "limit")
				es, err := s.List(t.Context(), prefix, after, limit)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := listed(es), modelList(model, prefix, after, limit); !slices.Equal(got, want) {
					t.Fatalf("list(%q, %q, %d) = %q, want %q", prefix, after, limit, got, want)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = state.Open(path); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				for _, k := range []string{"a", "a/1", "a/2", "b", "b/1"} {
					e, err := s.Get(t.Context(), k)
					want, ok := model[k]
					if ok != (err == nil) || string(e.Value) != want.value || e.Revision != want.revision {
						t.Fatalf("get %s = %+v, %v; want %+v", k, e, err, want)
					}
				}
			},
		}
		t.Repeat(steps)
	})
}

func drawChanges(t *rapid.T, names []string, model map[string]modelEntry) (changes []sandboxmgr.Change, want error) {
	for _, k := range names {
		c := sandboxmgr.Change{Key: k}
		if rapid.Bool().Draw(t, "put") {
			c.Value = []byte(rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "value"))
		}
		now := model[k].revision
		c.Expect = rapid.SampledFrom([]int64{now, now, sandboxmgr.AnyRevision, 0, now + 1}).Draw(t, "expect")
		if c.Expect != sandboxmgr.AnyRevision && c.Expect != now {
			want = sandboxmgr.ErrConflict
		}
		changes = append(changes, c)
	}
	return changes, want
}

func listed(es []sandboxmgr.Entry) []string {
	out := []string{}
	for _, e := range es {
		out = append(out, e.Key+"="+string(e.Value))
	}
	return out
}

func modelList(model map[string]modelEntry, prefix, after string, limit int) []string {
	out := []string{}
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if strings.HasPrefix(k, prefix) && k > after && len(out) < limit {
			out = append(out, k+"="+model[k].value)
		}
	}
	return out
}
