package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edge/host/certs"
)

// trusting is a machine of a test's own: its home and its list of authorities are
// folders.
type trustTest struct {
	at    *trustPlace
	state string
}

func newTrustTest(t *testing.T, euid int) *trustTest {
	t.Helper()
	prefix := t.TempDir()
	if err := os.MkdirAll(filepath.Join(prefix, "usr/local/share/ca-certificates"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &trustTest{
		at:    &trustPlace{goos: "linux", home: t.TempDir(), prefix: prefix, euid: euid, look: exec.LookPath},
		state: filepath.Join(t.TempDir(), "state"),
	}
}

// run runs edge trust and returns what it printed.
func (tt *trustTest) run(t *testing.T, c trustCommand) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c.State, c.at = tt.state, tt.at
	err := c.Run(t.Context(), &terminal{out: &out, err: &out, getenv: func(string) string { return "" }})
	return out.String(), err
}

func TestTrustPrints(t *testing.T) {
	t.Parallel()
	tt := newTrustTest(t, 1000)
	out, err := tt.run(t, trustCommand{Print: true})
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode([]byte(out))
	if block == nil || len(rest) > 0 {
		t.Fatalf("it prints %q", out)
	}
	printed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := certs.FindAuthority(filepath.Join(tt.state, "tls"))
	if err != nil || !kept.Root.Equal(printed) {
		t.Errorf("it is not the one that is kept: %v", err)
	}
}

// TestTrustNeedsNoRootSilently: without root the system's list is not touched, and
// who has it is told how.
func TestTrustNeedsNoRootSilently(t *testing.T) {
	t.Parallel()
	tt := newTrustTest(t, 1000)
	tt.at.look = func(string) (string, error) { return "", errors.New("no certutil") }
	out, err := tt.run(t, trustCommand{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"edge authority of ", "SHA-256 ", "believes whatever is signed with the key", "system: needs root. To do it:\n  sudo install -m 0644 ",
		"  sudo update-ca-certificates\n", "Chromium and Firefox: certutil is not there; install libnss3-tools",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q but\n%s", want, out)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(tt.at.prefix, "*/*/*/*/*")); len(found) > 0 {
		t.Errorf("it wrote %q", found)
	}
	const fresh = "It was made just now"
	if again, err := tt.run(t, trustCommand{}); err != nil || !strings.Contains(out, fresh) || strings.Contains(again, fresh) {
		t.Errorf("%v: the first time it says\n%sthe second\n%s", err, out, again)
	}
}

func TestTrustDryRun(t *testing.T) {
	t.Parallel()
	tt := newTrustTest(t, 0)
	if _, err := tt.run(t, trustCommand{DryRun: true}); err == nil || !strings.Contains(err.Error(), "there is no authority in "+tt.state) {
		t.Errorf("without an authority: %v", err)
	}
	if _, err := os.Stat(tt.state); err == nil {
		t.Error("it made a state folder")
	}
	if _, err := certs.OpenAuthority(filepath.Join(tt.state, "tls")); err != nil {
		t.Fatal(err)
	}
	tt.at.look = func(string) (string, error) { return "certutil", nil }
	out, err := tt.run(t, trustCommand{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"system: would run\n  install -m 0644 ", "certutil -N -d sql:" + tt.at.home + "/.pki/nssdb --empty-password", "certutil -A -d sql:"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q but\n%s", want, out)
		}
	}
	if left, _ := os.ReadDir(tt.at.home); len(left) > 0 {
		t.Errorf("it made %v", left)
	}
}

// TestTrustAndNot installs into a list of authorities and into stores of browsers,
// real ones, and takes it all back. It sets PATH: not parallel.
func TestTrustAndNot(t *testing.T) {
	if _, err := exec.LookPath("certutil"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("certutil is not there; libnss3-tools has it")
		}
		t.Skip("certutil is not there; libnss3-tools has it")
	}
	tools := t.TempDir()
	ran := filepath.Join(tools, "ran")
	if err := os.WriteFile(filepath.Join(tools, "update-ca-certificates"), []byte("#!/bin/sh\necho \"update $*\" >> "+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	tt := newTrustTest(t, 0)
	firefox := filepath.Join(tt.at.home, ".mozilla/firefox/abc.default")
	if err := os.MkdirAll(firefox, 0o700); err != nil {
		t.Fatal(err)
	}
	nss := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "certutil", args...).CombinedOutput()
		return string(out), err
	}
	if out, err := nss("-N", "-d", "sql:"+firefox, "--empty-password"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stores := []string{"sql:" + filepath.Join(tt.at.home, ".pki/nssdb"), "sql:" + firefox}
	for range 2 { // the second time changes nothing
		if out, err := tt.run(t, trustCommand{}); err != nil || strings.Count(out, ": done\n") != 3 {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	listed := func() (files []string, known int) {
		files, _ = filepath.Glob(filepath.Join(tt.at.prefix, "usr/local/share/ca-certificates/edge-*.crt"))
		for _, db := range stores {
			out, err := nss("-L", "-d", db)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			known += strings.Count(out, "edge-")
		}
		return files, known
	}
	files, known := listed()
	if len(files) != 1 || known != 2 {
		t.Errorf("in the system's list there is %q, and %d stores know it", files, known)
	}
	root, err := certs.FindAuthority(filepath.Join(tt.state, "tls"))
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(content, root.PEM()) {
		t.Errorf("what the system trusts is another one: %v", err)
	}
	out, err := tt.run(t, trustCommand{Uninstall: true})
	if err != nil || strings.Count(out, ": done\n") != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
	if files, known := listed(); len(files) != 0 || known != 0 {
		t.Errorf("left are %q, and %d stores know it", files, known)
	}
	if out, err = tt.run(t, trustCommand{Uninstall: true}); err != nil || strings.Count(out, "does not know it") != 2 {
		t.Errorf("once more: %v\n%s", err, out)
	}
	if calls, _ := os.ReadFile(ran); string(calls) != "update \nupdate \nupdate --fresh\nupdate --fresh\n" {
		t.Errorf("the system was told:\n%s", calls)
	}
}

// TestTrustIsTakenBackFromABadAuthority: who is told that the key was readable, or that
// the authority ran out, can still have nobody trust it.
func TestTrustIsTakenBackFromABadAuthority(t *testing.T) {
	t.Parallel()
	tt := newTrustTest(t, 1000)
	tt.at.look = func(string) (string, error) { return "", errors.New("no certutil") }
	if _, err := tt.run(t, trustCommand{Uninstall: true}); err == nil || !strings.Contains(err.Error(), "there is no authority in ") {
		t.Errorf("without an authority: %v", err)
	}
	dir := filepath.Join(tt.state, "tls")
	if _, err := certs.OpenAuthority(dir); err != nil {
		t.Fatal(err)
	}
	for _, spoilt := range []struct {
		name  string
		spoil func(path string) error
	}{
		{"readable by others", func(path string) error { return os.Chmod(path, 0o644) }},
		{"gone", os.Remove},
	} {
		if err := spoilt.spoil(filepath.Join(dir, "authority.pem")); err != nil {
			t.Fatal(err)
		}
		out, err := tt.run(t, trustCommand{Uninstall: true})
		if err != nil || !strings.Contains(out, "sudo rm -f ") {
			t.Errorf("%s: %v\n%s", spoilt.name, err, out)
		}
	}
}

func TestTrustOnDarwin(t *testing.T) {
	t.Parallel()
	at := &trustPlace{goos: "darwin", home: "/Users/me", look: func(string) (string, error) { return "", errors.New("none") }}
	root := trustedRoot{file: "/a b/root.pem", name: "x"}
	for remove, want := range map[bool]string{
		false: "security add-trusted-cert -r trustRoot -k /Users/me/Library/Keychains/login.keychain-db '/a b/root.pem'",
		true:  "security remove-trusted-cert '/a b/root.pem'",
	} {
		stores := at.stores(root, remove)
		if len(stores) != 1 || stores[0].root || shellWords(stores[0].steps[0]) != want {
			t.Errorf("stores %+v, want %q", stores, want)
		}
	}
}

// TestDoctorOnTLS: what HTTPS lacks is found without anything being made or asked.
func TestDoctorOnTLS(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, tls, domain, level, text string }{
		{"off", "off", "localhost", "", ""},
		{"internal", "internal", "localhost", levelNote, "the edge's own authority will be made"},
		{"files", "{mode: files, cert: a.pem, key: a.key}", "a.test", levelNote, "no certificate is for the names under a.test"},
		{"wildcard", "{mode: files, cert: w.pem, key: w.key}", "w.test", levelOK, "is good until "},
		{"acme", "{mode: acme}", "preview.example.com", levelNote, "certificate for all names under preview.example.com"},
		{"acme with DNS", "{mode: acme, dns: {command: [./dns.sh]}}", "preview.example.com", levelNote, "the authority comes to port 443"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tlsFolderWith(t)
			writePair(t, filepath.Join(dir, "w.pem"), filepath.Join(dir, "w.key"), "*.w.test", "w.test")
			config := filepath.Join(dir, "edge.yaml")
			content := "listen: 127.0.0.1:0\nadmin: off\nstate: ./state\ndomain: " + tt.domain + "\ntls: " + tt.tls + "\nsandboxes: {S: {runtime: process}}\n"
			if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			found, _ := findingsOf(t, "--config", config)
			f, there := found["tls"]
			if there != (tt.level != "") || f.Level != tt.level || !strings.Contains(f.Text, tt.text) {
				t.Errorf("found %+v, want %s: %s", f, tt.level, tt.text)
			}
			if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
				t.Error("doctor made the state folder")
			}
		})
	}
}
