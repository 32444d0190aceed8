package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSandboxesDoNotSeeTheState refuses folders from which a sandbox could read
// the admin token. DIR is the configuration's folder.
func TestSandboxesDoNotSeeTheState(t *testing.T) {
	t.Parallel()
	const end = ", which no sandbox may see; want a folder apart from it"
	tests := []struct{ name, config, state, want string }{
		{"apart", "sandboxes: {S: {tools: [tools]}}\n", "", ""},
		{"a name that only begins alike", "state: tools.d\nsandboxes: {S: {tools: [tools]}}\n", "", ""},
		{"above", "sandboxes:\n  S:\n    tools: [tools, .]\n", "", "edge.yaml:3:20: sandboxes.S.tools[1]: DIR holds the state folder (DIR/.edge)" + end},
		{"the same", "state: tools\nsandboxes: {S: {tools: [tools]}}\n", "", "edge.yaml:2:25: sandboxes.S.tools[0]: DIR/tools holds the state folder (DIR/tools)" + end},
		{"inside", "state: .\nsandboxes: {S: {rootfs: src}}\n", "", "edge.yaml:2:25: sandboxes.S.rootfs: DIR/src is inside the state folder (DIR)" + end},
		{"state by flag", "sandboxes: {S: {rootfs: src}}\n", "DIR/src/none/yet", "edge.yaml:1:25: sandboxes.S.rootfs: DIR/src holds the state folder (DIR/src/none/yet)" + end},
		{"through a link", "sandboxes: {S: {rootfs: link}}\n", "DIR/src/s", "edge.yaml:1:25: sandboxes.S.rootfs: DIR/link holds the state folder (DIR/src/s)" + end},
		{"the state is a link's", "state: link/s\nsandboxes: {S: {rootfs: src}}\n", "", "edge.yaml:2:25: sandboxes.S.rootfs: DIR/src holds the state folder (DIR/link/s)" + end},
		{"socket", "admin: {socket: DIR/tools/s}\nsandboxes: {S: {tools: [tools]}}\n", "", "edge.yaml:2:25: sandboxes.S.tools[0]: DIR/tools holds the admin API's socket (DIR/tools/s)" + end},
		{"token", "admin: {token: DIR/tools/t}\nsandboxes: {S: {tools: [tools]}}\n", "", "edge.yaml:2:25: sandboxes.S.tools[0]: DIR/tools holds the admin API's token (DIR/tools/t)" + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := configIn(t, "")
			dir := filepath.Dir(file)
			in := func(s string) string { return strings.ReplaceAll(s, "DIR", dir) }
			if err := os.WriteFile(file, []byte(in(tt.config)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("src", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			c, err := LoadConfig(file)
			if err != nil {
				t.Fatal(err)
			}
			c.File = "edge.yaml"
			_, err = settle(Flags{State: in(tt.state)}, func(string) string { return "" }, c, localStateOf(c), serveLogLevel)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(strings.ReplaceAll(err.Error(), file, "edge.yaml"), dir, "DIR")
			}
			if got != tt.want {
				t.Errorf("settle: %s\nwant %s", got, tt.want)
			}
		})
	}
}
