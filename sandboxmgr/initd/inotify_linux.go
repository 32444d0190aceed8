package initd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// What is asked of the kernel about a folder. A folder's own end counts for the
// topmost alone: of the others the folder above tells.
const (
	watchMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MODIFY | unix.IN_ATTRIB |
		unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	topMask = watchMask | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
)

// notifier is the kernel's queue of changes, inotify(7). The kernel bounds it: who
// reads too slowly is told of an overflow.
type notifier struct {
	file *os.File
	conn syscall.RawConn
}

// notice is one change as the kernel tells it.
type notice struct {
	wd     int
	mask   uint32
	cookie uint32 // joins the two halves of a move
	name   string // in the folder; empty for the folder itself
}

func (n notice) is(mask uint32) bool { return n.mask&mask != 0 }

func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if errors.Is(err, unix.EMFILE) {
		return nil, abi.Errorf(abi.CodeQuotaExceeded, "the sandbox's user has as many watches open as the kernel allows").
			WithSuggestion("close one, or raise the sysctl fs.inotify.max_user_instances of the machine")
	}
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	n := &notifier{file: os.NewFile(uintptr(fd), "inotify")}
	if n.conn, err = n.file.SyscallConn(); err != nil {
		n.file.Close()
		return nil, fmt.Errorf("inotify: %w", err)
	}
	return n, nil
}

// add watches an open folder and returns the watch's number, the same for the same
// folder.
func (n *notifier) add(f *folder, mask uint32) (wd int, err error) {
	path := "/proc/self/fd/" + strconv.Itoa(f.fd())
	if e := n.conn.Control(func(fd uintptr) { wd, err = unix.InotifyAddWatch(int(fd), path, mask) }); e != nil {
		return 0, e
	}
	switch {
	case errors.Is(err, unix.ENOSPC):
		return 0, abi.Errorf(abi.CodeQuotaExceeded, "the kernel allows no further folder to be watched, at %.200s", f.Name()).
			WithSuggestion("leave folders out by exclude, or raise the sysctl fs.inotify.max_user_watches of the machine")
	case err != nil:
		return 0, fileError(f.Name(), err)
	}
	return wd, nil
}

// remove ends a watch; one that has ended already is left alone.
func (n *notifier) remove(wd int) {
	_ = n.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
}

// read waits for changes, and calls drained when all those before were read. With
// patience it waits no longer than that, and returns none.
func (n *notifier) read(drained func(), patience time.Duration) ([]notice, error) {
	by := time.Time{}
	if patience > 0 {
		by = time.Now().Add(patience)
	}
	if err := n.file.SetReadDeadline(by); err != nil {
		return nil, err
	}
	var notices []notice
	var failed error
	err := n.conn.Read(func(fd uintptr) bool {
		b := pumpBuffers.Get().(*[]byte)
		defer pumpBuffers.Put(b)
		got, err := unix.Read(int(fd), *b)
		for err == unix.EINTR {
			got, err = unix.Read(int(fd), *b)
		}
		switch {
		case err == unix.EAGAIN:
			drained()
			return false
		case err != nil:
			failed = err
		default:
			notices = parseNotices((*b)[:got])
		}
		return true
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	return notices, errors.Join(err, failed)
}

// parseNotices reads what the kernel wrote: each a header of 16 bytes and a name
// that is padded with NULs.
func parseNotices(b []byte) []notice {
	var all []notice
	for len(b) >= unix.SizeofInotifyEvent {
		e := binary.NativeEndian
		size := int(e.Uint32(b[12:]))
		n := notice{wd: int(int32(e.Uint32(b))), mask: e.Uint32(b[4:]), cookie: e.Uint32(b[8:])}
		b = b[unix.SizeofInotifyEvent:]
		if size > len(b) {
			return all
		}
		n.name = strings.TrimRight(string(b[:size]), "\x00")
		b = b[size:]
		all = append(all, n)
	}
	return all
}

// closeOn closes the queue when ctx ends, which ends a read.
func (n *notifier) closeOn(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { n.file.Close() })
}
