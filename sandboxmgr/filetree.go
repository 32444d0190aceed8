package sandboxmgr

import (
	"context"

	"edge/abi"
)

// Mkdir makes a folder.
func (s *Sandbox) Mkdir(ctx context.Context, req *abi.MkdirRequest) (*abi.Empty, error) {
	return onPaths[abi.Empty](ctx, s, abi.Mkdir.Name(), req, checkPath(req.Path), checkMode(req.Mode))
}

// DeleteFile deletes a file, or a folder with all in it.
func (s *Sandbox) DeleteFile(ctx context.Context, req *abi.DeleteFileRequest) (*abi.Empty, error) {
	return onPaths[abi.Empty](ctx, s, abi.DeleteFile.Name(), req, checkPath(req.Path))
}

// RenameFile gives a file or folder another name.
func (s *Sandbox) RenameFile(ctx context.Context, req *abi.RenameFileRequest) (*abi.Empty, error) {
	return onPaths[abi.Empty](ctx, s, abi.RenameFile.Name(), req, checkNamed("oldPath", req.OldPath), checkNamed("newPath", req.NewPath))
}

// MoveFile moves a file or folder.
func (s *Sandbox) MoveFile(ctx context.Context, req *abi.MoveFileRequest) (*abi.Empty, error) {
	return onPaths[abi.Empty](ctx, s, abi.MoveFile.Name(), req,
		checkNamed("sourcePath", req.SourcePath), checkNamed("destinationPath", req.DestinationPath))
}

// Exists tells what is at a path.
func (s *Sandbox) Exists(ctx context.Context, req *abi.PathRequest) (*abi.ExistsResponse, error) {
	return onPaths[abi.ExistsResponse](ctx, s, abi.Exists.Name(), req, checkPath(req.Path))
}

// SetPermissions sets permission bits.
func (s *Sandbox) SetPermissions(ctx context.Context, req *abi.SetPermissionsRequest) (*abi.Empty, error) {
	var missing error
	if req.Mode == "" {
		missing = invalid("mode is empty")
	}
	return onPaths[abi.Empty](ctx, s, abi.SetPermissions.Name(), req, missing, checkPath(req.Path), checkMode(req.Mode))
}

// ListFiles lists a folder.
func (s *Sandbox) ListFiles(ctx context.Context, req *abi.ListFilesRequest) (*abi.ListFilesResponse, error) {
	return onPaths[abi.ListFilesResponse](ctx, s, abi.ListFiles.Name(), req,
		checkPath(req.Path), checkLimit(req.Limit, abi.MaxListLimit))
}

// SearchFiles finds files and lines.
func (s *Sandbox) SearchFiles(ctx context.Context, req *abi.SearchFilesRequest) (*abi.SearchFilesResponse, error) {
	var missing error
	if req.Glob == "" && req.Text == "" {
		missing = invalid("neither glob nor text is given")
	}
	return onPaths[abi.SearchFilesResponse](ctx, s, abi.SearchFiles.Name(), req, missing,
		checkText("path", req.Path, abi.MaxPathBytes), checkText("glob", req.Glob, maxPattern),
		checkText("text", req.Text, maxPattern), checkLimit(req.Limit, abi.MaxSearchLimit))
}

// Watch tells what changes in a folder.
func (s *Sandbox) Watch(ctx context.Context, req *abi.WatchRequest) (abi.Socket, error) {
	op := abi.Watch.Name()
	if err := firstError(checkPath(req.Path), checkGlobs("include", req.Include), checkGlobs("exclude", req.Exclude)); err != nil {
		return nil, s.fail(op, err)
	}
	return s.stream(ctx, op, req)
}

// ReadFileStream reads a file of any size.
func (s *Sandbox) ReadFileStream(ctx context.Context, req *abi.ReadFileStreamRequest) (abi.Socket, error) {
	op := abi.ReadFileStream.Name()
	if req.Offset < 0 || req.Length < 0 {
		return nil, s.fail(op, invalid("offset is %d and length %d; want 0 or more", req.Offset, req.Length))
	}
	if err := checkPath(req.Path); err != nil {
		return nil, s.fail(op, err)
	}
	return s.stream(ctx, op, req)
}

// WriteFileStream writes a file of any size.
func (s *Sandbox) WriteFileStream(ctx context.Context, req *abi.WriteFileStreamRequest) (abi.Socket, error) {
	op := abi.WriteFileStream.Name()
	if err := firstError(checkPath(req.Path), checkMode(req.Mode)); err != nil {
		return nil, s.fail(op, err)
	}
	return s.stream(ctx, op, req)
}

// Checkout clones a Git repository.
func (s *Sandbox) Checkout(ctx context.Context, req *abi.CheckoutRequest) (*abi.CheckoutResponse, error) {
	op := abi.Checkout.Name()
	own := *req
	own.Timeout = abi.Duration(req.Timeout.Or(s.binding().ExecTimeout))
	if err := checkCheckout(&own); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.CheckoutResponse](ctx, s, op, own.Timeout.D()+slack, &own)
}

// onPaths carries out a call on files unless one of the checks failed.
func onPaths[Resp any](ctx context.Context, s *Sandbox, op string, req any, checks ...error) (*Resp, error) {
	if err := firstError(checks...); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[Resp](ctx, s, op, fileTimeout, req)
}
