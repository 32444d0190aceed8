package sandboxmgr

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"edge/abi"
)

// exposures is the table of live exposures, in memory, with a copy of each in
// the store. Labels are unique over all bindings: they share one domain.
type exposures struct {
	m *Manager
	// write is held by whoever changes the table, over the store's write too,
	// so that store and memory agree on the order of changes.
	write sync.Mutex
	// wake tells expire that the next expiry may be another one.
	wake chan struct{}
	// silent tells that nothing listens on a port, as far as that is known; nil
	// knows nothing.
	silent func(k key, port int) bool

	// mu guards the rest, which only the holder of write changes.
	mu sync.RWMutex
	// byLabel has a digest of each label. Looking a label up by its bytes would
	// compare them up to the first that differs; of a digest nobody learns
	// anything by that.
	byLabel   map[[sha256.Size]byte]*savedExposure
	bySandbox map[key]map[int]*savedExposure
	drains    []drain
}

func newExposures(m *Manager) *exposures {
	return &exposures{
		m: m, wake: make(chan struct{}, 1),
		byLabel: map[[sha256.Size]byte]*savedExposure{}, bySandbox: map[key]map[int]*savedExposure{},
	}
}

// savedExposure is an exposure with its label and its revision in the store. It
// is replaced, never changed.
type savedExposure struct {
	Exposure
	key      key
	label    string
	revision int64
}

func newSavedExposure(k key, e Exposure, revision int64) *savedExposure {
	return &savedExposure{Exposure: e, key: k, label: e.label(), revision: revision}
}

func (s *savedExposure) expired(now time.Time) bool {
	return s.ExpiresAt != nil && !now.Before(*s.ExpiresAt)
}

// find returns the live exposure of a whole label.
func (t *exposures) find(label string) (Exposure, bool) {
	if len(label) > maxLabel {
		return Exposure{}, false
	}
	digest := sha256.Sum256([]byte(label))
	t.mu.RLock()
	s := t.byLabel[digest]
	t.mu.RUnlock()
	if s == nil || subtle.ConstantTimeCompare([]byte(s.label), []byte(label)) != 1 || s.expired(time.Now()) {
		return Exposure{}, false
	}
	return s.Exposure, true
}

// ofPort returns the live exposure of a sandbox's port.
func (t *exposures) ofPort(k key, port int) (Exposure, bool) {
	s := t.get(k, port)
	if s == nil || s.expired(time.Now()) {
		return Exposure{}, false
	}
	return s.Exposure, true
}

// ofSandbox returns a sandbox's live exposures, by port.
func (t *exposures) ofSandbox(k key) []Exposure {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var es []Exposure
	for _, s := range t.bySandbox[k] {
		if !s.expired(time.Now()) {
			es = append(es, s.Exposure)
		}
	}
	slices.SortFunc(es, func(a, b Exposure) int { return a.Port - b.Port })
	return es
}

func (t *exposures) get(k key, port int) *savedExposure {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bySandbox[k][port]
}

// taken tells whether another sandbox's port has the label.
func (t *exposures) taken(s *savedExposure) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.byLabel[sha256.Sum256([]byte(s.label))]
	return o != nil && (o.key != s.key || o.Port != s.Port)
}

// set puts s in the place of what the port had. t.write is held, or t is not
// shared yet.
func (t *exposures) set(s *savedExposure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(s.key, s.Port)
	t.byLabel[sha256.Sum256([]byte(s.label))] = s
	if t.bySandbox[s.key] == nil {
		t.bySandbox[s.key] = map[int]*savedExposure{}
	}
	t.bySandbox[s.key][s.Port] = s
}

// drop takes the port out of the table; t.mu is held.
func (t *exposures) drop(k key, port int) {
	if s := t.bySandbox[k][port]; s != nil {
		delete(t.byLabel, sha256.Sum256([]byte(s.label)))
		delete(t.bySandbox[k], port)
		if len(t.bySandbox[k]) == 0 {
			delete(t.bySandbox, k)
		}
	}
}

// put exposes a port, or exposes it again. An answer means that it is on disk;
// exposing again without a change writes nothing.
func (t *exposures) put(ctx context.Context, k key, req *abi.ExposePortRequest) (Exposure, error) {
	t.write.Lock()
	defer t.write.Unlock()
	now := time.Now()
	old := t.get(k, req.Port)
	if old != nil && old.expired(now) {
		if err := t.remove(ctx, []*savedExposure{old}, closePolicy, whyExpired); err != nil {
			return Exposure{}, err
		}
		old = nil
	}
	switch {
	case old == nil:
		if t.full(k) {
			return Exposure{}, abi.Errorf(abi.CodeQuotaExceeded, "the sandbox has %d exposed ports, which is the most that are possible", maxExposures).
				WithSuggestion("take one back with unexposePort")
		}
		return t.place(ctx, k, newExposure(k, req, now), 0)
	case req.IfExposed == ifExposedError:
		return Exposure{}, errAlreadyExposed(req.Port)
	}
	next := old.revise(req, now)
	if next.same(&old.Exposure) {
		return next, nil
	}
	next, err := t.place(ctx, k, next, old.revision)
	if err == nil && !next.SameAddress(&old.Exposure) {
		t.m.config.Connections.Close(t.through(k, req.Port), closePolicy, "the port was exposed under another URL")
	}
	return next, err
}

// maxExposures is how many ports of one sandbox may be exposed at a time.
const maxExposures = 1000

func (t *exposures) full(k key) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.bySandbox[k]) >= maxExposures
}

// tokenTries is how many random tokens are tried; one never meets another's but
// by a user's choice of tokens and ids.
const tokenTries = 8

// place saves e, over the revision that its port has in the store, with a random
// token if it needs one.
func (t *exposures) place(ctx context.Context, k key, e Exposure, revision int64) (Exposure, error) {
	random := e.Access == abi.AccessToken && e.Token == ""
	for try := 1; ; try++ {
		if random {
			e.Token = randomToken()
		}
		err := t.save(ctx, newSavedExposure(k, e, revision))
		if err == nil {
			return e, nil
		}
		if !random || try == tokenTries || !errors.Is(err, abi.CodePortAlreadyExposed.Err()) {
			return Exposure{}, err
		}
	}
}

// save checks that the URL can be built and is free, writes s to the store and
// puts it into the table. t.write is held.
func (t *exposures) save(ctx context.Context, s *savedExposure) error {
	url, _, err := t.m.config.Previews.urls(&s.Exposure)
	if err != nil {
		return err
	}
	if t.taken(s) {
		return errAlreadyExposed(s.Port) // whose it is stays unsaid
	}
	b, err := s.record()
	if err != nil {
		return err
	}
	s.revision, err = t.m.store.Commit(ctx, Change{Key: exposureKey(s.key, s.Port), Value: b, Expect: s.revision})
	if err != nil {
		return fmt.Errorf("record of an exposure: %w", err)
	}
	old := t.get(s.key, s.Port)
	t.set(s)
	if s.ExpiresAt != nil {
		t.nudge()
	}
	if old == nil || !old.SameAddress(&s.Exposure) {
		t.warnShort(s)
		t.m.emit(s.key, EventExposed, 0, url)
	}
	return nil
}

func (t *exposures) warnShort(s *savedExposure) {
	if s.Access == abi.AccessToken && len(s.Token) < shortToken {
		t.m.log.Warn("an exposure's token is short enough to be guessed", "sandbox", s.key.String(), "port", s.Port, "characters", len(s.Token))
	}
}

func errAlreadyExposed(port int) *abi.Error {
	return abi.Errorf(abi.CodePortAlreadyExposed, "port %d is already exposed, or its URL is in use", port).
		WithSuggestion("leave ifExposed out to keep the URL there is, or choose another token")
}

// takeBack takes a port's exposure back, if there is one. What came through it, and
// through those that the port had before, is closed after drain at the latest.
func (t *exposures) takeBack(ctx context.Context, k key, port int, drain time.Duration) error {
	t.write.Lock()
	defer t.write.Unlock()
	end := time.Now().Round(0).Add(drain)
	t.shorten(k, port, end)
	s := t.get(k, port)
	switch {
	case s == nil:
		return nil
	case drain == 0:
		return t.remove(ctx, []*savedExposure{s}, closePolicy, whyTakenBack)
	case s.ExpiresAt != nil && s.ExpiresAt.Before(end):
		end = *s.ExpiresAt
	}
	if err := t.erase(ctx, []*savedExposure{s}, whyTakenBack); err != nil {
		return err
	}
	t.drain(k, port, end)
	return nil
}

// removeSandbox takes all exposures of a sandbox back.
func (t *exposures) removeSandbox(ctx context.Context, k key) error {
	t.write.Lock()
	defer t.write.Unlock()
	t.shorten(k, 0, time.Time{})
	return t.remove(ctx, t.savedOf(k, nil), closeRestart, "the sandbox was destroyed")
}

// machineEnded takes back the exposures that end with the sandbox's machine. One
// that cannot be removed from the store is found no more, and removed later.
func (t *exposures) machineEnded(ctx context.Context, k key) {
	t.write.Lock()
	defer t.write.Unlock()
	revoked := t.savedOf(k, func(s *savedExposure) bool { return s.OnRestart == abi.OnRestartRevoke })
	err := t.remove(ctx, revoked, closePolicy, "the sandbox ended, and the exposure with it")
	if err == nil {
		return
	}
	t.m.log.Error("cannot remove exposures that ended with their sandbox; trying again", "sandbox", k.String(), "error", err)
	now := time.Now()
	for _, s := range revoked {
		over := *s
		over.ExpiresAt = &now
		t.set(&over)
	}
	t.nudge()
}

// savedOf returns a sandbox's exposures that match accepts, nil all.
func (t *exposures) savedOf(k key, match func(*savedExposure) bool) []*savedExposure {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []*savedExposure
	for _, s := range t.bySandbox[k] {
		if match == nil || match(s) {
			all = append(all, s)
		}
	}
	return all
}

// Why exposures end, for those who are connected and for events.
const (
	whyExpired   = "the exposure expired"
	whyTakenBack = "the port is no longer exposed"
)

// remove erases exposures and closes what came through them with the code.
// t.write is held.
func (t *exposures) remove(ctx context.Context, all []*savedExposure, code int, reason string) error {
	if err := t.erase(ctx, all, reason); err != nil {
		return err
	}
	for _, s := range all {
		t.m.config.Connections.Close(t.through(s.key, s.Port), code, reason)
	}
	return nil
}

// erase removes exposures from the store and then from the table: in this order, so
// that an exposure which is gone stays gone whatever happens next. t.write is held.
func (t *exposures) erase(ctx context.Context, all []*savedExposure, reason string) error {
	if len(all) == 0 {
		return nil
	}
	var changes []Change
	for _, s := range all {
		changes = append(changes, Change{Key: exposureKey(s.key, s.Port), Expect: s.revision})
	}
	if _, err := t.m.store.Commit(ctx, changes...); err != nil {
		return fmt.Errorf("remove exposures: %w", err)
	}
	t.mu.Lock()
	for _, s := range all {
		t.drop(s.key, s.Port)
	}
	t.mu.Unlock()
	for _, s := range all {
		t.m.emit(s.key, EventUnexposed, 0, fmt.Sprintf("%d: %s", s.Port, reason))
	}
	return nil
}

// tokenAlphabet has 36 letters; 16 of them are 82 bits.
const tokenAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// randomToken returns 16 letters of the alphabet, each as likely as any other.
func randomToken() string {
	const unbiased = 256 - 256%len(tokenAlphabet)
	token := make([]byte, 0, maxToken)
	var b [2 * maxToken]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		for _, c := range b {
			if int(c) < unbiased {
				if token = append(token, tokenAlphabet[int(c)%len(tokenAlphabet)]); len(token) == maxToken {
					return string(token)
				}
			}
		}
	}
}
