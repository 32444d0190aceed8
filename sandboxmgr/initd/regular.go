package initd

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// regular is a regular file that is read. Where reading it would wait for
// somebody to write, as with some files of the kernel, it ends.
type regular struct {
	*os.File
	info os.FileInfo
	conn syscall.RawConn
}

// openRegular opens a file that is nothing else: no device is touched, and nobody
// waits for the other end of a pipe.
func openRegular(path string) (*regular, error) {
	st, err := os.Stat(path)
	if err == nil {
		err = checkRegular(path, st)
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(path, err)
	}
	return asRegular(path, f)
}

// asRegular takes over an open file, which it closes if it is something else.
func asRegular(path string, f *os.File) (*regular, error) {
	r := &regular{File: f}
	var err error
	if r.info, err = f.Stat(); err == nil {
		if err = checkRegular(path, r.info); err == nil {
			r.conn, err = f.SyscallConn()
		}
	}
	if err != nil {
		f.Close()
		return nil, fileError(path, err)
	}
	return r, nil
}

func checkRegular(path string, st os.FileInfo) error {
	switch {
	case st.IsDir():
		return isDirectory(path)
	case !st.Mode().IsRegular():
		return notRegular(path)
	}
	return nil
}

// Read is io.Reader's.
func (r *regular) Read(p []byte) (n int, err error) {
	waitErr := r.conn.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), p)
		for err == syscall.EINTR {
			n, err = syscall.Read(int(fd), p)
		}
		return true
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case n == 0 && err == nil && len(p) > 0, errors.Is(err, syscall.EAGAIN):
		return 0, io.EOF
	case err != nil:
		return 0, err
	}
	return n, nil
}
