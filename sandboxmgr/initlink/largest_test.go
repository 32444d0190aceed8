//go:build !race && linux

// The race detector makes JSON of many megabytes too slow to wait for.

package initlink

import (
	"os"
	"strings"
	"testing"

	"edge/abi"
)

// TestLargest moves the most that one call can, and a little more.
func TestLargest(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	path := s.init.work + "/f"
	most := strings.Repeat("m", abi.MaxFileResponse)
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: path, Content: most})
	if got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: path}); got.Content != most || got.Size != abi.MaxFileResponse {
		t.Errorf("read %d bytes, size %d", len(got.Content), got.Size)
	}
	_, err := try(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: path + "x", Content: most + "m"})
	wantCode(t, err, abi.CodeFileTooLarge)
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("a refused write left a file")
	}
	// As JSON each of these bytes becomes six, too many for one answer.
	if err := os.WriteFile(path+"1", []byte(strings.Repeat("\x01", 9000000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: path + "1"}); got.Encoding != "base64" || got.IsBinary || got.Size != 9000000 {
		t.Errorf("encoding %s, binary %v, size %d", got.Encoding, got.IsBinary, got.Size)
	}
	_, err = try(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: path + "1", Encoding: "utf8"})
	wantCode(t, err, abi.CodeBodyTooLarge)
	_, err = try(t, s.Link, abi.Exec, abi.ExecRequest{Command: "head -c 9000000 /dev/zero", MaxOutput: abi.MaxMaxOutput})
	if e := wantCode(t, err, abi.CodeBodyTooLarge); !strings.Contains(e.Suggestion, "base64") {
		t.Errorf("suggestion %q", e.Suggestion)
	}
	// More than a body can hold is refused before anything is sent.
	wantCode(t, s.Call(within(t), "writeFile", abi.WriteFileRequest{Path: "x", Content: strings.Repeat("x", 49<<20)}, nil), abi.CodeBodyTooLarge)
	if s.Broken() {
		t.Error("large answers broke the link")
	}
}
