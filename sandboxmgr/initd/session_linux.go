package initd

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

func (s *supervisor) createSession(_ context.Context, req *abi.CreateSessionRequest) (*abi.Session, error) {
	if req.ID != "" && abi.CheckProcessID(req.ID) != nil { // the same rule
		return nil, abi.Errorf(abi.CodeInvalidRequest, "session id %.60q: want 1 to %d characters, none of them a control character",
			req.ID, abi.MaxSessionIDLength)
	}
	vars := make(map[string]*string, len(req.Env))
	for name, value := range req.Env {
		if err := checkVariable(name, value); err != nil {
			return nil, err
		}
		vars[name] = &value
	}
	if err := checkVariables(vars); err != nil {
		return nil, err
	}
	cwd := req.Cwd
	if cwd != "" {
		var err error
		if cwd, err = resolvePath(cwd); err != nil {
			return nil, err
		}
	}
	made, err := s.sessions.add(req.ID, cwd, req.Env)
	if err != nil {
		return nil, err
	}
	return made.view(), nil
}

func (s *supervisor) getSession(_ context.Context, req *abi.SessionRequest) (*abi.Session, error) {
	found, err := s.sessions.get(req.ID)
	if err != nil {
		return nil, err
	}
	return found.view(), nil
}

// deleteSession forgets a session and ends what it started, also what that left
// behind when it ended.
func (s *supervisor) deleteSession(ctx context.Context, req *abi.SessionRequest) (*abi.Empty, error) {
	gone, err := s.sessions.remove(req.ID)
	if err != nil {
		return nil, err
	}
	var own []*process
	for _, p := range s.table.list() {
		if p.session == gone && !p.exited() {
			p.asked.Store(true)
			own = append(own, p)
		}
	}
	if !s.reaper.killSession(ctx, gone, defaultSignal, abi.DefaultGrace) {
		return nil, abi.Errorf(abi.CodeTimeout, "a process of session %.60q did not end, not even by SIGKILL", req.ID).WithStarted(abi.StartedYes)
	}
	for _, p := range own { // a moment after its child's end: then its state says so
		if err := await(ctx, p.started); err != nil {
			return nil, err
		}
		if p.child == nil {
			continue // it could not be started
		}
		if err := await(ctx, p.ended); err != nil {
			return nil, err
		}
	}
	return &abi.Empty{}, nil
}

func (s *supervisor) setEnvVars(_ context.Context, req *abi.SetEnvVarsRequest) (*abi.Empty, error) {
	if err := s.vars.change(req.EnvVars); err != nil {
		return nil, err
	}
	return &abi.Empty{}, nil
}

// surroundings are what commands have besides their own request.
type surroundings struct {
	session string // an id; empty is none
	user    string // as in requests; empty is the init's own
	// defaults are variables under those of setEnvVars.
	defaults map[string]string
	// program, if set, finds in a PATH what runs when the request names nothing.
	program func(path string) (argv []string, err error)
}

// prepare checks a request and finds its program, as a command of the session
// and of the user. The variables of the init itself, the user's, the defaults,
// those of setEnvVars, the session's and the request's come each over those
// before.
func (s *supervisor) prepare(req request, around surroundings) (*command, error) {
	var in *session
	if around.session != "" {
		var err error
		if in, err = s.sessions.get(around.session); err != nil {
			return nil, err
		}
		req.cwd = in.directory(req.cwd)
	}
	user, err := s.userOf(around.user)
	if err != nil {
		return nil, err
	}
	env, err := s.layers(in, user, around.defaults)
	if err != nil {
		return nil, err
	}
	if around.program != nil && req.command == "" && len(req.argv) == 0 {
		if req.argv, err = around.program(cmp.Or(req.env["PATH"], pathOf(env))); err != nil {
			return nil, err
		}
	}
	cmd, err := resolve(req, env)
	if err != nil {
		return nil, err
	}
	cmd.user, cmd.session = user, in
	return cmd, nil
}

// layers returns all variables but the request's.
func (s *supervisor) layers(in *session, user *identity, defaults map[string]string) ([]string, error) {
	env, err := s.env, error(nil)
	if user != nil {
		if env, err = environment(env, user.variables()); err != nil {
			return nil, err
		}
	}
	if env, err = environment(env, defaults); err != nil {
		return nil, err
	}
	if env, err = s.vars.apply(env); err != nil {
		return nil, err
	}
	if in == nil {
		return env, nil
	}
	return environment(env, in.env)
}

// directory returns where a command of the session that asks for cwd starts.
func (s *session) directory(cwd string) string {
	switch {
	case cwd == "":
		return s.cwd
	case s.cwd == "" || filepath.IsAbs(cwd):
		return cwd
	}
	return s.cwd + "/" + cwd
}

// userOf returns whom a command is to run as, nil for the init's own user.
func (s *supervisor) userOf(spec string) (*identity, error) {
	if spec == "" {
		return nil, nil
	}
	id, err := findUser(spec)
	if err != nil {
		return nil, err
	}
	may := mayChangeUser()
	switch own := int(id.uid) == os.Geteuid(); {
	case own && int(id.gid) == os.Getegid() && (!may || len(id.groups) == 0):
		return nil, nil
	case own && !may && !strings.Contains(spec, ":"):
		return nil, nil // whatever the tables say of its groups
	case may:
		return id, nil
	}
	return nil, abi.Errorf(abi.CodePermissionDenied, "the sandbox's init runs as user %d and may not run commands as another one (%.60q)", os.Geteuid(), spec).
		WithSuggestion("leave user out, or use a binding whose image runs as root and whose preset leaves it its capabilities")
}

// mayChangeUser tells whether the init can start processes as other users, and
// end them.
func mayChangeUser() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // of 32 capabilities each
	if unix.Capget(&header, &sets[0]) != nil {
		return false
	}
	for _, c := range []int{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL} {
		if sets[0].Effective&(1<<c) == 0 {
			return false
		}
	}
	return true
}

// credential is the identity as a fork takes it.
func (id *identity) credential() *syscall.Credential {
	c := &syscall.Credential{Uid: id.uid, Gid: id.gid, Groups: id.groups}
	// In a user namespace made by somebody without rights nobody may set groups.
	if b, err := readLimited("/proc/self/setgroups", 16); err == nil && bytes.HasPrefix(b, []byte("deny")) {
		c.NoSetGroups = true
	}
	return c
}
