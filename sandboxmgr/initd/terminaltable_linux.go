package initd

import (
	"cmp"
	"strconv"
	"sync"

	"edge/abi"
)

const (
	terminalType = "xterm-256color"
	betterShell  = "bash" // where the sandbox has it
)

// terminals are the sandbox's terminals whose program has not ended.
type terminals struct {
	mu   sync.Mutex
	byID map[string]*terminal
	last uint64
}

// size counts them.
func (ts *terminals) size() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.byID)
}

// forget takes out a terminal that has ended.
func (ts *terminals) forget(t *terminal) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.byID, t.id)
}

// freeID makes up an id. The caller holds mu.
func (ts *terminals) freeID() string {
	for {
		ts.last++
		if id := "terminal-" + strconv.FormatUint(ts.last, 10); ts.byID[id] == nil {
			return id
		}
	}
}

// openTerminal returns the terminal that is asked for with a viewer for it,
// starting one if there is none.
func (s *supervisor) openTerminal(req *abi.TerminalRequest) (*terminal, *viewer, error) {
	ts := &s.terminals
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byID[req.ID]; t != nil {
		v, err := t.attach(req.Since, req.Takeover)
		if err == nil && (req.Cols > 0 || req.Rows > 0) {
			_ = t.pty.resize(windowOf(req)) // fails when the program has ended, which is told
		}
		return t, v, err
	}
	t, err := s.newTerminal(req)
	if err != nil {
		return nil, nil, err
	}
	ts.byID[t.id] = t
	v, err := t.attach(nil, false) // since would be an offset of another's output
	return t, v, err
}

// newTerminal starts what the request says. The caller holds terminals.mu.
func (s *supervisor) newTerminal(req *abi.TerminalRequest) (*terminal, error) {
	if n := len(s.terminals.byID); n >= abi.MaxTerminals {
		return nil, abi.Errorf(abi.CodeQuotaExceeded, "%d terminals are open, and no more are allowed", n).
			WithSuggestion("end one, by ending its program")
	}
	cmd, err := s.terminalCommand(req)
	if err != nil {
		return nil, err
	}
	cols, rows := windowOf(req)
	id := req.ID
	if id == "" {
		id = s.terminals.freeID()
	}
	return s.startTerminal(id, req.ID != "", cmd, cols, rows, s.terminals.forget)
}

// windowOf is the window's size at first.
func windowOf(req *abi.TerminalRequest) (cols, rows int) {
	return cmp.Or(req.Cols, abi.DefaultCols), cmp.Or(req.Rows, abi.DefaultRows)
}

// terminalCommand is what runs in a new terminal: a command, or a shell.
func (s *supervisor) terminalCommand(req *abi.TerminalRequest) (*command, error) {
	argv := req.Argv
	if req.Shell != "" {
		argv = []string{req.Shell}
	}
	return s.prepare(request{command: req.Command, argv: argv, cwd: req.Cwd, env: req.Env}, surroundings{
		session: req.Session, user: req.User, defaults: map[string]string{"TERM": terminalType}, program: findShell,
	})
}

// findShell returns the shell of those who name none.
func findShell(searchPath string) ([]string, error) {
	if path, err := lookPath(betterShell, searchPath); err == nil {
		return []string{path}, nil
	}
	if executable(shell) {
		return []string{shell}, nil
	}
	return nil, abi.Errorf(abi.CodeCommandNotFound, "there is neither %s nor %s in the sandbox", betterShell, shell).
		WithSuggestion("use argv, which needs no shell")
}

// checkTerminal refuses what no terminal can be.
func checkTerminal(req *abi.TerminalRequest) error {
	given := 0
	for _, set := range []bool{req.Shell != "", req.Command != "", len(req.Argv) > 0} {
		if set {
			given++
		}
	}
	if given > 1 {
		return abi.Errorf(abi.CodeInvalidRequest, "at most one of shell, command and argv can be given")
	}
	if req.ID != "" && abi.CheckProcessID(req.ID) != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "terminal id %.60q: want 1 to %d characters, none of them a control character",
			req.ID, abi.MaxProcessIDLength)
	}
	if req.Since != nil && *req.Since < 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "since is %d; want 0 or more", *req.Since)
	}
	return checkWindow(windowOf(req))
}

// checkWindow refuses sizes that no window has.
func checkWindow(cols, rows int) error {
	if cols < 1 || cols > abi.MaxWindow || rows < 1 || rows > abi.MaxWindow {
		return abi.Errorf(abi.CodeInvalidRequest, "the window is %d by %d; want 1 to %d each", cols, rows, abi.MaxWindow)
	}
	return nil
}
