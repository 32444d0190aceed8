package initd

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"edge/abi"
)

// fileError says which of the known reasons err is. What it does not know stays
// internal.
func fileError(path string, err error) error {
	var known *abi.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, syscall.ENOTDIR):
		return abi.Errorf(abi.CodeNotDirectory, "a part of %.200s is not a directory", path)
	case errors.Is(err, syscall.EISDIR):
		return isDirectory(path)
	case errors.Is(err, syscall.ENOTEMPTY): // before ErrExist, which it is too
		return abi.Errorf(abi.CodeFileExists, "the directory %.200s already exists and is not empty", path).
			WithSuggestion("delete it first, or use another path")
	case errors.Is(err, fs.ErrExist):
		return fileExists(path)
	case errors.Is(err, fs.ErrNotExist):
		return notFound(path)
	case errors.Is(err, syscall.EROFS):
		return abi.Errorf(abi.CodePermissionDenied, "%.200s is on a read-only file system", path).
			WithSuggestion("write below %s or /tmp", abi.DefaultCwd)
	case errors.Is(err, fs.ErrPermission):
		return abi.Errorf(abi.CodePermissionDenied, "%.200s: permission denied to the user of the sandbox", path).
			WithSuggestion("see its owner and mode with listFiles or exec \"ls -l\"")
	}
	return impossible(path, err)
}

// impossible is fileError for what no permission and no other file would mend.
func impossible(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENAMETOOLONG):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is too long: a name has at most 255 bytes, an absolute path %d", path, abi.MaxPathBytes-1)
	case errors.Is(err, syscall.ELOOP):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s leads through too many symlinks, or in a circle", path)
	case errors.Is(err, syscall.EBUSY):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is a mount point, or in use by the kernel", path)
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return notRegular(path)
	case errors.Is(err, syscall.EXDEV):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is on another file system than its new name, or comes with the image", path).
			WithSuggestion("use moveFile")
	case errors.Is(err, syscall.EFBIG):
		return abi.Errorf(abi.CodeQuotaExceeded, "%.200s would be larger than a file may be in the sandbox", path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return abi.Errorf(abi.CodeQuotaExceeded, "no space is left in the sandbox for %.200s", path).
			WithSuggestion("delete something, or raise the binding's disk or memory")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return abi.Errorf(abi.CodeQuotaExceeded, "the sandbox has too many open files for %.200s", path).
			WithSuggestion("try again when less is going on")
	}
	return fmt.Errorf("file %.200q: %w", path, err)
}

// isGone tells whether err, a system call's or fileError's, says that something is
// not there any more.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, abi.CodeFileNotFound.Err())
}

func notFound(path string) *abi.Error {
	return abi.Errorf(abi.CodeFileNotFound, "%.200s does not exist", path)
}

func isDirectory(path string) *abi.Error {
	return abi.Errorf(abi.CodeIsDirectory, "%.200s is a directory", path)
}

func fileExists(path string) *abi.Error {
	return abi.Errorf(abi.CodeFileExists, "%.200s already exists", path).WithSuggestion("delete it first, or use another path")
}

func notRegular(path string) *abi.Error {
	return abi.Errorf(abi.CodeInvalidRequest, "%.200s is not a regular file but a device, a socket or a pipe", path).
		WithSuggestion("use exec")
}
