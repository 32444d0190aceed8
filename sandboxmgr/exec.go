package sandboxmgr

import (
	"context"

	"edge/abi"
)

// Exec runs a command to its end. Its timeout, by default the binding's, is
// kept by the host whatever the sandbox does.
func (s *Sandbox) Exec(ctx context.Context, req *abi.ExecRequest) (*abi.ExecResponse, error) {
	op := abi.Exec.Name()
	own := *req
	own.Timeout = abi.Duration(req.Timeout.Or(s.binding.ExecTimeout))
	if err := checkExec(&own); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.ExecResponse](ctx, s, op, own.Timeout.D()+slack, &own)
}
