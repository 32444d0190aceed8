package abi

import "time"

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

// WriteFileStreamRequest writes a file from the binary messages that follow; a
// text message with type "end" ends it. A stream that ends without that leaves
// the old content.
type WriteFileStreamRequest struct {
	Path string `json:"path"`
	Mode string `json:"mode,omitempty"` // octal, "0644" by default
}

// ReadFileStreamRequest reads a file of any size.
type ReadFileStreamRequest struct {
	Path string `json:"path"`
	// Offset is where to begin, in bytes; beyond the end there is nothing.
	Offset int64 `json:"offset,omitempty"`
	// Length is the most that is read, in bytes; 0 is all.
	Length int64 `json:"length,omitempty"`
}

// FileType is what is at a path.
type FileType string

// What can be at a path.
const (
	FileTypeFile      FileType = "file"
	FileTypeDirectory FileType = "directory"
	FileTypeSymlink   FileType = "symlink"
	FileTypeOther     FileType = "other" // a device, a socket, a pipe
)

// FileInfo is one file or folder.
type FileInfo struct {
	Name string `json:"name"`
	// Path is relative to the listed folder, or absolute where none was listed.
	Path string   `json:"path"`
	Type FileType `json:"type"`
	Size int64    `json:"size"` // bytes
	// Mode is the permission bits in octal, "0644".
	Mode       string    `json:"mode"`
	ModifiedAt time.Time `json:"modifiedAt"`
	// Target is what a symlink names.
	Target string `json:"target,omitempty"`
}

// MkdirRequest makes a folder. One that exists is FILE_EXISTS, unless Recursive.
type MkdirRequest struct {
	Path string `json:"path"`
	// Recursive makes missing folders above it too.
	Recursive bool   `json:"recursive,omitempty"`
	Mode      string `json:"mode,omitempty"` // octal, "0755" by default
}

// DeleteFileRequest deletes. A symlink is deleted, never what it names.
type DeleteFileRequest struct {
	Path string `json:"path"`
	// Recursive deletes a folder with all in it; without it a folder is
	// IS_DIRECTORY.
	Recursive bool `json:"recursive,omitempty"`
}

// RenameFileRequest gives a file or folder another name on the same file system.
type RenameFileRequest struct {
	OldPath string `json:"oldPath"`
	NewPath string `json:"newPath"`
}

// MoveFileRequest moves a file or folder. Missing folders of the destination are
// made.
type MoveFileRequest struct {
	SourcePath      string `json:"sourcePath"`
	DestinationPath string `json:"destinationPath"`
}

// PathRequest names a path.
type PathRequest struct {
	Path string `json:"path"`
}

// ExistsResponse tells what is at a path; a symlink that leads nowhere exists.
type ExistsResponse struct {
	Exists bool      `json:"exists"`
	Info   *FileInfo `json:"info,omitempty"`
}

// SetPermissionsRequest sets permission bits.
type SetPermissionsRequest struct {
	Path string `json:"path"`
	// Mode is octal, "0755".
	Mode string `json:"mode"`
	// Recursive sets them for all in a folder too.
	Recursive bool `json:"recursive,omitempty"`
}

// Bounds of listing and searching.
const (
	DefaultListLimit   = 10_000
	MaxListLimit       = 100_000
	DefaultSearchLimit = 1000
	MaxSearchLimit     = 10_000
)

// ListFilesRequest lists a folder. Symlinks are listed, never followed.
type ListFilesRequest struct {
	Path          string `json:"path"`
	Recursive     bool   `json:"recursive,omitempty"`
	IncludeHidden bool   `json:"includeHidden,omitempty"` // names that begin with a dot
	Limit         int    `json:"limit,omitempty"`         // default 10,000, at most 100,000
}

// ListFilesResponse is a folder's content, by path.
type ListFilesResponse struct {
	Files []FileInfo `json:"files"`
	// Truncated is set when there is more than the limit.
	Truncated bool `json:"truncated"`
}

// SearchFilesRequest searches a folder and all below it. At least one of Glob
// and Text is set.
type SearchFilesRequest struct {
	Path string `json:"path,omitempty"` // default /workspace
	// Glob is matched with the path below the folder: "*" and "?" stop at "/",
	// "**" does not, "[a-z]" and "{a,b}" work; a glob without "/" is matched
	// with the name alone.
	Glob string `json:"glob,omitempty"`
	// Text is searched in files that are text: a plain string, or a regular
	// expression (RE2) when Regexp.
	Text          string `json:"text,omitempty"`
	Regexp        bool   `json:"regexp,omitempty"`
	IgnoreCase    bool   `json:"ignoreCase,omitempty"`
	IncludeHidden bool   `json:"includeHidden,omitempty"`
	Limit         int    `json:"limit,omitempty"` // default 1,000, at most 10,000
}

// SearchFilesResponse are the matches, by path.
type SearchFilesResponse struct {
	Matches []SearchMatch `json:"matches"`
	// Truncated is set when there is more than the limit, or a file was too
	// large to be searched (64 MiB).
	Truncated bool `json:"truncated"`
}

// SearchMatch is a file, or with Text a line of one.
type SearchMatch struct {
	Path string   `json:"path"` // relative to the searched folder
	Type FileType `json:"type"`
	// Line counts from 1; Text is the line, cut to 1,024 bytes.
	Line int    `json:"line,omitempty"`
	Text string `json:"text,omitempty"`
}

// WatchRequest watches a folder, or a file.
type WatchRequest struct {
	Path      string `json:"path"`
	Recursive bool   `json:"recursive,omitempty"`
	// Include and Exclude are globs as in searchFiles; without Include
	// everything counts. Folders named node_modules and .git are left out of a
	// recursive watch unless Include names them.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// WatchEventType says what happened to a file.
type WatchEventType string

// What can happen to a file.
const (
	WatchReady    WatchEventType = "ready" // comes first: from here on nothing is missed
	WatchCreate   WatchEventType = "create"
	WatchModify   WatchEventType = "modify"
	WatchDelete   WatchEventType = "delete"
	WatchMove     WatchEventType = "move"     // Path was OldPath
	WatchOverflow WatchEventType = "overflow" // more happened than could be told
)

// WatchEvent is a change.
type WatchEvent struct {
	Type    WatchEventType `json:"type"`
	Path    string         `json:"path,omitempty"` // relative to the watched folder
	OldPath string         `json:"oldPath,omitempty"`
	IsDir   bool           `json:"isDir,omitempty"`
}

// CheckoutRequest clones a repository.
type CheckoutRequest struct {
	URL    string `json:"url"` // https, http, ssh, git or a path inside the sandbox
	Branch string `json:"branch,omitempty"`
	// TargetDir is by default the repository's name below /workspace.
	TargetDir string `json:"targetDir,omitempty"`
	// Depth is how many commits are fetched; 0 is all.
	Depth   int      `json:"depth,omitempty"`
	Timeout Duration `json:"timeout,omitempty"` // default: the binding's execTimeout
}

// CheckoutResponse tells what was cloned.
type CheckoutResponse struct {
	TargetDir string `json:"targetDir"` // absolute
	Branch    string `json:"branch,omitempty"`
	Commit    string `json:"commit"`
}
