package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// UnfitError is a file that is not read: it is not a regular one, or too large.
type UnfitError struct{ why string }

// Error says what is wrong with the file, in one line.
func (e *UnfitError) Error() string { return e.why }

// ReadFile reads a whole file of at most most bytes. It never waits for one that
// is no file, such as a named pipe: whoever looks after all plugins would wait with
// it. The error is an *UnfitError, or the system's.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, &UnfitError{path + " is not a regular file"}
	}
	var content bytes.Buffer
	content.Grow(int(min(st.Size(), most)) + bytes.MinRead) // room for the read that finds the end
	if _, err := content.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(content.Len()) > most {
		return nil, &UnfitError{fmt.Sprintf("it is larger than %d bytes", most)}
	}
	return content.Bytes(), nil
}

// temporary begins the name of a file that is being written.
const temporary = ".new-"

// replaceFile writes a file so that a crash leaves the old content or the new.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(dir)
}

// syncFolder has a renamed file's name survive a crash.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeFile removes a file that may not be there.
func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
