//go:build !wasip1

package abi

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Bounds of a Plan.
const (
	MaxPlanBytes       = 1 << 20 // of its JSON
	MaxPlanFiles       = 64
	MaxPlanTimeout     = 10 * time.Minute
	DefaultPlanTimeout = 30 * time.Second
)

// ParsePlan reads a plan's JSON and checks what can be checked without the
// sandbox. Names are normalised and Timeout has its default. Errors are *Error:
// INVALID_REQUEST, also for a field that there is not, BODY_TOO_LARGE,
// UNKNOWN_BINDING, INVALID_SANDBOX_ID and INVALID_PORT.
func ParsePlan(b []byte) (*Plan, error) {
	if len(b) > MaxPlanBytes {
		return nil, Errorf(CodeBodyTooLarge, "a plan of %d bytes is longer than %d", len(b), MaxPlanBytes)
	}
	p := new(Plan)
	if err := strictJSON(b, p); err != nil {
		return nil, Errorf(CodeInvalidRequest, "plan: %s", JSONReason(err))
	}
	for _, check := range []func() error{p.checkSandbox, p.checkSteps, p.Policy.Check, p.checkFallback} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Plan) checkSandbox() error {
	if !ValidBinding(p.Sandbox.Binding) {
		return Errorf(CodeUnknownBinding, "there is no binding %.60q", p.Sandbox.Binding)
	}
	id, err := NormalizeID(p.Sandbox.ID)
	if err != nil {
		return err
	}
	p.Sandbox.ID = id
	return CheckPort(p.Port)
}

func (p *Plan) checkSteps() error {
	if p.Timeout == 0 {
		p.Timeout = Duration(DefaultPlanTimeout)
	}
	switch {
	case p.Then != PlanConnect && p.Then != PlanProxy:
		return Errorf(CodeInvalidRequest, "plan: then is %.20q, not connect or proxy", p.Then)
	case p.Timeout.D() > MaxPlanTimeout:
		return Errorf(CodeInvalidRequest, "plan: timeout is %s, more than %s", p.Timeout.D(), MaxPlanTimeout)
	case len(p.Files) > MaxPlanFiles:
		return Errorf(CodeInvalidRequest, "plan: %d files are more than %d", len(p.Files), MaxPlanFiles)
	case len(p.Files) > 0 && p.Process == nil:
		return Errorf(CodeInvalidRequest, "plan: files are written before the process is started, and there is no process")
	}
	for _, f := range p.Files {
		if err := f.check(); err != nil {
			return err
		}
	}
	if err := p.Process.check(); err != nil {
		return err
	}
	return p.Ready.check()
}

func (f *PlanFile) check() error {
	switch {
	case f.Path == "" || len(f.Path) > MaxPathBytes || strings.Contains(f.Path, "\x00"):
		return Errorf(CodeInvalidRequest, "plan: %.100q is no path of a file", f.Path)
	case f.Encoding != "" && f.Encoding != "utf8" && f.Encoding != "base64":
		return Errorf(CodeInvalidRequest, "plan: the encoding of %.100q is %.20q, not utf8 or base64", f.Path, f.Encoding)
	}
	if f.Encoding == "base64" {
		if _, err := base64.StdEncoding.DecodeString(f.Content); err != nil {
			return Errorf(CodeInvalidRequest, "plan: the content of %.100q is not base64 (RFC 4648, section 4)", f.Path)
		}
	}
	if f.Mode != "" {
		if m, err := strconv.ParseUint(f.Mode, 8, 32); err != nil || m > 0o777 {
			return Errorf(CodeInvalidRequest, "plan: the mode of %.100q is %.20q, not permission bits in octal like 0644", f.Path, f.Mode)
		}
	}
	return nil
}

func (p *PlanProcess) check() error {
	switch {
	case p == nil:
		return nil
	case p.ProcessID == "":
		return Errorf(CodeInvalidRequest, "plan: the process has no processId, which makes it one for all requests")
	case p.Command == "" && len(p.Argv) == 0:
		return Errorf(CodeInvalidRequest, "plan: the process has neither command nor argv")
	case p.Command != "" && len(p.Argv) > 0:
		return Errorf(CodeInvalidRequest, "plan: the process has both command and argv")
	case len(p.Argv) > 0 && p.Argv[0] == "":
		return Errorf(CodeInvalidRequest, "plan: the first word of the process's argv, which is what runs, is empty")
	case strings.Contains(p.Command+strings.Join(p.Argv, "")+p.Cwd, "\x00"):
		return Errorf(CodeInvalidRequest, "plan: a command or folder of the process holds a NUL character")
	}
	return CheckProcessID(p.ProcessID)
}

func (r *PlanReady) check() error {
	switch {
	case r == nil:
	case r.Mode != "" && r.Mode != "tcp" && r.Mode != "http":
		return Errorf(CodeInvalidRequest, "plan: ready.mode is %.20q, not tcp or http", r.Mode)
	case r.Path != "" && !strings.HasPrefix(r.Path, "/"):
		return Errorf(CodeInvalidRequest, "plan: ready.path %.100q does not begin with /", r.Path)
	case r.Mode == "tcp" && (r.Path != "" || r.Status != nil):
		return Errorf(CodeInvalidRequest, "plan: ready.path and ready.status have no meaning with mode tcp")
	case r.Status != nil && (r.Status.Min < 100 || r.Status.Max > 599 || r.Status.Min > r.Status.Max):
		return Errorf(CodeInvalidRequest, "plan: ready.status is %d to %d, not a range from 100 to 599", r.Status.Min, r.Status.Max)
	}
	return nil
}

func (p *Plan) checkFallback() error {
	f := p.Fallback
	if f == nil {
		return nil
	}
	if f.Status < 200 || f.Status > 599 {
		return Errorf(CodeInvalidRequest, "plan: the fallback's status %d is not between 200 and 599", f.Status)
	}
	for _, h := range f.Headers {
		switch {
		case !ValidToken(h[0]):
			return Errorf(CodeInvalidRequest, "plan: header name %.100q is no token", h[0])
		case !ValidValue(h[1]):
			return Errorf(CodeInvalidRequest, "plan: header %s: the value holds a control character", h[0])
		case FramesAnswer(h[0]):
			return Errorf(CodeInvalidRequest, "plan: header %s is the host's to write", h[0])
		}
	}
	return nil
}
