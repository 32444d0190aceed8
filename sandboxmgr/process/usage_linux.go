package process

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Bounds of counting what a machine wrote: whoever asks gets an answer soon,
// however many files there are and however deep.
const (
	maxCounted = 200_000
	maxDepth   = 64
)

// errManyFiles: there is more than was counted.
var errManyFiles = errors.New("too many files to count")

// usage is what a folder takes of the disk.
type usage struct {
	bytes   int64
	entries int
}

// diskUsage counts what is in folder. What is in there may change meanwhile, and
// is changed by who is not trusted: folders are opened one below the other, never
// by a path, no link is followed, and nothing but folders is opened. What has
// several names counts for each.
func diskUsage(ctx context.Context, folder string) (usage, error) {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return usage{}, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	var u usage
	err = u.add(ctx, os.NewFile(uintptr(fd), folder), maxDepth)
	return u, err
}

// add counts what is in dir, which it closes. What cannot be looked into or has
// gone is passed over.
func (u *usage) add(ctx context.Context, dir *os.File, depth int) error {
	defer dir.Close()
	for {
		// Names alone: for more the package os would make paths of them.
		names, err := dir.Readdirnames(512)
		if err != nil || ctx.Err() != nil {
			return ctx.Err()
		}
		for _, name := range names {
			if u.entries >= maxCounted {
				return errManyFiles
			}
			if err := u.addEntry(ctx, int(dir.Fd()), name, depth); err != nil {
				return err
			}
		}
	}
}

func (u *usage) addEntry(ctx context.Context, dir int, name string, depth int) error {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil
	}
	u.entries++
	u.bytes += st.Blocks * 512
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	if depth == 0 {
		return errManyFiles
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return u.add(ctx, os.NewFile(uintptr(fd), name), depth-1)
}
