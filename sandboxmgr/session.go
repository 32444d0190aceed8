package sandboxmgr

import (
	"context"

	"edge/abi"
)

// CreateSession makes a session.
func (s *Sandbox) CreateSession(ctx context.Context, req *abi.CreateSessionRequest) (*abi.Session, error) {
	op := abi.CreateSession.Name()
	var id error
	if req.ID != "" {
		id = checkSessionID(req.ID)
	}
	if err := firstError(id, checkDir(req.Cwd), checkEnv(req.Env)); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.Session](ctx, s, op, quickTimeout, req)
}

// GetSession tells a session's working directory and variables.
func (s *Sandbox) GetSession(ctx context.Context, req *abi.SessionRequest) (*abi.Session, error) {
	op := abi.GetSession.Name()
	if err := checkSessionID(req.ID); err != nil {
		return nil, s.fail(op, err)
	}
	return carryInside[abi.Session](ctx, s, op, errNoSession(req.ID), quickTimeout, req)
}

// DeleteSession forgets a session and kills what was started through it.
func (s *Sandbox) DeleteSession(ctx context.Context, req *abi.SessionRequest) (*abi.Empty, error) {
	op := abi.DeleteSession.Name()
	if err := checkSessionID(req.ID); err != nil {
		return nil, s.fail(op, err)
	}
	return carryInside[abi.Empty](ctx, s, op, errNoSession(req.ID), quickTimeout, req)
}
