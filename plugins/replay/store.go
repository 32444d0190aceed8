package replay

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"edge/abi"
	"edge/plugins"
)

// store is a key-value store in memory, whose time stands still: nothing expires.
type store struct {
	mu       sync.Mutex
	values   map[string]plugins.KVValue
	revision uint64
}

var _ plugins.KV = (*store)(nil)

// newStore returns a store that holds values.
func newStore(values map[string]Text) *store {
	s := &store{values: map[string]plugins.KVValue{}}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		s.revision++
		s.values[key] = plugins.KVValue{Value: values[key], Revision: s.revision}
	}
	return s
}

// all returns what is stored.
func (s *store) all() map[string]Text {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Text, len(s.values))
	for key, v := range s.values {
		all[key] = v.Value
	}
	return all
}

// Get returns a key's value, or NOT_FOUND.
func (s *store) Get(_ context.Context, _, key string) (plugins.KVValue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	if !ok {
		return v, abi.Errorf(abi.CodeNotFound, "kv: there is no key %.100q", key)
	}
	return v, nil
}

// Set stores a value.
func (s *store) Set(_ context.Context, _, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.expect(key, opts.IfRevision); err != nil {
		return 0, err
	}
	s.revision++
	s.values[key] = plugins.KVValue{Value: slices.Clone(value), Revision: s.revision}
	return s.revision, nil
}

// Delete removes a key.
func (s *store) Delete(_ context.Context, _, key string, opts abi.KVDeleteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.expect(key, opts.IfRevision); err != nil {
		return err
	}
	delete(s.values, key)
	return nil
}

// expect wants the key to have a revision; 0 is of no key. s.mu is held.
func (s *store) expect(key string, revision *uint64) error {
	has := s.values[key].Revision
	if revision == nil || *revision == has {
		return nil
	}
	return abi.Errorf(abi.CodeConflict, "kv: the key %.100q has revision %d, not %d", key, has, *revision).
		WithDetails(abi.KVConflict{Revision: has})
}

// List returns a page of keys.
func (s *store) List(_ context.Context, _, prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	page := abi.KVPage{Entries: []abi.KVEntry{}}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		switch {
		case !strings.HasPrefix(key, prefix) || key <= opts.After && opts.After != "":
		case len(page.Entries) == opts.Limit:
			page.More = true
			return page, nil
		default:
			v := s.values[key]
			page.Entries = append(page.Entries, abi.KVEntry{Key: key, Revision: v.Revision, Size: len(v.Value)})
		}
	}
	return page, nil
}
