package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
)

// activity is what keeps a sandbox awake: how much of what is under way, and
// when it was used last. Its zero value is that of one which was never used.
type activity struct {
	last  atomic.Int64 // when it was used last, in Unix nanoseconds
	after atomic.Int64 // how long it may be unused, in nanoseconds; 0 is for ever

	mu    sync.Mutex
	held  map[string]int // what is under way, by what it is
	count int
}

// Words for what is under way, besides the names of operations.
const (
	holdRequest    = "request"
	holdConnection = "connection"
	holdTerminal   = "terminal"
)

// hold keeps the sandbox awake until the function that it returns is called,
// once or more often.
func (u *unit) hold(what string) (release func()) {
	u.activity.add(what, 1)
	u.touch()
	var once sync.Once
	return func() { once.Do(func() { u.let(what, 1) }) }
}

// let takes n holds back.
func (u *unit) let(what string, n int) {
	u.touch() // before the sleeper can see that nothing is held
	u.activity.add(what, -n)
	if after := u.activity.after.Load(); after > 0 {
		u.m.sleeper.nudge(time.Now().Add(time.Duration(after)))
	}
}

// generationHolds are those on one generation. They end with it at the latest: what
// somebody forgot to close of an earlier run does not keep a later one awake.
type generationHolds struct {
	mu   sync.Mutex
	held map[string]int
	over bool
}

// hold is the unit's hold that ends with the generation. There is one for each
// connection, for as long as that lasts.
func (g *generation) hold(what string) (release func()) {
	g.holds.mu.Lock()
	defer g.holds.mu.Unlock()
	g.unit.touch()
	if g.holds.over {
		return func() {}
	}
	if g.holds.held == nil {
		g.holds.held = map[string]int{}
	}
	g.holds.held[what]++
	g.unit.activity.add(what, 1)
	var released atomic.Bool
	return func() {
		if !released.Swap(true) {
			g.let(what)
		}
	}
}

func (g *generation) let(what string) {
	g.holds.mu.Lock()
	over := g.holds.over
	g.holds.held[what]--
	g.holds.mu.Unlock()
	if !over {
		g.unit.let(what, 1)
	}
}

// letAll ends all holds, with the generation.
func (g *generation) letAll() {
	g.holds.mu.Lock()
	defer g.holds.mu.Unlock()
	g.holds.over = true
	for what, n := range g.holds.held {
		if n > 0 {
			g.unit.let(what, n)
		}
	}
}

func (a *activity) add(what string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil {
		a.held = map[string]int{}
	}
	a.count += n
	if a.held[what] += n; a.held[what] == 0 {
		delete(a.held, what)
	}
}

// busy tells whether anything is under way.
func (a *activity) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count > 0
}

// why lists what is under way, in words. Requests are connections to whoever
// counts those.
func (a *activity) why(connections int) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var why []string
	if connections > 0 {
		why = append(why, counted(connections, holdConnection))
	}
	for _, what := range slices.Sorted(maps.Keys(a.held)) {
		n := a.held[what]
		switch what {
		case holdRequest, holdConnection:
			if connections == 0 {
				why = append(why, counted(n, what))
			}
		case holdTerminal:
			why = append(why, counted(n, what))
		default:
			if n > 1 {
				what = fmt.Sprintf("%d %s", n, what)
			}
			why = append(why, what)
		}
	}
	return why
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// touch counts as use of the sandbox.
func (u *unit) touch() { u.activity.last.Store(time.Now().UnixNano()) }

// lastActivity is when the sandbox was used last: now, while it is in use.
func (u *unit) lastActivity() time.Time {
	if u.activity.busy() {
		u.touch()
	}
	if n := u.activity.last.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// heldSocket is a stream that keeps its sandbox awake until it is closed.
type heldSocket struct {
	abi.Socket
	release func()
}

// Close closes the stream.
func (s *heldSocket) Close(code int, reason string) error {
	s.release()
	return s.Socket.Close(code, reason)
}

// How coarse what is recorded of activity may be: while the edge runs, and what
// is still worth a write when it ends.
const (
	activityCoarse = 30 * time.Second
	activityFine   = time.Second
)

// recallActivity reads when each sandbox was used last. It is recorded apart
// from the sandboxes' records, all at once, so that using them costs no write
// for each.
func recallActivity(ctx context.Context, store Store) (map[string]time.Time, error) {
	e, err := store.Get(ctx, activityKey)
	if errors.Is(err, ErrNoEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record of activity: %w", err)
	}
	at := map[string]time.Time{}
	if err := json.Unmarshal(e.Value, &at); err != nil {
		return nil, fmt.Errorf("record of activity is damaged: %w", err)
	}
	return at, nil
}

// saveActivity records when each sandbox was used last, if any was used
// noticeably later than what is recorded says.
func (m *Manager) saveActivity(ctx context.Context, coarse time.Duration) error {
	at := map[string]time.Time{}
	news := false
	for _, u := range m.all() {
		if r, revision := u.recorded(); revision != 0 {
			last := u.lastActivity().Round(0)
			if u.inUse() {
				last = time.Now().Round(0)
			}
			k := u.key.String()
			at[k] = last
			known := m.savedActivity[k]
			if r.LastActivityAt.After(known) {
				known = r.LastActivityAt
			}
			news = news || last.Sub(known) >= coarse
		}
	}
	if !news {
		return nil
	}
	b, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("record of activity: %w", err)
	}
	if _, err := m.store.Commit(ctx, Change{Key: activityKey, Value: b, Expect: AnyRevision}); err != nil {
		return fmt.Errorf("record of activity: %w", err)
	}
	m.savedActivity = at
	return nil
}

// inUse tells whether something keeps the sandbox awake.
func (u *unit) inUse() bool {
	return u.activity.busy() || u.m.config.Connections.Count(u.key.binding, u.key.id, 0) > 0
}
