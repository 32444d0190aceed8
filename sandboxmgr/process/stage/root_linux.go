package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// newRoot is where the stage puts the machine's files together, in its own
// mount namespace, before they become "/". Any folder that every system has
// will do; what it held has been taken by then.
const newRoot = "/usr"

// madeFolder holds the files that are mounted over others.
const madeFolder = "/.edge/made"

func (k Kind) attributes() uint64 {
	switch k {
	case Writable:
		return unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	case Device:
		return unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	default:
		return unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_RDONLY
	}
}

// Detach returns a descriptor of a copy of what is mounted at path and below
// it, attached nowhere yet. The caller closes it.
func Detach(path string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	return fd, nil
}

// attach mounts the detached copy at the target below newRoot.
func (m *Mount) attach() error {
	target := newRoot + m.Target
	if err := makeTarget(target, m.Folder); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: m.Kind.attributes(), Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(m.FD, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mount_setattr %s: %w", m.Source, err)
	}
	if err := unix.MoveMount(m.FD, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount %s: %w", m.Source, err)
	}
	return unix.Close(m.FD)
}

// makeTarget makes the folder or the empty file that is mounted over. All that
// is on the way is the stage's own: no host folder has been mounted there yet.
func makeTarget(path string, folder bool) error {
	if folder {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}

// makeRoot builds the machine's files and makes them "/".
func makeRoot(o *Order) error {
	// Nothing that is mounted from here on is seen by anybody else.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for i := range o.Mounts {
		if m := &o.Mounts[i]; m.FD == 0 {
			fd, err := Detach(m.Source)
			if err != nil {
				return err
			}
			m.FD = fd
		}
	}
	if err := unix.Mount("tmpfs", newRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=16m,mode=755"); err != nil {
		return fmt.Errorf("mount root: %w", err)
	}
	if err := makeFiles(o); err != nil {
		return err
	}
	if err := makeFileSystems(o); err != nil {
		return err
	}
	for i := range o.Mounts {
		if err := o.Mounts[i].attach(); err != nil {
			return err
		}
	}
	for path, content := range o.Over {
		if err := cover(path, content); err != nil {
			return err
		}
	}
	return pivot()
}

func makeFiles(o *Order) error {
	for _, path := range o.Folders {
		if err := os.MkdirAll(newRoot+path, 0o755); err != nil {
			return err
		}
	}
	for path, content := range o.Files {
		if err := os.MkdirAll(newRoot+filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(newRoot+path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for path, target := range o.Links {
		if err := os.MkdirAll(newRoot+filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, newRoot+path); err != nil {
			return err
		}
	}
	return nil
}

func makeFileSystems(o *Order) error {
	const plain = unix.MS_NOSUID | unix.MS_NODEV
	shm := uintptr(plain)
	if o.Preset == PresetStrict {
		shm |= unix.MS_NOEXEC
	}
	for _, m := range []struct {
		target, kind string
		flags        uintptr
		options      string
	}{
		{"/tmp", "tmpfs", plain, fmt.Sprintf("size=%d,mode=1777", o.TmpBytes)},
		{"/proc", "proc", plain | unix.MS_NOEXEC, ""},
		{"/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"},
		{"/dev/shm", "tmpfs", shm, fmt.Sprintf("size=%d,mode=1777", o.ShmBytes)},
	} {
		if err := os.MkdirAll(newRoot+m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, newRoot+m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// cover mounts a made file over the one at path in the new root, which is in a
// folder of the host: it is found without leaving the root and without
// following any link, and left alone if it is not there so.
func cover(path, content string) error {
	made := newRoot + madeFolder + path
	if err := makeTarget(made, false); err != nil {
		return err
	}
	if err := os.WriteFile(made, []byte(content), 0o644); err != nil {
		return err
	}
	root, err := unix.Open(newRoot, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: newRoot, Err: err}
	}
	defer unix.Close(root)
	target, err := unix.Openat2(root, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil
	}
	defer unix.Close(target)
	var st unix.Stat_t
	if err := unix.Fstat(target, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	source, err := Detach(made)
	if err != nil {
		return err
	}
	defer unix.Close(source)
	if err := unix.MountSetattr(source, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: ReadOnly.attributes()}); err != nil {
		return fmt.Errorf("mount_setattr %s: %w", path, err)
	}
	err = unix.MoveMount(source, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("move_mount %s: %w", path, err)
	}
	return nil
}

// pivot makes newRoot "/" and lets go of the host's.
func pivot() error {
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	// With both names the same the old root ends up on top of the new one.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the host's files: %w", err)
	}
	return os.Chdir("/")
}

// sealRoot makes read-only what the stage needed to write, hides what is the
// host's in /proc, and goes to the workspace.
func sealRoot(o *Order) error {
	if o.Preset != PresetTrusted {
		// No user namespaces in here: they are where most kernel holes are reached.
		_ = os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
	}
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"} {
		if err := bind(path, path, unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	for _, path := range []string{
		"/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug", "/proc/interrupts",
	} {
		if err := bind("/dev/null", path, 0); err != nil {
			return err
		}
	}
	attr := unix.MountAttr{Attr_set: ReadOnly.attributes()}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr); err != nil {
		return fmt.Errorf("make root read-only: %w", err)
	}
	if o.Probe {
		return nil
	}
	return os.Chdir(WorkspaceTarget)
}

// bind mounts source over target with more attributes, where target exists.
func bind(source, target string, attributes uint64) error {
	if _, err := os.Lstat(target); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	if attributes == 0 {
		return nil
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes}); err != nil {
		return fmt.Errorf("mount_setattr %s: %w", target, err)
	}
	return nil
}
