package remote

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"edge/abi"
)

type callCommand struct {
	Connection
	Output
	Sandbox   string `arg:"" complete:"sandbox" help:"[BINDING/]ID."`
	Operation string `arg:"" complete:"operation" help:"Operation, like setEnvVars; abi/REFERENCE.md has them all."`
	Request   string `arg:"" optional:"" name:"json" help:"The request, a JSON object, or - for standard input; default {}."`
}

// Run carries any operation out and prints its answer. A stream prints a line of
// JSON for each event; the bytes of a download go to standard output as they
// are, those of an upload and of a terminal come from standard input.
func (v *callCommand) Run(ctx context.Context, env *Env) error {
	row := abi.Lookup(v.Operation)
	if row == nil {
		return abi.Errorf(abi.CodeUnknownOperation, "there is no operation %.60q", v.Operation).WithSuggestion("%s", nearOperation(v.Operation))
	}
	body, err := v.request(env, row)
	if err != nil {
		return err
	}
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		if row.Kind() != abi.KindCall {
			return s.callStream(ctx, env, row, body)
		}
		answer, err := s.CallRaw(ctx, s.ref, row.Name(), body)
		if err != nil {
			return err
		}
		return writeJSON(env.Out, answer)
	})
}

// request reads the JSON, which the edge checks.
func (v *callCommand) request(env *Env, row abi.Row) (json.RawMessage, error) {
	text := []byte(v.Request)
	switch {
	case v.Request == "":
		return json.RawMessage("{}"), nil
	case v.Request == "-" && row.Kind() != abi.KindCall && row.Kind() != abi.KindDownload:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "%s takes bytes from standard input, so its request cannot come from there", row.Name())
	case v.Request == "-":
		var err error
		if text, err = io.ReadAll(io.LimitReader(env.In, maxAnswer)); err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the request is not a JSON object: %v", err).
			WithSuggestion(`write it in single quotes: edge call %s %s '{"key": "value"}'`, v.Sandbox, row.Name())
	}
	return text, nil
}

// nearOperation is what may have been meant.
func nearOperation(name string) string {
	var near []string
	for _, row := range abi.Operations {
		if strings.EqualFold(row.Name(), name) || len(name) > 2 && strings.Contains(strings.ToLower(row.Name()), strings.ToLower(name)) {
			near = append(near, row.Name())
		}
	}
	if len(near) == 0 {
		for _, row := range abi.Operations {
			near = append(near, row.Name())
		}
		slices.Sort(near)
		return "there are " + strings.Join(near, ", ")
	}
	return "did you mean " + orList(near) + "?"
}

// callStream carries out an operation that is a stream.
func (s *session) callStream(ctx context.Context, env *Env, row abi.Row, body json.RawMessage) error {
	stream, err := s.Open(ctx, s.ref, row.Name(), body)
	if err != nil {
		return err
	}
	defer stream.Close()
	switch {
	case row.Kind() == abi.KindUpload, takesInput(body):
		go pourInput(stream, env.In)
	case row.Kind() == abi.KindDuplex:
		go typeInto(stream, env.In)
	}
	// The bytes of a download are what was asked for, so what is said of them
	// goes elsewhere.
	events := env.Out
	if row.Kind() == abi.KindDownload {
		events = env.Err
	}
	for {
		opcode, message, err := stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case opcode == abi.OpcodeText:
			_, err = fmt.Fprintf(events, "%s\n", message)
		case row.Kind() == abi.KindDownload:
			_, err = env.Out.Write(message)
		default:
			_, err = fmt.Fprintf(env.Out, "{\"type\":\"data\",\"data\":%q}\n", base64.StdEncoding.EncodeToString(message))
		}
		if err != nil {
			return err
		}
	}
}

// takesInput tells whether a request of execStream wants standard input.
func takesInput(body json.RawMessage) bool {
	var req struct {
		Input bool `json:"input"`
	}
	return json.Unmarshal(body, &req) == nil && req.Input
}

// isCode tells whether an error is of the code.
func isCode(err error, code abi.Code) bool {
	var e *abi.Error
	return errors.As(err, &e) && e.Code == code
}
