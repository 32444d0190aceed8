package sandboxmgr

import (
	"context"
	"maps"
	"time"

	"edge/abi"
)

// maxEnvBytes bounds all variables that are remembered of one sandbox: they
// are part of its record.
const maxEnvBytes = 256 << 10

// maxSleepAfter bounds what a caller may ask for; keepAlive is for ever.
const maxSleepAfter = 10 * 365 * 24 * time.Hour

// sleepsAfter returns how long the sandbox may be unused; 0 is for ever.
func (s *settings) sleepsAfter(b *Binding) time.Duration {
	if s.KeepAlive {
		return 0
	}
	return s.SleepAfter.Or(b.SleepAfter)
}

// learns tells whether a use with these options changes how long the sandbox
// may be unused.
func (s *settings) learns(o *abi.SandboxOptions) bool {
	if o == nil {
		return false
	}
	next := *s
	next.learn(o)
	return next.SleepAfter != s.SleepAfter || next.KeepAlive != s.KeepAlive
}

// learn takes over how long the sandbox may be unused; what o leaves out stays.
func (s *settings) learn(o *abi.SandboxOptions) {
	if o.SleepAfter > 0 {
		s.SleepAfter, s.KeepAlive = o.SleepAfter, false
	}
	if o.KeepAlive {
		s.KeepAlive = true
	}
}

// adopt takes over all of the options with which the sandbox is started.
func (s *settings) adopt(o *abi.SandboxOptions) {
	s.learn(o)
	if len(o.Env) > 0 {
		env := maps.Clone(s.Env)
		if env == nil {
			env = map[string]string{}
		}
		maps.Copy(env, o.Env)
		s.Env = env
	}
	if len(o.Labels) > 0 {
		s.Labels = maps.Clone(o.Labels)
	}
}

// setVars sets variables, or with nil unsets them.
func (s *settings) setVars(vars map[string]*string) {
	all := maps.Clone(s.Vars)
	if all == nil {
		all = map[string]*string{}
	}
	maps.Copy(all, vars)
	s.Vars = all
}

// environ returns all variables that are remembered; nil unsets one.
func (s *settings) environ() map[string]*string {
	all := make(map[string]*string, len(s.Env)+len(s.Vars))
	for k, v := range s.Env {
		all[k] = &v
	}
	maps.Copy(all, s.Vars)
	return all
}

// checkEnvSize bounds what is remembered.
func (s *settings) checkEnvSize() error {
	n, size := len(s.Env)+len(s.Vars), 0
	for k, v := range s.Env {
		size += len(k) + len(v)
	}
	for k, v := range s.Vars {
		size += len(k)
		if v != nil {
			size += len(*v)
		}
	}
	if n > maxEnv || size > maxEnvBytes {
		return invalid("the sandbox's variables would be %d with %d bytes; at most %d with %d bytes are remembered", n, size, maxEnv, maxEnvBytes)
	}
	return nil
}

// note changes the record of a sandbox without disturbing those who use it, unless
// change refuses, and then does more, if there is any. It waits for every other
// step.
func (u *unit) note(ctx context.Context, change func(*record) error, then func(context.Context) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		u.mu.Lock()
		s := u.step
		mine := s == nil
		if mine {
			s = u.begin(stepNote, func(ctx context.Context, _ *step) error { return u.noteStep(ctx, change, then) })
		}
		u.mu.Unlock()
		if s == nil {
			return errShuttingDown()
		}
		if err := s.wait(ctx); mine || ctx.Err() != nil {
			return u.explainStep(err)
		}
	}
}

func (u *unit) noteStep(ctx context.Context, change func(*record) error, then func(context.Context) error) error {
	next, revision := u.recorded()
	if revision == 0 {
		return abi.Errorf(abi.CodeSandboxExited, "sandbox %s was destroyed meanwhile", u.key)
	}
	if err := change(&next); err != nil {
		return err
	}
	if err := u.save(ctx, func(r *record) { *r = next }); err != nil || then == nil {
		return err
	}
	return then(ctx)
}

// learning is the change to the record that a use with these options makes.
func learning(o *abi.SandboxOptions) func(*record) error {
	return func(r *record) error {
		r.learn(o)
		return nil
	}
}

// SetEnvVars sets variables for every command that is started from now on, and
// after each later start.
func (s *Sandbox) SetEnvVars(ctx context.Context, req *abi.SetEnvVarsRequest) (*abi.Empty, error) {
	op := abi.SetEnvVars.Name()
	if err := checkEnvVars(req.EnvVars); err != nil {
		return nil, s.fail(op, err)
	}
	err := s.withUnit(func(u *unit) error {
		defer u.hold(op)()
		if _, _, err := u.running(ctx, &s.ref.SandboxOptions); err != nil {
			return err
		}
		set := func(r *record) error {
			r.setVars(req.EnvVars)
			return r.checkEnvSize()
		}
		return u.note(ctx, set, func(ctx context.Context) error { return u.tellEnv(ctx, req.EnvVars) })
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return &abi.Empty{}, nil
}

// tellEnv has the init of what runs set variables. It is part of a step: nothing
// is paused, stopped or started meanwhile. What does not run is told when it is
// started.
func (u *unit) tellEnv(ctx context.Context, vars map[string]*string) error {
	u.mu.Lock()
	g, frozen := u.current, u.frozen()
	u.mu.Unlock()
	if g == nil {
		return nil
	}
	if frozen {
		if err := u.resumeStep(ctx, nil); err != nil {
			return err
		}
	}
	return g.setEnv(ctx, vars)
}

// setEnv has the init set variables for what it starts from now on.
func (g *generation) setEnv(ctx context.Context, vars map[string]*string) error {
	if len(vars) == 0 {
		return nil
	}
	return g.call(ctx, abi.SetEnvVars.Name(), quickTimeout, &abi.SetEnvVarsRequest{EnvVars: vars}, &abi.Empty{})
}

// Touch counts as use of the sandbox. It starts nothing.
func (s *Sandbox) Touch(ctx context.Context, _ *abi.Empty) (*abi.SandboxState, error) {
	return s.changeState(ctx, abi.Touch.Name(), func(u *unit) error {
		if err := u.settled(ctx); err != nil {
			return err
		}
		u.touch()
		u.mu.Lock()
		learns := u.revision != 0 && u.record.State != stateDestroying && u.record.learns(&s.ref.SandboxOptions)
		u.mu.Unlock()
		if !learns {
			return nil
		}
		return u.note(ctx, learning(&s.ref.SandboxOptions), nil)
	})
}
