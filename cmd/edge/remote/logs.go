package remote

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"edge/abi"
)

type logsCommand struct {
	Connection
	Output
	Follow  bool   `short:"f" help:"Go on until the process has ended."`
	Tail    int    `short:"n" placeholder:"N" help:"Only the last N lines of each stream."`
	Since   string `placeholder:"CURSOR" help:"Only what came after that cursor, as --format json tells them."`
	Sandbox string `arg:"" complete:"sandbox" help:"[BINDING/]ID."`
	Process string `arg:"" optional:"" complete:"process" help:"Process id; may be left out where there is one process."`
}

// Run prints what a process printed, stdout and stderr each where they belong.
func (v *logsCommand) Run(ctx context.Context, env *Env) error {
	if v.Tail < 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "--tail %d: want a number of lines", v.Tail)
	}
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		if err := s.onlyProcess(ctx, &v.Process); err != nil {
			return err
		}
		req := &abi.StreamLogsRequest{ProcessID: v.Process, Since: v.Since, Tail: v.Tail, Follow: v.Follow, Encoding: "base64"}
		if v.json() {
			req.Encoding = ""
			return s.printEvents(ctx, abi.StreamLogs.Name(), req, env.Out)
		}
		_, err := s.follow(ctx, req, env.Out, env.Err)
		return err
	})
}

// onlyProcess fills an empty process id in where a sandbox has one process.
func (s *session) onlyProcess(ctx context.Context, id *string) error {
	if *id != "" {
		return nil
	}
	list, err := s.processes(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(list.Processes))
	for i, p := range list.Processes {
		names[i] = oneLine(p.ID)
	}
	switch len(names) {
	case 0:
		return abi.Errorf(abi.CodeProcessNotFound, "%s has no processes", s.ref).WithSuggestion("edge run %s COMMAND starts one", s.ref)
	case 1:
		*id = list.Processes[0].ID
		return nil
	}
	return abi.Errorf(abi.CodeInvalidRequest, "%s has several processes: %s", s.ref, strings.Join(names, ", ")).WithSuggestion("name one of them")
}

// follow prints the output of a process until its logs end, and returns the
// event of its end, or nil when it runs on.
func (s *session) follow(ctx context.Context, req *abi.StreamLogsRequest, out, errs io.Writer) (*abi.LogEvent, error) {
	stream, err := s.Open(ctx, s.ref, abi.StreamLogs.Name(), req)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	for {
		var e abi.LogEvent
		if err := stream.Event(&e); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		switch e.Type {
		case abi.LogExit:
			return &e, nil
		case abi.LogDropped:
			fmt.Fprintf(errs, "edge: %d bytes are not kept any more\n", e.Dropped)
			continue
		}
		if err := writeData(e.Type == abi.LogStderr, e.Data, out, errs); err != nil {
			return nil, err
		}
	}
}

// writeData prints a piece of output that came as base64.
func writeData(isErr bool, data string, out, errs io.Writer) error {
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return fmt.Errorf("the edge sent output that is not understood: %w", err)
	}
	if isErr {
		out = errs
	}
	_, err = out.Write(b)
	return err
}

// printEvents prints each event of a stream as one line of JSON.
func (s *session) printEvents(ctx context.Context, operation string, req any, out io.Writer) error {
	stream, err := s.Open(ctx, s.ref, operation, req)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		var event json.RawMessage
		if err := stream.Event(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n", event); err != nil {
			return err
		}
	}
}
