package docker

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/moby/profiles/seccomp"
)

var update = flag.Bool("update", false, "write seccomp.json anew")

// TestSeccompProfile derives the profile from Docker's.
func TestSeccompProfile(t *testing.T) {
	t.Parallel()
	profile := seccomp.DefaultProfile()
	var rules []*seccomp.Syscall
	for _, rule := range profile.Syscalls {
		rule.Names = slices.DeleteFunc(rule.Names, func(name string) bool { return slices.Contains(withheld, name) })
		if len(rule.Names) > 0 {
			rules = append(rules, rule)
		}
	}
	profile.Syscalls = rules
	want, err := json.Marshal(profile)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("seccomp.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if seccompProfile != string(want) {
		t.Error("seccomp.json is not Docker's default profile without what is withheld: go test ./sandboxmgr/docker -run TestSeccompProfile -update")
	}
}
