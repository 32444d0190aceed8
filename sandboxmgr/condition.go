package sandboxmgr

import (
	"fmt"
	"time"

	"edge/abi"
)

// snapshot tells the state without asking anybody inside.
func (u *unit) snapshot() *abi.SandboxState {
	connections := u.m.config.Connections.Count(u.key.binding, u.key.id, 0)
	last := u.lastActivity()
	if connections > 0 {
		last = time.Now()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	st := &abi.SandboxState{
		State: u.state, Generation: u.record.Generation, Connections: connections, Paused: u.paused,
		Runtime: u.binding.Runtime.Name(),
	}
	if !u.record.StartedAt.IsZero() {
		t := u.record.StartedAt
		st.StartedAt = &t
	}
	if !last.IsZero() {
		st.LastActivityAt = &last
	}
	if e := u.record.Exit; e != nil {
		code := e.Code
		st.ExitCode = &code
	}
	if u.current != nil {
		st.Dial = u.current.dialName()
	}
	st.Why = u.why(connections)
	if due, does, ok := u.due(); ok && does == dueSleep && connections == 0 {
		st.SleepsAt = &due
	}
	return st
}

// why says what keeps the sandbox awake, or why it does not run; u.mu is held.
func (u *unit) why(connections int) []string {
	switch u.state {
	case abi.StateStarting:
		return append([]string{"a start"}, u.activity.why(connections)...)
	case abi.StateRunning:
		why := u.activity.why(connections)
		if u.paused {
			why = append(why, "paused")
		}
		if u.record.KeepAlive {
			why = append(why, "keepAlive")
		} else if u.record.sleepsAfter(&u.binding) == 0 {
			why = append(why, "sleepAfter is never")
		}
		return why
	case abi.StateStopped, abi.StateLost:
		switch {
		case u.record.Why != "":
			return []string{u.record.Why}
		case u.state == abi.StateLost:
			return []string{whyLost(u.record.Exit)}
		}
		return []string{whyStopped}
	}
	return nil
}

// Why a sandbox does not run.
const whyStopped = "stopped"

func whyIdle(after time.Duration) string { return "idle for " + after.String() }

func whyLost(e *exitState) string {
	switch {
	case e == nil:
		return "lost: nobody knows how it ended"
	case e.OOMKilled:
		return fmt.Sprintf("lost: exit code %d, out of memory", e.Code)
	}
	return fmt.Sprintf("lost: exit code %d", e.Code)
}
