package sandboxmgr

import (
	"context"

	"edge/abi"
)

// WriteFile writes a file; a reader sees the old content or the new.
func (s *Sandbox) WriteFile(ctx context.Context, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
	op := abi.WriteFile.Name()
	if err := checkWriteFile(req); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.WriteFileResponse](ctx, s, op, fileTimeout, req)
}

// ReadFile reads a whole file of at most 32 MiB.
func (s *Sandbox) ReadFile(ctx context.Context, req *abi.ReadFileRequest) (*abi.ReadFileResponse, error) {
	op := abi.ReadFile.Name()
	if err := checkReadFile(req); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.ReadFileResponse](ctx, s, op, fileTimeout, req)
}
