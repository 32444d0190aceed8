package bridge

import (
	"cmp"
	"iter"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
	"unique"
)

// Kind says what a connection carries.
type Kind string

// The kinds of connections.
const (
	KindHTTP      Kind = "http"      // one request and its answer
	KindEvents    Kind = "events"    // an HTTP answer of server-sent events
	KindWebSocket Kind = "websocket" // from before its handshake
)

// Entry is one live connection as List and Select show it.
type Entry struct {
	ID     uint64
	Kind   Kind
	Owner  Owner
	Since  time.Time
	Remote net.Addr // the client's
}

// Filter says which connections are meant: those that all its fields fit. The
// zero value of a field fits any.
type Filter struct {
	Binding, ID string
	Plugin      string
	Port        int
	Exposure    bool // only what came through an exposure
	Client      netip.Addr
}

// Table holds what is live: WebSockets from before their handshake with the
// backend until both sides are closed, HTTP exchanges from before they are
// dialled until their last byte. Because an entry is made before the upstream is
// dialled, whoever revokes something and then closes by match misses nothing
// that was let in before.
//
// The zero value is ready. It is one mutex over a map of entries, each of which
// also stands in the list of its sandbox: an Add and its Remove take less than
// 1 us with 10,000 entries, with 16 shards no less (BenchmarkTable), beside
// 200 us and more of the handshake around them. An entry takes about 140 bytes,
// one that is alone in its sandbox 290 (BenchmarkTableMemory). What costs is
// looking at every entry; what names a sandbox looks at that sandbox's alone.
type Table struct {
	mu        sync.Mutex
	last      uint64
	entries   map[uint64]*entry
	sandboxes map[sandboxKey]*sandboxEntries
}

type sandboxKey struct{ binding, id string }

// sandboxEntries are those of one sandbox, in no order.
type sandboxEntries struct {
	key  sandboxKey
	list []*entry
}

// entry is one connection, packed: there is one for each idle bridge. All but at
// stays as it was made, and may be read without the table's lock.
type entry struct {
	id         uint64
	live       Live
	remote     net.Addr
	since      int64 // Unix, ns
	sandbox    *sandboxEntries
	generation int64
	plugin     unique.Handle[string]
	request    string
	at         uint32 // its place in the sandbox's list; guarded by the table's mu
	port       uint16
	exposure   bool
}

func (e *entry) owner() Owner {
	return Owner{
		Binding: e.sandbox.key.binding, ID: e.sandbox.key.id, Generation: e.generation, Port: int(e.port),
		Exposure: e.exposure, Plugin: e.plugin.Value(), Request: e.request,
	}
}

// kind asks the connection, which may take its lock.
func (e *entry) kind() Kind {
	if k, ok := e.live.(interface{ kind() Kind }); ok {
		return k.kind()
	}
	return KindHTTP
}

// Add enters a live connection and returns its id, which is never used again.
// The strings of own are kept: they had better be shared.
func (t *Table) Add(own Owner, remote net.Addr, live Live) uint64 {
	e := &entry{
		live: live, remote: remote, since: time.Now().UnixNano(), generation: own.Generation,
		plugin: unique.Make(own.Plugin), request: own.Request, port: uint16(own.Port), exposure: own.Exposure,
	}
	key := sandboxKey{own.Binding, own.ID}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make(map[uint64]*entry)
		t.sandboxes = make(map[sandboxKey]*sandboxEntries)
	}
	s := t.sandboxes[key]
	if s == nil {
		s = &sandboxEntries{key: key}
		t.sandboxes[key] = s
	}
	t.last++
	e.id, e.sandbox, e.at = t.last, s, uint32(len(s.list))
	s.list = append(s.list, e)
	t.entries[e.id] = e
	return e.id
}

// Remove takes a connection out; an unknown id is ignored.
func (t *Table) Remove(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[id]
	if e == nil {
		return
	}
	delete(t.entries, id)
	if e.sandbox.remove(e); len(e.sandbox.list) == 0 {
		delete(t.sandboxes, e.sandbox.key)
	}
}

// shrinkAbove is how many places a list may have that are not used.
const shrinkAbove = 64

// remove puts the last entry in the place of e.
func (s *sandboxEntries) remove(e *entry) {
	last := len(s.list) - 1
	moved := s.list[last]
	s.list[e.at], moved.at = moved, e.at
	s.list[last] = nil
	if s.list = s.list[:last]; cap(s.list) > shrinkAbove && last < cap(s.list)/4 {
		s.list = append(make([]*entry, 0, 2*last), s.list...)
	}
}

// all is every entry that match accepts, nil all; the caller holds mu.
func (t *Table) all(match func(Owner) bool) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range t.entries {
			if (match == nil || match(e.owner())) && !yield(e) {
				return
			}
		}
	}
}

// in is all of one sandbox; the caller holds mu.
func (t *Table) in(binding, id string, match func(Owner) bool) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		s := t.sandboxes[sandboxKey{binding, id}]
		if s == nil {
			return
		}
		for _, e := range s.list {
			if (match == nil || match(e.owner())) && !yield(e) {
				return
			}
		}
	}
}

// filtered is every entry that f fits; the caller holds mu.
func (t *Table) filtered(f Filter) iter.Seq[*entry] {
	source := t.all(nil)
	if f.Binding != "" && f.ID != "" {
		source = t.in(f.Binding, f.ID, nil)
	}
	plugin := unique.Make(f.Plugin)
	return func(yield func(*entry) bool) {
		for e := range source {
			switch key := e.sandbox.key; {
			case f.Binding != "" && f.Binding != key.binding, f.ID != "" && f.ID != key.id,
				f.Plugin != "" && plugin != e.plugin, f.Port != 0 && f.Port != int(e.port), f.Exposure && !e.exposure,
				f.Client.IsValid() && f.Client.Unmap() != clientAddr(e.remote):
			default:
				if !yield(e) {
					return
				}
			}
		}
	}
}

// clientAddr is the IP address of a, if it has one.
func clientAddr(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case nil:
		return netip.Addr{}
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p.Addr().Unmap()
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

// CloseFiltered is Close of what f fits.
func (t *Table) CloseFiltered(f Filter, code int, reason string) int {
	return closeAll(t.lives(t.filtered(f)), code, reason)
}

func closeAll(lives []Live, code int, reason string) int {
	for _, l := range lives {
		l.Close(code, reason)
	}
	return len(lives)
}

// lives collects under the lock, so that nothing foreign runs below it but a
// match.
func (t *Table) lives(entries iter.Seq[*entry]) []Live {
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
	e := t.entries[id]
	t.mu.Unlock()
	if e != nil {
		e.live.Close(code, reason)
	}
	return e != nil
}

// Count counts what match accepts, nil everything. match must not call the table.
func (t *Table) Count(match func(Owner) bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if match == nil {
		return len(t.entries)
	}
	return count(t.all(match))
}

// CountSandbox is Count among the connections of one sandbox, and looks at no
// others.
func (t *Table) CountSandbox(binding, id string, match func(Owner) bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sandboxes[sandboxKey{binding, id}]; s != nil && match == nil {
		return len(s.list)
	}
	return count(t.in(binding, id, match))
}

func count(entries iter.Seq[*entry]) int {
	n := 0
	for range entries {
		n++
	}
	return n
}

// CountBindings counts the connections to each binding's sandboxes; it looks at
// each sandbox that has any, and at no entry.
func (t *Table) CountBindings() map[string]int {
	counts := map[string]int{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, s := range t.sandboxes {
		counts[key.binding] += len(s.list)
	}
	return counts
}

// List returns what is live, oldest first.
func (t *Table) List() []Entry {
	list, _ := t.Select(Filter{}, 0)
	return list
}

// Select returns what f fits, oldest first: the first limit of them, 0 being all.
// more tells that there are others.
func (t *Table) Select(f Filter, limit int) (list []Entry, more bool) {
	t.mu.Lock()
	found := slices.Collect(t.filtered(f))
	t.mu.Unlock()
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	if more = limit > 0 && len(found) > limit; more {
		found = found[:limit]
	}
	list = make([]Entry, len(found))
	for i, e := range found {
		list[i] = Entry{ID: e.id, Kind: e.kind(), Owner: e.owner(), Since: time.Unix(0, e.since), Remote: e.remote}
	}
	return list, more
}

// kind tells what an exchange of the relay carries.
func (x *exchange) kind() Kind {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.websocket:
		return KindWebSocket
	case x.events:
		return KindEvents
	}
	return KindHTTP
}
