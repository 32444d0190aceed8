package initd

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"edge/abi"
)

// sessions are the sandbox's sessions by their ids.
type sessions struct {
	mu   sync.Mutex
	byID map[string]*session
	last uint64
}

// session is a working directory and variables that calls share, and knows what
// was started through it.
type session struct {
	id      string
	mark    string // ends the mark of all that it starts
	cwd     string // absolute; empty is the default
	env     map[string]string
	created time.Time

	mu       sync.Mutex // guards all below
	children []*child   // those that had not ended when the last one was added
	deleted  bool
}

// add makes a session; an empty id is generated.
func (ss *sessions) add(id, cwd string, env map[string]string) (*session, error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.byID[id] != nil {
		return nil, abi.Errorf(abi.CodeSessionAlreadyExists, "a session with id %q already exists", id).
			WithSuggestion("use getSession, or another id")
	}
	if n := len(ss.byID); n >= abi.MaxSessions {
		return nil, abi.Errorf(abi.CodeQuotaExceeded, "the sandbox has %d sessions, and no more are allowed", n).
			WithSuggestion("delete one with deleteSession")
	}
	ss.last++
	mark := markSession + strconv.FormatUint(ss.last, 10)
	for id == "" {
		if id = "session-" + strconv.FormatUint(ss.last, 10); ss.byID[id] != nil {
			id = ""
			ss.last++
		}
	}
	s := &session{id: id, mark: mark, cwd: cwd, env: maps.Clone(env), created: time.Now()}
	if ss.byID == nil {
		ss.byID = make(map[string]*session)
	}
	ss.byID[id] = s
	return s, nil
}

// get returns the session, or SESSION_NOT_FOUND.
func (ss *sessions) get(id string) (*session, error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s := ss.byID[id]; s != nil {
		return s, nil
	}
	return nil, errNoSession(id)
}

// remove forgets the session; nothing is started through it any more.
func (ss *sessions) remove(id string) (*session, error) {
	s, err := ss.get(id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock() // a start that is under way is waited for
	s.deleted = true
	s.mu.Unlock()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.byID[id] != s {
		return nil, errNoSession(id)
	}
	delete(ss.byID, id)
	return s, nil
}

func errNoSession(id string) error {
	return abi.Errorf(abi.CodeSessionNotFound, "there is no session with id %.60q", id).
		WithSuggestion("make one with createSession; sessions end with the sandbox's run")
}

// start has something started that belongs to the session.
func (s *session) start(start func() (*child, error)) (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted {
		return nil, errNoSession(s.id)
	}
	c, err := start()
	if err == nil {
		s.children = append(s.running(), c)
	}
	return c, err
}

// running forgets the children that have ended and returns the others. The
// caller holds mu.
func (s *session) running() []*child {
	s.children = slices.DeleteFunc(s.children, func(c *child) bool { return isClosed(c.done) })
	return s.children
}

// alive returns the children that have not ended.
func (s *session) alive() []*child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.running())
}

// view returns the session as the operations answer it.
func (s *session) view() *abi.Session {
	v := &abi.Session{ID: s.id, Cwd: s.cwd, Env: s.env, CreatedAt: s.created.UTC(), Processes: len(s.alive())}
	if v.Cwd == "" {
		v.Cwd = abi.DefaultCwd
	}
	if v.Env == nil {
		v.Env = map[string]string{}
	}
	return v
}
