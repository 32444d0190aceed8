package initd

import (
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size := f.info.Size(); size > abi.MaxFileResponse {
		return nil, tooLarge(path, size)
	}
	content, err := readText(f, f.info.Size())
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
	content, err := decodeContent(req.Content, req.Encoding)
	if err != nil {
		return nil, err
	}
	to, err := writeTo(req.Path, req.Mode)
	if err != nil {
		return nil, err
	}
	f, err := to.draft()
	if err != nil {
		return nil, err
	}
	size, err := copyContent(f.File, content)
	if err != nil {
		f.discard()
		return nil, fileError(to.asked, err)
	}
	if err := f.commit(); err != nil {
		return nil, err
	}
	return &abi.WriteFileResponse{Path: to.asked, Size: size}, nil
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
		return nil, abi.Errorf(abi.CodeFileTooLarge, "content is %d bytes long, at most %d can be written at once", len(content), abi.MaxFileResponse).
			WithSuggestion("use writeFileStream")
	}
	return text, nil
}

// parseMode reads permission bits as an octal string; none are def.
func parseMode(s string, def int) (int, error) {
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "mode %.40q: want permission bits in octal up to \"0777\", like \"0644\"", s)
	}
	return int(n), nil
}

// copyContent writes what decodeContent returned.
func copyContent(f *os.File, content io.Reader) (int64, error) {
	size, err := io.Copy(f, io.LimitReader(content, abi.MaxFileResponse+1))
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, abi.Errorf(abi.CodeInvalidRequest, "content is not base64: %v", err)
	case err == nil && size > abi.MaxFileResponse:
		return 0, abi.Errorf(abi.CodeFileTooLarge, "content is more than the %d bytes that can be written at once", abi.MaxFileResponse).
			WithSuggestion("use writeFileStream")
	}
	return size, err
}

func tooLarge(path string, size int64) error {
	return abi.Errorf(abi.CodeFileTooLarge, "%.200s is %d bytes long, at most %d can be answered at once", path, size, abi.MaxFileResponse).
		WithSuggestion("use readFileStream")
}
