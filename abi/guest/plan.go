package guest

import (
	"encoding/json"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// PlanOptions say what becomes of a request step by step, when the handler has
// returned: files are written and a process is started, unless one of its id runs,
// its readiness is waited for, and the request is relayed to Port. Only Port is
// required.
type PlanOptions struct {
	Port int
	// Then is PlanConnect or PlanProxy; by default PlanConnect for a WebSocket and
	// PlanProxy for any other request.
	Then string
	// Process is started after Files were written; nil: none is.
	Process *PlanProcess
	Files   []PlanFile
	// Ready is waited for; nil: the port is dialled at once.
	Ready  *PlanReady
	Policy Policy
	// Timeout bounds all steps before the dial; 30s by default, 10m at most.
	Timeout Duration
	// Fallback is the answer if a step fails; nil: the error's.
	Fallback *PlanAnswer
}

// Plan decides that the host does all of it, with no instance of the plugin held
// meanwhile: any number of clients can wait for one cold start.
func (s *Sandbox) Plan(opts PlanOptions) (Response, error) {
	if err := s.check("plan", opts.Port); err != nil {
		return nil, err
	}
	return &plan{s, opts}, nil
}

// plan is the decision.
type plan struct {
	sandbox *Sandbox
	options PlanOptions
}

func (p *plan) send(req *Request) error {
	o := &p.options
	if o.Then == "" {
		o.Then = abi.PlanProxy
		if req.IsUpgrade() {
			o.Then = abi.PlanConnect
		}
	}
	text, err := json.Marshal(&abi.Plan{
		Sandbox: p.sandbox.ref, Files: o.Files, Process: o.Process, Ready: o.Ready,
		Then: o.Then, Port: o.Port, Policy: o.Policy, Timeout: o.Timeout, Fallback: o.Fallback,
	})
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "plan: %v", err)
	}
	return req.decide("plan", edge1.Plan(req.handle, text))
}
