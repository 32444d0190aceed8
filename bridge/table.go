package bridge

import (
	"cmp"
	"iter"
	"net"
	"slices"
	"sync"
	"time"
)

// Entry is one live connection as List shows it.
type Entry struct {
	ID     uint64
	Owner  Owner
	Since  time.Time
	Remote net.Addr // the client's
}

// Table holds what is live: WebSockets from before their handshake with the
// backend until both sides are closed, HTTP exchanges from before they are
// dialled until their last byte. Because an entry is made before the upstream is
// dialled, whoever revokes something and then closes by match misses nothing
// that was let in before.
//
// The zero value is ready. It is one mutex over a map for each sandbox: an Add and
// its Remove take about 1 us with 10,000 entries, with 16 shards no less
// (BenchmarkTable), beside 200 us and more of the handshake around them. What
// costs is looking at every entry; CountSandbox and CloseSandbox do not.
type Table struct {
	mu        sync.Mutex
	last      uint64
	sandboxes map[sandboxKey]map[uint64]tableEntry
	live      map[uint64]sandboxKey
}

type sandboxKey struct{ binding, id string }

type tableEntry struct {
	Entry
	live Live
}

// Add enters a live connection and returns its id, which is never used again.
func (t *Table) Add(own Owner, remote net.Addr, live Live) uint64 {
	e := tableEntry{Entry{Owner: own, Since: time.Now(), Remote: remote}, live}
	key := sandboxKey{own.Binding, own.ID}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		t.live = make(map[uint64]sandboxKey)
		t.sandboxes = make(map[sandboxKey]map[uint64]tableEntry)
	}
	if t.sandboxes[key] == nil {
		t.sandboxes[key] = make(map[uint64]tableEntry)
	}
	t.last++
	e.ID = t.last
	t.live[e.ID] = key
	t.sandboxes[key][e.ID] = e
	return e.ID
}

// Remove takes a connection out; an unknown id is ignored.
func (t *Table) Remove(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key, ok := t.live[id]
	if !ok {
		return
	}
	delete(t.live, id)
	delete(t.sandboxes[key], id)
	if len(t.sandboxes[key]) == 0 {
		delete(t.sandboxes, key)
	}
}

// all is every entry that match accepts, nil all; the caller holds mu.
func (t *Table) all(match func(Owner) bool) iter.Seq[tableEntry] {
	return func(yield func(tableEntry) bool) {
		for _, entries := range t.sandboxes {
			for _, e := range entries {
				if (match == nil || match(e.Owner)) && !yield(e) {
					return
				}
			}
		}
	}
}

// in is all of one sandbox; the caller holds mu.
func (t *Table) in(binding, id string, match func(Owner) bool) iter.Seq[tableEntry] {
	return func(yield func(tableEntry) bool) {
		for _, e := range t.sandboxes[sandboxKey{binding, id}] {
			if (match == nil || match(e.Owner)) && !yield(e) {
				return
			}
		}
	}
}

// Close closes what match accepts, nil everything, and returns how many that
// were. It does not wait for their end (see Live). match must not call the table.
func (t *Table) Close(match func(Owner) bool, code int, reason string) int {
	return closeAll(t.lives(t.all(match)), code, reason)
}

// CloseSandbox is Close among the connections of one sandbox, and looks at no
// others.
func (t *Table) CloseSandbox(binding, id string, match func(Owner) bool, code int, reason string) int {
	return closeAll(t.lives(t.in(binding, id, match)), code, reason)
}

func closeAll(lives []Live, code int, reason string) int {
	for _, l := range lives {
		l.Close(code, reason)
	}
	return len(lives)
}

// lives collects under the lock, so that nothing foreign runs below it but a
// match.
func (t *Table) lives(entries iter.Seq[tableEntry]) []Live {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lives []Live
	for e := range entries {
		lives = append(lives, e.live)
	}
	return lives
}

// CloseID closes one connection and says whether it was there.
func (t *Table) CloseID(id uint64, code int, reason string) bool {
	t.mu.Lock()
	e, ok := t.sandboxes[t.live[id]][id]
	t.mu.Unlock()
	if ok {
		e.live.Close(code, reason)
	}
	return ok
}

// Count counts what match accepts, nil everything. match must not call the table.
func (t *Table) Count(match func(Owner) bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if match == nil {
		return len(t.live)
	}
	return count(t.all(match))
}

// CountSandbox is Count among the connections of one sandbox, and looks at no
// others.
func (t *Table) CountSandbox(binding, id string, match func(Owner) bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return count(t.in(binding, id, match))
}

func count(entries iter.Seq[tableEntry]) int {
	n := 0
	for range entries {
		n++
	}
	return n
}

// List returns what is live, oldest first.
func (t *Table) List() []Entry {
	t.mu.Lock()
	list := make([]Entry, 0, len(t.live))
	for e := range t.all(nil) {
		list = append(list, e.Entry)
	}
	t.mu.Unlock()
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
