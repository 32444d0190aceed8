package remote

import (
	"context"
	"fmt"
	"strconv"

	"edge/abi"
)

type topCommand struct {
	Connection
	Output
	Sandbox string `arg:"" complete:"sandbox" help:"[BINDING/]ID."`
}

// Run lists the processes that run or startProcess started.
func (v *topCommand) Run(ctx context.Context, env *Env) error {
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		list, err := s.processes(ctx)
		if err != nil {
			return err
		}
		if v.json() {
			return writeJSON(env.Out, list)
		}
		ports, err := Call(ctx, s.Client, s.ref, abi.GetListeningPorts, &abi.Empty{})
		if err != nil { // of an edge, or an init, that cannot tell
			ports = &abi.ListeningPorts{}
		}
		t := newTable("PROCESS", "#PID", "STATUS", "#SINCE", "EXIT", "PORTS", "COMMAND")
		for _, p := range list.Processes {
			t.add(p.ID, pidText(p), string(p.Status), since(&p.StartedAt), exitText(p), portsOf(p.ID, ports.Ports), p.Command)
		}
		return t.write(env.Out)
	})
}

// processes lists the processes of a sandbox; one that does not run is not
// started for it, and has none.
func (s *session) processes(ctx context.Context) (*abi.ProcessList, error) {
	st, err := Call(ctx, s.Client, s.ref, abi.GetState, &abi.Empty{})
	if err != nil {
		return nil, err
	}
	if st.State == abi.StateAbsent {
		return nil, absent(s.ref)
	}
	if !alive(st.State) {
		return nil, abi.Errorf(abi.CodeSandboxAsleep, "%s is %s, so it has no processes", s.ref, st.State).WithSuggestion("edge start %s starts it", s.ref)
	}
	return Call(ctx, s.Client, s.ref, abi.ListProcesses, &abi.Empty{})
}

func running(p abi.Process) bool {
	return p.Status == abi.StatusRunning || p.Status == abi.StatusStarting
}

func pidText(p abi.Process) string {
	if !running(p) {
		return "-"
	}
	return strconv.Itoa(p.PID)
}

func exitText(p abi.Process) string {
	switch {
	case p.OOMKilled:
		return "out of memory"
	case p.Signal != "":
		return p.Signal
	case p.ExitCode != nil:
		return strconv.Itoa(*p.ExitCode)
	}
	return "-"
}

type killCommand struct {
	Connection
	Signal    string   `short:"s" placeholder:"SIGNAL" complete:"signal" default:"KILL" help:"What they get; default KILL."`
	Grace     Span     `placeholder:"SPAN" help:"How long a process has before KILL, like 30s; default 5s."`
	All       bool     `short:"a" help:"All processes of the sandbox, which itself runs on."`
	Sandbox   string   `arg:"" complete:"sandbox" help:"[BINDING/]ID."`
	Processes []string `arg:"" optional:"" name:"process" complete:"process" help:"Process ids; without any the sandbox itself is ended."`
}

// Run signals processes with their groups, or ends the sandbox.
func (v *killCommand) Run(ctx context.Context, env *Env) error {
	if v.All && len(v.Processes) > 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "--all and process ids exclude each other")
	}
	signal, grace := abi.Signal(v.Signal), v.Grace.duration()
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		switch {
		case v.All:
			killed, err := Call(ctx, s.Client, s.ref, abi.KillAllProcesses, &abi.KillAllRequest{Signal: signal, Grace: grace})
			if err != nil {
				return err
			}
			fmt.Fprintln(env.Out, counted(killed.Count, "process", "processes"))
			return nil
		case len(v.Processes) == 0:
			st, err := Call(ctx, s.Client, s.ref, abi.Stop, &abi.StopRequest{Signal: signal, Grace: grace})
			if err != nil {
				return err
			}
			if st.State == abi.StateAbsent {
				return absent(s.ref)
			}
			fmt.Fprintln(env.Out, s.ref)
			return nil
		}
		return each(v.Processes, func(id string) error {
			_, err := Call(ctx, s.Client, s.ref, abi.KillProcess, &abi.KillRequest{ProcessID: id, Signal: signal, Grace: grace})
			if err == nil {
				fmt.Fprintln(env.Out, oneLine(id))
			}
			return err
		})
	})
}
