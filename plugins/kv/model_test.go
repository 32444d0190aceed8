package kv

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"edge/abi"
)

// modelValue is a value as a plain map has it.
type modelValue struct {
	value    string
	revision uint64
	expires  int64
}

// model is a namespace as a plain map.
type model struct {
	values map[string]modelValue
	newest uint64
	clock  *clock
}

// live returns a value whose time has not passed.
func (m *model) live(key string) (modelValue, bool) {
	v, ok := m.values[key]
	return v, ok && (v.expires == 0 || v.expires > m.clock.now().UnixNano())
}

// keys returns the keys of the values that live, in order.
func (m *model) keys() []string {
	keys := slices.Sorted(maps.Keys(m.values))
	return slices.DeleteFunc(keys, func(k string) bool { _, ok := m.live(k); return !ok })
}

// TestModel drives the store and a plain map with the same random steps: changes,
// purges, the passing of time and reopenings.
func TestModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "model.db")
		m := &model{values: map[string]modelValue{}, clock: newClock()}
		reopen := func() *Store {
			s, err := Open(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.now, s.maxKeys, s.maxBytes = m.clock.now, 4, 24
			return s
		}
		s := reopen()
		defer func() { _ = s.Close(); _ = os.Remove(path) }()
		keys := rapid.SampledFrom([]string{"a", "a/1", "a/2", "b", "b/1", "c"})
		condition := func(key string) *uint64 {
			var now uint64
			if v, ok := m.live(key); ok {
				now = v.revision
			}
			return rapid.SampledFrom([]*uint64{nil, nil, &now, revision(0), revision(now + 1)}).Draw(t, "ifRevision")
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				key, value := keys.Draw(t, "key"), rapid.StringMatching(`[a-z]{0,8}`).Draw(t, "value")
				ttl := rapid.SampledFrom([]time.Duration{0, 0, time.Second, 3 * time.Second}).Draw(t, "ttl")
				ifRevision := condition(key)
				rev, err := s.Set(t.Context(), "p", key, []byte(value), abi.KVSetOptions{TTL: abi.Duration(ttl), IfRevision: ifRevision})
				m.set(t, key, value, ttl, ifRevision, rev, err)
			},
			"delete": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				ifRevision := condition(key)
				err := s.Delete(t.Context(), "p", key, abi.KVDeleteOptions{IfRevision: ifRevision})
				v, ok := m.live(key)
				if !ok {
					v.revision = 0
				}
				if conflict := ifRevision != nil && *ifRevision != v.revision; conflict != (err != nil) {
					t.Fatalf("delete %s: %v", key, err)
				} else if !conflict {
					delete(m.values, key)
				}
			},
			"time": func(*rapid.T) { m.clock.move(time.Second) },
			"purge": func(t *rapid.T) {
				if err := s.purge(); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = reopen()
			},
			"list": func(t *rapid.T) {
				prefix := rapid.SampledFrom([]string{"", "a", "a/", "b", "z"}).Draw(t, "prefix")
				after := rapid.SampledFrom([]string{"", "a", "a/1", "b", "z"}).Draw(t, "after")
				limit := rapid.IntRange(1, 5).Draw(t, "limit")
				page, err := s.List(t.Context(), "p", prefix, abi.KVListOptions{After: after, Limit: limit})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range page.Entries {
					got = append(got, e.Key)
				}
				want := slices.DeleteFunc(m.keys(), func(k string) bool { return !strings.HasPrefix(k, prefix) || k <= after && after != "" })
				more := len(want) > limit
				want = want[:min(limit, len(want))]
				if fmt.Sprint(got) != fmt.Sprint(want) || page.More != more {
					t.Fatalf("list(%q, %q, %d) = %q, %t; want %q, %t", prefix, after, limit, got, page.More, want, more)
				}
			},
			"": func(t *rapid.T) { m.check(t, s) },
		})
	})
}

// set makes the change in the model and checks what the store said.
func (m *model) set(t *rapid.T, key, value string, ttl time.Duration, ifRevision *uint64, rev uint64, err error) {
	v, ok := m.live(key)
	if !ok {
		v.revision = 0
	}
	var want abi.Code
	keys, size := 0, 0
	for _, k := range m.keys() {
		if k != key {
			keys, size = keys+1, size+len(k)+len(m.values[k].value)
		}
	}
	switch {
	case ifRevision != nil && *ifRevision != v.revision:
		want = abi.CodeConflict
	case keys+1 > 4 || size+len(key)+len(value) > 24:
		want = abi.CodeQuotaExceeded
	}
	if e := abi.AsError(err); (e == nil) != (want == "") || e != nil && e.Code != want {
		t.Fatalf("set %s to %q: %v, want %s", key, value, err, want)
	}
	if err != nil {
		return
	}
	if rev <= m.newest {
		t.Fatalf("revision %d after %d", rev, m.newest)
	}
	m.newest = rev
	m.values[key] = modelValue{value, rev, expiry(m.clock.now().UnixNano(), ttl)}
}

// check compares every key.
func (m *model) check(t *rapid.T, s *Store) {
	for _, key := range []string{"a", "a/1", "a/2", "b", "b/1", "c"} {
		got, err := s.Get(t.Context(), "p", key)
		want, ok := m.live(key)
		if ok != (err == nil) || ok && (string(got.Value) != want.value || got.Revision != want.revision) {
			t.Fatalf("get %s = %+v, %v; want %+v, %t", key, got, err, want, ok)
		}
	}
}
