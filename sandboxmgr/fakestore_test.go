package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// memory is a disk of records; each edge has its own handle on it.
type memory struct {
	mu       sync.Mutex
	entries  map[string]Entry
	revision int64
	commits  int
}

func newMemory() *memory { return &memory{entries: map[string]Entry{}} }

// handle is a Store; killed, it fails as if the process were gone.
type handle struct {
	*memory
	killed atomic.Bool
	full   atomic.Bool // the disk is
}

var (
	errKilled = errors.New("killed")
	errFull   = fmt.Errorf("write state: %w", syscall.ENOSPC)
)

func (h *handle) Get(_ context.Context, key string) (Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.entries[key]; ok {
		return e, nil
	}
	return Entry{}, ErrNoEntry
}

func (h *handle) List(_ context.Context, prefix, after string, limit int) ([]Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var es []Entry
	for _, k := range slices.Sorted(maps.Keys(h.entries)) {
		if strings.HasPrefix(k, prefix) && k > after && len(es) < limit {
			es = append(es, h.entries[k])
		}
	}
	return es, nil
}

func (h *handle) Commit(ctx context.Context, changes ...Change) (int64, error) {
	if h.killed.Load() {
		return 0, errKilled
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if h.full.Load() {
		return 0, errFull
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		if c.Expect != AnyRevision && h.entries[c.Key].Revision != c.Expect {
			return 0, fmt.Errorf("%w: %s", ErrConflict, c.Key)
		}
	}
	h.revision++
	h.commits++
	for _, c := range changes {
		if c.Value == nil {
			delete(h.entries, c.Key)
		} else {
			h.entries[c.Key] = Entry{c.Key, slices.Clone(c.Value), h.revision}
		}
	}
	return h.revision, nil
}

func (h *handle) Close() error { return nil }
