package guest

import "edge/abi"

// Paths are absolute, or relative to /workspace, and belong to the sandbox.

// Mkdir makes a folder.
func (s *Sandbox) Mkdir(path string, opts ...MkdirOptions) error {
	in := last(opts)
	in.Path = path
	return do(s, abi.Mkdir, &in)
}

// DeleteFile deletes a file, or with Recursive a folder with all in it.
func (s *Sandbox) DeleteFile(path string, opts ...DeleteFileOptions) error {
	in := last(opts)
	in.Path = path
	return do(s, abi.DeleteFile, &in)
}

// RenameFile gives a file or folder another name, replacing a file of that name.
func (s *Sandbox) RenameFile(oldPath, newPath string) error {
	return do(s, abi.RenameFile, &abi.RenameFileRequest{OldPath: oldPath, NewPath: newPath})
}

// MoveFile moves a file or folder, also to another file system.
func (s *Sandbox) MoveFile(source, destination string) error {
	return do(s, abi.MoveFile, &abi.MoveFileRequest{SourcePath: source, DestinationPath: destination})
}

// Exists tells whether there is something at a path.
func (s *Sandbox) Exists(path string) (bool, error) {
	out, err := call(s, abi.Exists, &abi.PathRequest{Path: path})
	if err != nil {
		return false, err
	}
	return out.Exists, nil
}

// SetPermissions sets the permission bits, as "0755".
func (s *Sandbox) SetPermissions(path, mode string) error {
	return do(s, abi.SetPermissions, &abi.SetPermissionsRequest{Path: path, Mode: mode})
}

// ListFiles lists a folder, by name.
func (s *Sandbox) ListFiles(path string, opts ...ListFilesOptions) (*FileList, error) {
	in := last(opts)
	in.Path = path
	return call(s, abi.ListFiles, &in)
}

// SearchFiles finds files by name, and lines by what they hold.
func (s *Sandbox) SearchFiles(opts SearchFilesOptions) (*SearchResult, error) {
	return call(s, abi.SearchFiles, &opts)
}

// Checkout clones a Git repository with the git of the sandbox.
func (s *Sandbox) Checkout(url string, opts ...CheckoutOptions) (*CheckoutResult, error) {
	in := last(opts)
	in.URL = url
	return call(s, abi.Checkout, &in)
}

// GitCheckout is Checkout, as the seeds call it.
func (s *Sandbox) GitCheckout(url string, opts ...CheckoutOptions) (*CheckoutResult, error) {
	return s.Checkout(url, opts...)
}

// do carries out an operation that answers nothing.
func do[Req any](s *Sandbox, op *abi.Operation[Req, abi.Empty], in *Req) error {
	return tell(s, op, in)
}
