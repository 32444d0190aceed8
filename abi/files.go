package abi

// Bounds of file operations.
const (
	MaxPathBytes    = 4096
	MaxFileResponse = 32 << 20 // bytes of content in one answer or request
)

// WriteFileRequest writes a file. Path is absolute or relative to /workspace,
// resolved inside the sandbox.
type WriteFileRequest struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	// Encoding of Content: "utf8" (default) or "base64".
	Encoding string `json:"encoding,omitempty"`
	// Mode is the permission bits as an octal string, "0644" by default.
	Mode string `json:"mode,omitempty"`
}

// WriteFileResponse tells what was written.
type WriteFileResponse struct {
	Path string `json:"path"` // absolute
	Size int64  `json:"size"`
}

// ReadFileRequest reads a file.
type ReadFileRequest struct {
	Path string `json:"path"`
	// Encoding of the answer: "utf8", "base64", or empty: base64 if the
	// content is binary (not UTF-8, or with a NUL in it) or too long as JSON.
	Encoding string `json:"encoding,omitempty"`
}

// ReadFileResponse is a file's content.
type ReadFileResponse struct {
	Content  string `json:"content"`
	Encoding string `json:"encoding"`
	IsBinary bool   `json:"isBinary"`
	Size     int64  `json:"size"`
}
