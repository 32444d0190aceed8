//go:build !wasip1

package tck

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"edge/abi"
)

// defaultPage is how many keys a list has that names no limit.
const defaultPage = 100

// store is a key-value store in memory. Nothing expires in it.
type store struct {
	mu       sync.Mutex
	values   map[string]stored
	revision uint64
}

type stored struct {
	value    []byte
	revision uint64
}

func newStore(held map[string]string) *store {
	st := &store{values: map[string]stored{}}
	for _, key := range slices.Sorted(maps.Keys(held)) {
		st.revision++
		st.values[key] = stored{[]byte(held[key]), st.revision}
	}
	return st
}

// fits returns CONFLICT if the key has another revision. The lock is held.
func (st *store) fits(key string, want *uint64) error {
	if now := st.values[key].revision; want != nil && *want != now {
		return abi.Errorf(abi.CodeConflict, "key %q has revision %d", key, now).WithDetails(abi.KVConflict{Revision: now})
	}
	return nil
}

// Get returns what a key holds, or NOT_FOUND.
func (s *Script) Get(key string) (value []byte, revision uint64, err error) {
	s.note("kv.get", "key", key)
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	v, found := st.values[key]
	if !found {
		return nil, 0, abi.Errorf(abi.CodeNotFound, "there is no key %q", key)
	}
	return v.value, v.revision, nil
}

// Set stores a value and returns its revision.
func (s *Script) Set(key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	s.note("kv.set", "key", key, "value", string(value), "options", opts)
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.fits(key, opts.IfRevision); err != nil {
		return 0, err
	}
	st.revision++
	st.values[key] = stored{slices.Clone(value), st.revision}
	return st.revision, nil
}

// Delete removes a key.
func (s *Script) Delete(key string, opts abi.KVDeleteOptions) error {
	s.note("kv.delete", "key", key, "options", opts)
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.fits(key, opts.IfRevision); err != nil {
		return err
	}
	delete(st.values, key)
	return nil
}

// List returns the keys with a prefix.
func (s *Script) List(prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	limit := opts.Limit
	if limit == 0 {
		limit = defaultPage
	}
	if opts.Limit == defaultPage {
		opts.Limit = 0 // a host may fill it in
	}
	s.note("kv.list", "prefix", prefix, "options", opts)
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	var page abi.KVPage
	for _, key := range slices.Sorted(maps.Keys(st.values)) {
		if !strings.HasPrefix(key, prefix) || key <= opts.After {
			continue
		}
		if len(page.Entries) == limit {
			page.More = true
			break
		}
		v := st.values[key]
		page.Entries = append(page.Entries, abi.KVEntry{Key: key, Revision: v.revision, Size: len(v.value)})
	}
	return page, nil
}
