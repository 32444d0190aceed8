package guest

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Sandbox is a handle of one sandbox. Having one starts nothing: the first
// operation that needs the sandbox does. It belongs to the request that was
// being handled when it was made and ends with it.
type Sandbox struct {
	req *Request
	ref abi.SandboxRef
	// encoded is ref as JSON, made once if there are options.
	encoded []byte
}

// GetSandbox returns a handle at once, for the request that is being handled: an
// instance handles one at a time, so there is no doubt which. binding is a name
// under "sandboxes:" in the edge's configuration. An id that breaks the rules is
// INVALID_SANDBOX_ID at the first use.
func GetSandbox(binding, id string, opts ...SandboxOptions) *Sandbox {
	return instance.current.Sandbox(binding, id, opts...)
}

// Sandbox is GetSandbox for this request.
func (r *Request) Sandbox(binding, id string, opts ...SandboxOptions) *Sandbox {
	return &Sandbox{req: r, ref: abi.SandboxRef{Binding: binding, ID: id, SandboxOptions: last(opts)}}
}

// ID returns the id that the handle was made with.
func (s *Sandbox) ID() string { return s.ref.ID }

// Binding returns the binding that the handle was made with.
func (s *Sandbox) Binding() string { return s.ref.Binding }

// options returns the handle's options, or nil if none were given.
func (s *Sandbox) options() *SandboxOptions {
	o := &s.ref.SandboxOptions
	if o.SleepAfter == 0 && !o.KeepAlive && len(o.Env) == 0 && len(o.Labels) == 0 {
		return nil
	}
	return o
}

// live returns an error when the handle's request is over or never was.
func (s *Sandbox) live(call string) error {
	switch {
	case s.req == nil:
		return abi.Errorf(abi.CodeInvalidRequest, "%s: no request is being handled; sandboxes are reached from the handler", call)
	case s.req.over:
		return abi.Errorf(abi.CodeInvalidRequest, "%s: the request that this sandbox handle belongs to is over", call)
	}
	return nil
}

// call carries out the operation that a row of the table names.
func call[Req, Resp any](s *Sandbox, op *abi.Operation[Req, Resp], in *Req) (*Resp, error) {
	out := new(Resp)
	if err := s.operate(op.Name(), in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// tell is call for an operation whose answer says nothing that its caller wants:
// the answer stays with the host.
func tell[Req, Resp any](s *Sandbox, op *abi.Operation[Req, Resp], in *Req) error {
	body, err := s.request(op.Name(), in)
	if err != nil {
		return err
	}
	if errno, _ := abi.SplitResult(edge1.Op(s.req.handle, op.Name(), body, nil)); errno != abi.OK {
		return failure(s.req.handle, op.Name(), errno)
	}
	return nil
}

// request returns an operation's JSON: in beside the sandbox's name.
func (s *Sandbox) request(op string, in any) ([]byte, error) {
	if err := s.live(op); err != nil {
		return nil, err
	}
	body, err := s.envelope(in)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "%s: %v", op, err)
	}
	return body, nil
}

// operate sends in beside the sandbox's name, blocks, and fills out.
func (s *Sandbox) operate(op string, in, out any) error {
	body, err := s.request(op, in)
	if err != nil {
		return err
	}
	buf := make([]byte, 1024)
	answer, errno := collect(s.req.handle, edge1.Op(s.req.handle, op, body, buf), buf)
	if errno != abi.OK {
		return failure(s.req.handle, op, errno)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return abi.Errorf(abi.CodeInternal, "%s: the host's answer cannot be read: %v", op, err).WithStarted(abi.StartedYes)
	}
	return nil
}

// Call carries out an operation by its name, such as one that is newer than this
// SDK: request and answer are what encoding/json takes and fills, of the fields
// that abi/REFERENCE.md lists.
func (s *Sandbox) Call(operation string, request, answer any) error {
	return s.operate(operation, request, answer)
}

// Start starts the sandbox, or does nothing if it runs.
func (s *Sandbox) Start() (*SandboxState, error) { return call(s, abi.Start, &abi.Empty{}) }

// Stop stops the sandbox; what it wrote stays as the binding's persist says.
func (s *Sandbox) Stop(opts ...StopOptions) (*SandboxState, error) {
	in := last(opts)
	return call(s, abi.Stop, &in)
}

// Destroy removes the sandbox with everything it wrote and its exposures.
func (s *Sandbox) Destroy() error {
	return tell(s, abi.Destroy, &abi.Empty{})
}

// GetState tells the sandbox's state without starting it.
func (s *Sandbox) GetState() (*SandboxState, error) { return call(s, abi.GetState, &abi.Empty{}) }

// Exec runs a command with /bin/sh -c to its end; with an empty command, the
// options' Argv. A command that fails is an answer, not an error.
func (s *Sandbox) Exec(command string, opts ...ExecOptions) (*ExecResult, error) {
	in := last(opts)
	if command != "" {
		in.Command = command
	}
	return call(s, abi.Exec, &in)
}

// WriteFile writes a file, making missing folders; a reader sees the old content
// or the new, never a part. path is absolute or relative to /workspace. Only Mode
// of the options is looked at.
func (s *Sandbox) WriteFile(path string, content []byte, opts ...WriteFileOptions) error {
	in := abi.WriteFileRequest{Path: path, Mode: last(opts).Mode}
	if utf8.Valid(content) {
		in.Content = string(content)
	} else {
		in.Content, in.Encoding = base64.StdEncoding.EncodeToString(content), "base64"
	}
	return tell(s, abi.WriteFile, &in)
}

// ReadFile reads a whole file of at most 32 MiB, text or not.
func (s *Sandbox) ReadFile(path string) ([]byte, error) {
	out, err := call(s, abi.ReadFile, &abi.ReadFileRequest{Path: path})
	if err != nil {
		return nil, err
	}
	if out.Encoding != "base64" {
		return []byte(out.Content), nil
	}
	b, err := base64.StdEncoding.DecodeString(out.Content)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInternal, "readFile: the host's answer cannot be read: %v", err)
	}
	return b, nil
}
