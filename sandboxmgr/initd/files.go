package initd

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"edge/abi"
)

// The encodings of content.
const (
	encodingUTF8   = "utf8"
	encodingBase64 = "base64"
)

const (
	defaultMode = 0o644
	folderMode  = 0o755
)

// resolvePath returns path made absolute, relative ones under /workspace.
func resolvePath(path string) (string, error) {
	switch {
	case path == "":
		return "", abi.Errorf(abi.CodeInvalidRequest, "the path is empty")
	case len(path) > abi.MaxPathBytes:
		return "", abi.Errorf(abi.CodeInvalidRequest, "the path is %d bytes long, at most %d are allowed", len(path), abi.MaxPathBytes)
	case strings.IndexByte(path, 0) >= 0:
		return "", abi.Errorf(abi.CodeInvalidRequest, "the path %.200q holds a NUL byte", path)
	case !filepath.IsAbs(path):
		path = abi.DefaultCwd + "/" + path
	}
	return filepath.Clean(path), nil
}

func checkEncoding(encoding string) error {
	switch encoding {
	case "", encodingUTF8, encodingBase64:
		return nil
	}
	return abi.Errorf(abi.CodeInvalidRequest, "encoding %.40q: want \"utf8\" or \"base64\"", encoding)
}

// encode returns content in the encoding.
func encode(content []byte, encoding string) string {
	if encoding == encodingBase64 {
		return base64.StdEncoding.EncodeToString(content)
	}
	return string(content)
}

// readFile reads a whole regular file. It never waits for one that is not, such
// as a named pipe.
func readFile(req *abi.ReadFileRequest) (*abi.ReadFileResponse, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	if err := checkEncoding(req.Encoding); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fileError(path, err)
	case st.IsDir():
		return nil, abi.Errorf(abi.CodeIsDirectory, "%.200s is a directory", path)
	case !st.Mode().IsRegular():
		return nil, abi.Errorf(abi.CodeInvalidRequest, "%.200s is not a regular file", path)
	case st.Size() > abi.MaxFileResponse:
		return nil, tooLarge(path, st.Size())
	}
	// Not Stat's size alone: files of /proc say 0, others grow.
	b, err := io.ReadAll(io.LimitReader(f, abi.MaxFileResponse+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(b) > abi.MaxFileResponse {
		return nil, tooLarge(path, int64(len(b)))
	}
	resp := &abi.ReadFileResponse{Encoding: req.Encoding, IsBinary: !utf8.Valid(b), Size: int64(len(b))}
	if resp.Encoding == "" {
		resp.Encoding = encodingUTF8
		if resp.IsBinary {
			resp.Encoding = encodingBase64
		}
	}
	resp.Content = encode(b, resp.Encoding)
	return resp, nil
}

// writeFile writes a file beside its place and moves it there.
func writeFile(req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(req.Path, "/") || path == "/" {
		return nil, abi.Errorf(abi.CodeIsDirectory, "%.200q names a directory", req.Path)
	}
	content, err := decodeContent(req.Content, req.Encoding)
	if err != nil {
		return nil, err
	}
	mode, err := parseMode(req.Mode)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, fileError(path, err)
	}
	target, mode, err := destination(path, mode)
	if err != nil {
		return nil, err
	}
	if err := replaceFile(target, content, mode); err != nil {
		return nil, fileError(path, err)
	}
	return &abi.WriteFileResponse{Path: path, Size: int64(len(content))}, nil
}

func decodeContent(content, encoding string) ([]byte, error) {
	if err := checkEncoding(encoding); err != nil {
		return nil, err
	}
	b := []byte(content)
	if encoding == encodingBase64 {
		var err error
		if b, err = base64.StdEncoding.DecodeString(content); err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "content is not base64: %v", err)
		}
	}
	if len(b) > abi.MaxFileResponse {
		return nil, abi.Errorf(abi.CodeFileTooLarge, "content is %d bytes long, at most %d can be written at once", len(b), abi.MaxFileResponse)
	}
	return b, nil
}

// parseMode reads permission bits as an octal string; -1 for none given.
func parseMode(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "mode %.40q: want an octal number up to \"0777\"", s)
	}
	return int(n), nil
}

// destination returns the file that a write to path replaces, links followed,
// and its mode: that of the request, else the one it has, else 0644.
func destination(path string, mode int) (string, int, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if mode < 0 {
			mode = defaultMode
		}
	case err != nil:
		return "", 0, fileError(path, err)
	case st.IsDir():
		return "", 0, abi.Errorf(abi.CodeIsDirectory, "%.200s is a directory", path)
	case !st.Mode().IsRegular():
		return "", 0, abi.Errorf(abi.CodeInvalidRequest, "%.200s is not a regular file", path)
	case mode < 0:
		mode = int(st.Mode().Perm())
	}
	return path, mode, nil
}

// replaceFile makes path a file with the content; nobody sees a part of it.
func replaceFile(path string, content []byte, mode int) error {
	temp := filepath.Join(filepath.Dir(path), ".edge-"+strconv.FormatUint(rand.Uint64(), 36))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(os.FileMode(mode)) // whatever the umask
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

func tooLarge(path string, size int64) error {
	return abi.Errorf(abi.CodeFileTooLarge, "%.200s is %d bytes long, at most %d can be answered at once", path, size, abi.MaxFileResponse)
}

// fileError says which of the known reasons err is.
func fileError(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return abi.Errorf(abi.CodeNotDirectory, "a part of %.200s is not a directory", path)
	case errors.Is(err, syscall.EISDIR):
		return abi.Errorf(abi.CodeIsDirectory, "%.200s is a directory", path)
	case errors.Is(err, fs.ErrNotExist):
		return abi.Errorf(abi.CodeFileNotFound, "%.200s does not exist", path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return abi.Errorf(abi.CodePermissionDenied, "%.200s: permission denied, or on a read-only mount", path)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return abi.Errorf(abi.CodeInvalidRequest, "a part of %.200s is too long", path)
	case errors.Is(err, syscall.ELOOP):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s leads through too many links", path)
	case errors.Is(err, syscall.EBUSY):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is a mount point", path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return abi.Errorf(abi.CodeQuotaExceeded, "no space is left in the sandbox for %.200s", path)
	case errors.Is(err, syscall.ENXIO):
		return abi.Errorf(abi.CodeInvalidRequest, "%.200s is not a regular file", path)
	}
	return fmt.Errorf("file %.200q: %w", path, err)
}
