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
	"edge/sandboxmgr/initproto"
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
// as a named pipe. The answer's Content is the file's bytes as they are: sending
// it (fileAnswer) puts them into its Encoding.
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
	content, err := readText(f, st.Size())
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(content) > abi.MaxFileResponse {
		return nil, tooLarge(path, int64(len(content)))
	}
	resp := &abi.ReadFileResponse{Encoding: req.Encoding, IsBinary: isBinary(content), Size: int64(len(content))}
	if resp.Encoding == "" {
		resp.Encoding = encodingUTF8
		if resp.IsBinary || textSize(content) > initproto.MaxBody-answerMargin {
			resp.Encoding = encodingBase64
		}
	}
	// In base64 only once it is sent: two copies of a large file can be more than
	// the sandbox may have.
	resp.Content = content
	return resp, nil
}

// readText reads to the end, without the copies of a buffer that grows as far as
// size says: files of /proc say 0, others grow. It reads no further than a byte
// more than can be answered.
func readText(f io.Reader, size int64) (string, error) {
	var b strings.Builder
	b.Grow(int(size))
	_, err := io.Copy(&b, io.LimitReader(f, abi.MaxFileResponse+1))
	return b.String(), err
}

// isBinary tells what is no text: bytes that are not UTF-8, or a NUL, as git and
// grep have it.
func isBinary(content string) bool {
	return strings.IndexByte(content, 0) >= 0 || !utf8.ValidString(content)
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
	size, err := replaceFile(target, content, mode)
	if err != nil {
		return nil, fileError(path, err)
	}
	return &abi.WriteFileResponse{Path: path, Size: size}, nil
}

// decodeContent returns a reader of the bytes that content stands for; decoding
// them all first would be one more copy of a large file.
func decodeContent(content, encoding string) (io.Reader, error) {
	if err := checkEncoding(encoding); err != nil {
		return nil, err
	}
	text := strings.NewReader(content)
	if encoding == encodingBase64 {
		return base64.NewDecoder(base64.StdEncoding, text), nil
	}
	if len(content) > abi.MaxFileResponse {
		return nil, abi.Errorf(abi.CodeFileTooLarge, "content is %d bytes long, at most %d can be written at once", len(content), abi.MaxFileResponse)
	}
	return text, nil
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

// replaceFile makes path a file with the content, which nobody sees a part of, and
// returns its size.
func replaceFile(path string, content io.Reader, mode int) (int64, error) {
	temp := filepath.Join(filepath.Dir(path), ".edge-"+strconv.FormatUint(rand.Uint64(), 36))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return 0, err
	}
	size, err := copyContent(f, content)
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
		return 0, errors.Join(err, os.Remove(temp))
	}
	return size, nil
}

// copyContent writes what decodeContent returned.
func copyContent(f *os.File, content io.Reader) (int64, error) {
	size, err := io.Copy(f, io.LimitReader(content, abi.MaxFileResponse+1))
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, abi.Errorf(abi.CodeInvalidRequest, "content is not base64: %v", err)
	case err == nil && size > abi.MaxFileResponse:
		return 0, abi.Errorf(abi.CodeFileTooLarge, "content is more than the %d bytes that can be written at once", abi.MaxFileResponse)
	}
	return size, err
}

func tooLarge(path string, size int64) error {
	return abi.Errorf(abi.CodeFileTooLarge, "%.200s is %d bytes long, at most %d can be answered at once", path, size, abi.MaxFileResponse)
}

// fileError says which of the known reasons err is.
func fileError(path string, err error) error {
	var known *abi.Error
	switch {
	case errors.As(err, &known):
		return known
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
