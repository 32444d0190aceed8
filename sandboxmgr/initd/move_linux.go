package initd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// moveFile moves a file or folder: by renaming it, or from one file system to
// another by copying it beside its new place, renaming the copy and removing the
// original. Nobody sees a part of it in the new place.
func (s *server) moveFile(ctx context.Context, req *abi.MoveFileRequest) (*abi.Empty, error) {
	from, to, err := resolveBoth(req.SourcePath, req.DestinationPath)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(req.DestinationPath, "/") || isFolder(to) {
		to = filepath.Join(to, filepath.Base(from))
	}
	if strings.HasPrefix(to, from+"/") { // before folders are made for it
		return nil, renameError(from, to, syscall.EINVAL)
	}
	if err := os.MkdirAll(filepath.Dir(to), folderMode); err != nil {
		return nil, fileError(filepath.Dir(to), err)
	}
	err = unix.Rename(from, to)
	switch {
	case errors.Is(err, syscall.EXDEV):
		err = s.moveAcross(ctx, from, to)
	case err != nil:
		err = renameError(from, to, err)
	}
	if err != nil {
		return nil, err
	}
	return &abi.Empty{}, nil
}

// moveAcross moves from one file system to another.
func (s *server) moveAcross(ctx context.Context, from, to string) error {
	if err := s.walks.take(ctx); err != nil {
		return err
	}
	defer s.walks.give()
	if err := checkReplaced(from, to); err != nil {
		return err
	}
	source, err := openFolder(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := openFolder(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer target.Close()
	_, missing := os.Lstat(to)
	temp := tempName(missing == nil)
	c := &copying{ctx: ctx}
	err = c.entry(source, filepath.Base(from), target, temp, 0)
	if err == nil {
		if err = unix.Renameat(target.fd(), temp, target.fd(), filepath.Base(to)); err != nil {
			err = renameError(from, to, err)
		}
	}
	if err != nil {
		discardTree(target.abs(temp))
		if ctx.Err() != nil {
			return lateError(ctx, "the move", from, "move it in parts: it is copied to another file system")
		}
		return err
	}
	if err := removeMoved(ctx, from); err != nil {
		return abi.Errorf(abi.CodePermissionDenied, "%.200s was copied to %.200s, but could not all be deleted", from, to).
			WithStarted(abi.StartedYes).WithSuggestion("delete what is left of it")
	}
	return nil
}

// checkReplaced refuses before the copying what the renaming would refuse after
// it.
func checkReplaced(from, to string) error {
	source, err := os.Lstat(from)
	if err != nil {
		return fileError(from, err)
	}
	target, err := os.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fileError(to, err)
	case target.IsDir() && !source.IsDir():
		return isDirectory(to)
	case source.IsDir() && !target.IsDir():
		return renameError(from, to, syscall.ENOTDIR)
	}
	return nil
}

// removeMoved removes what was copied.
func removeMoved(ctx context.Context, path string) error {
	if err := syscall.Unlink(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return removeTree(ctx, path)
}

// discardTree removes an unfinished copy, as far as that is possible; the
// caller's context has ended, perhaps.
func discardTree(path string) { _ = os.RemoveAll(path) }

// copying copies a file or folder with modes, owners, times and links.
type copying struct{ ctx context.Context }

// entry copies the entry name of a folder to another folder, where it gets
// another name.
func (c *copying) entry(in *folder, name string, to *folder, as string, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	st, err := in.lstat(name)
	if err != nil {
		return fileError(in.abs(name), err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = c.folder(in, name, to, as, depth)
	case unix.S_IFLNK:
		err = copyLink(in, name, to, as)
	case unix.S_IFREG:
		err = c.file(in, name, to, as)
	default:
		err = mknod(to, as, st)
	}
	if err != nil {
		return err
	}
	return keepAttributes(to, as, st)
}

func (c *copying) folder(in *folder, name string, to *folder, as string, depth int) error {
	if depth == maxDepth {
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is more than %d folders deep", in.abs(name), maxDepth)
	}
	source, err := in.sub(name)
	if err != nil {
		return fileError(in.abs(name), err)
	}
	defer source.Close()
	if err := unix.Mkdirat(to.fd(), as, 0o700); err != nil {
		return fileError(to.abs(as), err)
	}
	target, err := to.sub(as)
	if err != nil {
		return fileError(to.abs(as), err)
	}
	defer target.Close()
	for {
		some, err := source.ReadDir(1024)
		for _, e := range some {
			if err := c.entry(source, e.Name(), target, e.Name(), depth+1); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fileError(source.Name(), err)
		}
	}
}

// file copies a regular file's content, and its holes as holes.
func (c *copying) file(in *folder, name string, to *folder, as string) error {
	fd, err := openAt(in.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return fileError(in.abs(name), err)
	}
	source := os.NewFile(uintptr(fd), in.abs(name))
	defer source.Close()
	fd, err = unix.Openat(to.fd(), as, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fileError(to.abs(as), err)
	}
	target := os.NewFile(uintptr(fd), to.abs(as))
	defer target.Close()
	if err := c.content(source, target); err != nil {
		if c.ctx.Err() != nil {
			return err
		}
		return fileError(to.abs(as), err)
	}
	return nil
}

// copyPiece is what is copied between two looks at the context.
const copyPiece = 16 << 20

func (c *copying) content(source, target *os.File) error {
	for at := int64(0); ; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		begin, end, err := nextData(source, at)
		if err != nil {
			return err
		}
		if begin == end {
			return target.Truncate(begin)
		}
		if _, err := target.Seek(begin, io.SeekStart); err != nil {
			return err
		}
		n, err := io.CopyN(target, source, min(end-begin, copyPiece))
		if err == io.EOF { // cut meanwhile
			return target.Truncate(begin + n)
		}
		if err != nil {
			return err
		}
		at = begin + n
	}
}

// nextData finds the next bytes at or after an offset that are no hole, and sets
// the file to where they begin. At the end both are the file's size.
func nextData(f *os.File, at int64) (begin, end int64, err error) {
	fd := int(f.Fd())
	begin, err = unix.Seek(fd, at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // only a hole follows
		size, err := unix.Seek(fd, 0, unix.SEEK_END)
		return max(at, size), max(at, size), err
	}
	if err != nil {
		return 0, 0, err
	}
	if end, err = unix.Seek(fd, begin, unix.SEEK_HOLE); err != nil {
		return 0, 0, err
	}
	_, err = unix.Seek(fd, begin, unix.SEEK_SET)
	return begin, end, err
}

func copyLink(in *folder, name string, to *folder, as string) error {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(in.fd(), name, b)
	if err != nil {
		return fileError(in.abs(name), err)
	}
	if err := unix.Symlinkat(string(b[:n]), to.fd(), as); err != nil {
		return fileError(to.abs(as), err)
	}
	return nil
}

// mknod makes a pipe, a socket's name or a device.
func mknod(to *folder, as string, st *unix.Stat_t) error {
	if err := unix.Mknodat(to.fd(), as, st.Mode&unix.S_IFMT|0o600, int(st.Rdev)); err != nil {
		return fileError(to.abs(as), err)
	}
	return nil
}

// keepAttributes gives a copy the owner, mode and times of the original. The
// owner comes first: changing it takes the bits for running as the owner away;
// who may not change it becomes the owner, as with mv.
func keepAttributes(to *folder, as string, st *unix.Stat_t) error {
	_ = unix.Fchownat(to.fd(), as, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := to.chmod(as, st.Mode&0o7777); err != nil {
			return err
		}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(to.fd(), as, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fileError(to.abs(as), err)
	}
	return nil
}
