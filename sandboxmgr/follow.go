package sandboxmgr

import (
	"context"
	"fmt"
	"strings"
	"time"

	"edge/abi"
)

// followInterval is how often an init is asked what its processes printed.
const followInterval = 200 * time.Millisecond

// maxLine is how much of a line without an end is kept until its end comes.
const maxLine = 64 << 10 // bytes

// followed is how far one process's output was reported.
type followed struct {
	pid            int
	cursor         string
	stdout, stderr string // an unfinished last line
	ended          bool
}

// follow makes events of output and exits until the generation ends.
func (u *unit) follow(g *generation) {
	seen := map[string]*followed{}
	for sleep(g.ctx, followInterval) == nil {
		u.mu.Lock()
		frozen := u.frozen()
		u.mu.Unlock()
		if frozen {
			continue
		}
		var list abi.ProcessList
		if err := g.call(g.ctx, abi.ListProcesses.Name(), quickTimeout, &abi.Empty{}, &list); err != nil {
			continue
		}
		listed := make(map[string]*followed, len(list.Processes))
		for i := range list.Processes {
			p := &list.Processes[i]
			f := seen[p.ID]
			if f == nil || f.pid != p.PID { // new, or started again under its id
				f = &followed{pid: p.PID}
			}
			listed[p.ID] = f
			if !f.ended {
				u.report(g.ctx, g, p, f)
			}
		}
		seen = listed // what the init has forgotten is forgotten here
	}
}

// report makes events of what p printed since the last time, and of its end.
func (u *unit) report(ctx context.Context, g *generation, p *abi.Process, f *followed) {
	var logs abi.LogsResponse
	if err := g.call(ctx, abi.GetLogs.Name(), quickTimeout, &abi.LogsRequest{ProcessID: p.ID, Since: f.cursor}, &logs); err != nil {
		return
	}
	f.cursor = logs.Cursor
	f.ended = !live(p.Status)
	f.stdout = u.reportLines(g, p.ID, f.stdout+logs.Stdout, f.ended)
	f.stderr = u.reportLines(g, p.ID, f.stderr+logs.Stderr, f.ended)
	if !f.ended {
		return
	}
	how := string(p.Status)
	if p.Signal != "" {
		how += ", " + p.Signal
	} else if p.ExitCode != nil {
		how += fmt.Sprintf(", exit code %d", *p.ExitCode)
	}
	u.m.emit(u.key, EventProcessExited, g.number, p.ID+": "+how)
}

// reportLines makes an event of each whole line and returns the rest.
func (u *unit) reportLines(g *generation, id, text string, all bool) (rest string) {
	for {
		line, after, whole := strings.Cut(text, "\n")
		if !whole && (line == "" || !all && len(line) < maxLine) {
			return text
		}
		u.m.emit(u.key, EventOutput, g.number, id+": "+strings.TrimSuffix(line, "\r"))
		if text = after; !whole {
			return ""
		}
	}
}
