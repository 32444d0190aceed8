package initd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// kept are paths that stay where they are: without them nothing works any more.
var kept = []string{"/", abi.DefaultCwd, "/.edge"}

// checkKept refuses to take away what must stay, by whatever path it is named.
func checkKept(path string) error {
	names := []string{path}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		names = append(names, filepath.Join(dir, filepath.Base(path)))
	}
	for _, name := range names {
		if slices.Contains(kept, name) || strings.HasPrefix(name, "/.edge/") {
			return abi.Errorf(abi.CodeInvalidRequest, "%.200s is needed by the sandbox and stays where it is", path).
				WithSuggestion("name what is in it, or destroy the sandbox")
		}
	}
	return nil
}

// mkdir makes a folder.
func mkdir(_ context.Context, req *abi.MkdirRequest) (*abi.Empty, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	mode, err := parseMode(req.Mode, folderMode)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err == nil {
		if req.Recursive && st.IsDir() {
			return &abi.Empty{}, nil
		}
		return nil, fileExists(path)
	}
	if req.Recursive {
		if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
			return nil, fileError(path, err)
		}
	}
	err = os.Mkdir(path, os.FileMode(mode))
	switch {
	case req.Recursive && errors.Is(err, fs.ErrExist) && isFolder(path): // somebody else made it meanwhile
		return &abi.Empty{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, notFound(filepath.Dir(path)).WithSuggestion("make it with recursive")
	case err == nil:
		err = os.Chmod(path, os.FileMode(mode)) // whatever the umask
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	return &abi.Empty{}, nil
}

func isFolder(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// renameFile gives a file or folder another name.
func renameFile(_ context.Context, req *abi.RenameFileRequest) (*abi.Empty, error) {
	from, to, err := resolveBoth(req.OldPath, req.NewPath)
	if err != nil {
		return nil, err
	}
	if err := unix.Rename(from, to); err != nil { // os.Rename has errors of its own
		return nil, renameError(from, to, err)
	}
	return &abi.Empty{}, nil
}

// resolveBoth checks what is moved and where to. What is moved must be there.
func resolveBoth(oldPath, newPath string) (from, to string, err error) {
	if from, err = resolvePath(oldPath); err != nil {
		return "", "", err
	}
	if to, err = resolvePath(newPath); err != nil {
		return "", "", err
	}
	if err := checkKept(from); err != nil {
		return "", "", err
	}
	if _, err := os.Lstat(from); err != nil {
		return "", "", fileError(from, err)
	}
	return from, to, nil
}

// renameError says what of the two paths made a renaming fail. from was there.
func renameError(from, to string, err error) error {
	_, missing := os.Lstat(to)
	switch {
	case errors.Is(err, syscall.EINVAL):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s cannot be moved into itself, to %.200s", from, to)
	case errors.Is(err, syscall.ENOTDIR) && missing == nil:
		return abi.Errorf(abi.CodeNotDirectory, "%.200s is not a directory and cannot be replaced by one, %.200s", to, from)
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(from); err != nil {
			return fileError(from, err)
		}
		return notFound(filepath.Dir(to)).WithSuggestion("make it with mkdir, or use moveFile")
	case errors.Is(err, syscall.EXDEV), errors.Is(err, syscall.EBUSY),
		errors.Is(err, fs.ErrPermission) && unix.Access(filepath.Dir(from), unix.W_OK) != nil:
		return fileError(from, err)
	}
	return fileError(to, err)
}

// deleteFile deletes a file, or a folder with all in it.
func (s *server) deleteFile(ctx context.Context, req *abi.DeleteFileRequest) (*abi.Empty, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	if err := checkKept(path); err != nil {
		return nil, err
	}
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, fileError(path, err)
	case !st.IsDir():
		if err := syscall.Unlink(path); err != nil {
			return nil, fileError(path, err)
		}
		return &abi.Empty{}, nil
	case !req.Recursive:
		return nil, isDirectory(path).WithSuggestion("set recursive to delete it with all that is in it")
	}
	if err := s.walks.take(ctx); err != nil {
		return nil, err
	}
	defer s.walks.give()
	if err := removeTree(ctx, path); err != nil {
		return nil, err
	}
	return &abi.Empty{}, nil
}

// removeTree removes a folder with all that is in it. What cannot be removed ends
// it, with the rest left.
func removeTree(ctx context.Context, path string) error {
	parent, err := openFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	r := &removal{ctx: ctx}
	err = r.folder(parent, filepath.Base(path), 0)
	var e *abi.Error
	switch {
	case err == nil || isGone(err): // somebody else was faster
		return nil
	case ctx.Err() != nil:
		return lateError(ctx, "the deletion", path, "delete again: it goes on where it was")
	case errors.As(err, &e):
		return e.WithStarted(abi.StartedYes)
	}
	return err
}

// removal is one removing of a folder.
type removal struct {
	ctx context.Context
	top *folder
}

// folder removes a folder that is an entry of another. One that is too deep
// becomes one of the top folder's, which is looked through until it is empty.
func (r *removal) folder(in *folder, name string, depth int) error {
	if depth > maxDepth {
		return unix.Renameat(in.fd(), name, r.top.fd(), tempName(false))
	}
	f, err := in.sub(name)
	if err != nil {
		return fileError(in.abs(name), err)
	}
	defer f.Close()
	if depth == 0 {
		r.top = f
	}
	for {
		if err := r.content(f, depth); err != nil {
			return err
		}
		err := unix.Unlinkat(in.fd(), name, unix.AT_REMOVEDIR)
		if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) { // else more came
			if err != nil {
				return fileError(in.abs(name), err)
			}
			return nil
		}
	}
}

// content removes what is in a folder.
func (r *removal) content(f *folder, depth int) error {
	for removed := 1; removed > 0; {
		removed = 0
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		for {
			some, err := f.ReadDir(1024)
			for _, e := range some {
				err := r.entry(f, e, depth)
				switch {
				case err == nil:
					removed++
				case !isGone(err):
					return err
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return fileError(f.Name(), err)
			}
		}
	}
	return nil
}

func (r *removal) entry(in *folder, e fs.DirEntry, depth int) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if e.IsDir() {
		return r.folder(in, e.Name(), depth+1)
	}
	if err := unix.Unlinkat(in.fd(), e.Name(), 0); err != nil {
		return fileError(in.abs(e.Name()), err)
	}
	return nil
}

// setPermissions sets permission bits. A link is followed where the path names
// it, and left alone below that.
func (s *server) setPermissions(ctx context.Context, req *abi.SetPermissionsRequest) (*abi.Empty, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	mode, err := parseMode(req.Mode, -1)
	if err != nil {
		return nil, err
	}
	if mode < 0 {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "mode is empty")
	}
	if req.Recursive && isFolder(path) {
		if err := s.walks.take(ctx); err != nil {
			return nil, err
		}
		defer s.walks.give()
		if err := chmodTree(ctx, path, uint32(mode)); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(path, os.FileMode(mode)); err != nil {
		return nil, fileError(path, err)
	}
	return &abi.Empty{}, nil
}

// chmodTree sets the bits of all that is in a folder. A folder gets its own after
// what is in it, because without its old ones nobody may come in; one that
// nobody could come into gets them first.
func chmodTree(ctx context.Context, path string, mode uint32) error {
	top, err := openFolder(path)
	if errors.Is(err, abi.CodePermissionDenied.Err()) && os.Chmod(path, os.FileMode(mode)) == nil {
		top, err = openFolder(path)
	}
	if err != nil {
		return err
	}
	defer top.Close()
	err = chmodFolder(ctx, top, mode, 1)
	if ctx.Err() != nil {
		return lateError(ctx, "the setting of permissions", path, "set them again, folder by folder")
	}
	var e *abi.Error
	if errors.As(err, &e) {
		return e.WithStarted(abi.StartedYes)
	}
	return err
}

func chmodFolder(ctx context.Context, f *folder, mode uint32, depth int) error {
	if depth > maxDepth {
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is more than %d folders deep", f.Name(), maxDepth)
	}
	for last := ""; ; {
		entries, more, err := f.next(ctx, last, minBatch)
		if err != nil {
			return fileError(f.Name(), err)
		}
		for _, e := range entries {
			if err := chmodEntry(ctx, f, e, mode, depth); err != nil && !isGone(err) {
				return err
			}
		}
		if !more {
			return nil
		}
		last = entries[len(entries)-1].name
	}
}

func chmodEntry(ctx context.Context, in *folder, e entry, mode uint32, depth int) error {
	if e.kind&fs.ModeSymlink != 0 {
		return nil
	}
	if e.kind.IsDir() {
		sub, err := in.sub(e.name)
		if errors.Is(err, fs.ErrPermission) && in.chmod(e.name, mode) == nil {
			sub, err = in.sub(e.name)
		}
		if err != nil {
			return fileError(in.abs(e.name), err)
		}
		err = chmodFolder(ctx, sub, mode, depth+1)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return in.chmod(e.name, mode)
}

// chmod sets an entry's bits; a link is left alone. chmod(2) follows links, so
// that the entry is held by a descriptor that is no way to read it.
func (f *folder) chmod(name string, mode uint32) error {
	fd, err := openAt(f.fd(), name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return fileError(f.abs(name), err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fileError(f.abs(name), err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode); err != nil {
		return fileError(f.abs(name), err)
	}
	return nil
}
