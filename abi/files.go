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
	// Mode is the permission bits as an octal string; without it a file keeps
	// the ones it has, and a new one gets "0644".
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
// text message with type "end" ends it, and the answer comes. A stream that ends
// without that leaves the old content.
type WriteFileStreamRequest struct {
	Path string `json:"path"`
	// Mode is the permission bits as an octal string; without it a file keeps
	// the ones it has, and a new one gets "0644".
	Mode string `json:"mode,omitempty"`
}

// ReadFileStreamRequest reads a file of any size. First comes its FileInfo, then
// its bytes: no more than the size it had then, and fewer if it is cut while it is
// read. The files of /proc and /sys know no size; they are read to their end. What
// is no regular file is INVALID_REQUEST.
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

// FileInfo is one file or folder. In a name that is not UTF-8 each wrong byte is
// shown as U+FFFD; such a file is reached by exec alone.
type FileInfo struct {
	Name string `json:"name"`
	// Path is relative to the listed folder, or absolute where none was listed.
	Path string   `json:"path"`
	Type FileType `json:"type"`
	Size int64    `json:"size"` // bytes; of a folder whatever the file system says
	// Mode is the permission bits in octal, "0644", with those for running as
	// the owner if there are any, "4755".
	Mode       string    `json:"mode"`
	ModifiedAt time.Time `json:"modifiedAt"`
	// Target is what a symlink names.
	Target string `json:"target,omitempty"`
}

// MkdirRequest makes a folder. What exists is FILE_EXISTS, unless it is a folder
// and Recursive is set: then it is left as it is.
type MkdirRequest struct {
	Path string `json:"path"`
	// Recursive makes missing folders above it too, with mode 0755.
	Recursive bool   `json:"recursive,omitempty"`
	Mode      string `json:"mode,omitempty"` // octal, "0755" by default
}

// DeleteFileRequest deletes. A symlink is deleted, never what it names. The root
// and /workspace stay: they are INVALID_REQUEST, what is in them is not.
type DeleteFileRequest struct {
	Path string `json:"path"`
	// Recursive deletes a folder with all in it; without it a folder is
	// IS_DIRECTORY.
	Recursive bool `json:"recursive,omitempty"`
}

// RenameFileRequest gives a file or folder another name on the same file system,
// in one step. A file replaces a file, and a folder an empty folder.
type RenameFileRequest struct {
	OldPath string `json:"oldPath"`
	NewPath string `json:"newPath"`
}

// MoveFileRequest moves a file or folder with modes, times and symlinks. What is
// replaced is as with renameFile, and so is the one step, except that from one file
// system to another the source goes last.
type MoveFileRequest struct {
	SourcePath string `json:"sourcePath"`
	// DestinationPath is the new path; a folder, or what ends in a slash, is
	// where it goes into. Missing folders are made.
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

// SetPermissionsRequest sets permission bits. A symlink is followed, but not those
// below a folder.
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

// ListFilesRequest lists a folder. Symlinks in it are listed, never followed.
type ListFilesRequest struct {
	Path          string `json:"path"`
	Recursive     bool   `json:"recursive,omitempty"`
	IncludeHidden bool   `json:"includeHidden,omitempty"` // names that begin with a dot
	Limit         int    `json:"limit,omitempty"`         // default 10,000, at most 100,000
}

// ListFilesResponse is a folder's content, by name in each folder, and after a
// folder what is in it.
type ListFilesResponse struct {
	Files []FileInfo `json:"files"`
	// Truncated is set when there is more: beyond the limit or 32 MiB, in a
	// folder that may not be read, or more than 256 folders deep.
	Truncated bool `json:"truncated"`
}

// SearchFilesRequest searches a folder and all below it. At least one of Glob
// and Text is set.
type SearchFilesRequest struct {
	Path string `json:"path,omitempty"` // default /workspace
	// Glob is matched with the path below the folder: "*" and "?" stop at "/",
	// "**" does not, "[a-z]" and "{a,b}" work; a glob without "/" is matched
	// with the name alone. One that begins with "/" begins at the folder.
	Glob string `json:"glob,omitempty"`
	// Text is searched in files that are text: a plain string, or a regular
	// expression (RE2) when Regexp. Text is UTF-8 without a NUL, judged by a
	// file's first 64 KiB.
	Text          string `json:"text,omitempty"`
	Regexp        bool   `json:"regexp,omitempty"`
	IgnoreCase    bool   `json:"ignoreCase,omitempty"` // of Text
	IncludeHidden bool   `json:"includeHidden,omitempty"`
	Limit         int    `json:"limit,omitempty"` // default 1,000, at most 10,000
}

// SearchFilesResponse are the matches, in the order of listFiles.
type SearchFilesResponse struct {
	Matches []SearchMatch `json:"matches"`
	// Truncated is set when there is more than the limit or 16 MiB, or when
	// not all was searched: a file of more than 64 MiB, a line beyond its first
	// 1 MiB, what may not be read, or what is more than 256 folders deep.
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

// WatchRequest watches a folder, or a file. The stream ends when that has gone,
// but for a file only when its folder has: programs replace files. Folders that
// may not be read are not watched.
type WatchRequest struct {
	Path      string `json:"path"`
	Recursive bool   `json:"recursive,omitempty"` // also folders that come later
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
	WatchModify   WatchEventType = "modify"   // content, mode or times
	WatchDelete   WatchEventType = "delete"   // also what moved out of sight
	WatchMove     WatchEventType = "move"     // Path was OldPath
	WatchOverflow WatchEventType = "overflow" // more happened than could be told; look again
)

// WatchEvent is a change.
type WatchEvent struct {
	Type    WatchEventType `json:"type"`
	Path    string         `json:"path,omitempty"` // relative to the watched folder, which is "."
	OldPath string         `json:"oldPath,omitempty"`
	IsDir   bool           `json:"isDir,omitempty"`
}

// CheckoutRequest clones a repository, without its submodules. What git asks for
// it does not get: credentials are in URL, where the clone keeps them as git does,
// or in the sandbox.
type CheckoutRequest struct {
	// URL is one of https, http, ssh, git or file, user@host:path, or a path
	// inside the sandbox.
	URL    string `json:"url"`
	Branch string `json:"branch,omitempty"` // or a tag; default: the repository's own
	// TargetDir is by default the repository's name below /workspace. One that
	// exists must be empty.
	TargetDir string `json:"targetDir,omitempty"`
	// Depth is how many commits of the one branch are fetched; 0 is all, of
	// all branches.
	Depth   int      `json:"depth,omitempty"`
	Timeout Duration `json:"timeout,omitempty"` // default: the binding's execTimeout
}

// CheckoutResponse tells what was cloned.
type CheckoutResponse struct {
	TargetDir string `json:"targetDir"`        // absolute
	Branch    string `json:"branch,omitempty"` // empty for a tag
	Commit    string `json:"commit"`           // empty for an empty repository
}

// CheckoutFailure is the details of GIT_FAILED, and of a checkout's TIMEOUT.
// Nothing of it is left in the target folder.
type CheckoutFailure struct {
	ExitCode int `json:"exitCode"`
	// Stderr is the last that git said, at most 4 KiB, without credentials.
	Stderr string `json:"stderr"`
}
