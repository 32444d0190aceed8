package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"edge/host/certs"
)

type trustCommand struct {
	Config    string `short:"c" placeholder:"FILE" help:"Configuration; default edge.yaml, if there is one."`
	State     string `placeholder:"DIR" help:"Folder that outlives the edge; EDGE_STATE."`
	Print     bool   `xor:"do" help:"Print the authority's certificate, and do nothing."`
	DryRun    bool   `help:"Tell what would be done, and do nothing."`
	Uninstall bool   `xor:"do" help:"Have nobody trust it any more."`

	// at is where stores are looked for; nil is this machine.
	at *trustPlace
}

// Help says more than one line.
func (trustCommand) Help() string {
	return "With tls: internal the edge makes its certificates with an authority of its own. This has the browsers and the system of this machine believe it. " +
		"It never asks for root: what needs it is printed as a command."
}

// Run tells what it does, and does what needs no root.
func (c *trustCommand) Run(ctx context.Context, t *terminal) error {
	dir, err := c.folder(t)
	if err != nil {
		return usageError{err}
	}
	_, missing := certs.FindRoot(dir)
	authority, err := c.authority(dir)
	if err != nil {
		return err
	}
	if c.Print {
		_, err := t.out.Write(authority.PEM())
		return err
	}
	at := c.at
	if at == nil {
		at = thisMachine()
	}
	root := trustedRoot{file: authority.RootFile, name: authority.Root.Subject.CommonName, fingerprint: sha256.Sum256(authority.Root.Raw)}
	fmt.Fprintf(t.out, "%s\n  certificate  %s\n  SHA-256      %s\n", root.name, root.file, hex.EncodeToString(root.fingerprint[:]))
	if errors.Is(missing, fs.ErrNotExist) {
		fmt.Fprintln(t.out, "It was made just now: an edge with this state folder uses it once its configuration says tls: internal.")
	}
	if !c.Uninstall {
		fmt.Fprintf(t.out, "Who trusts it believes whatever is signed with the key in\n  %s\nfor any site: keep that to yourself.\n", dir)
	}
	return c.carryOut(ctx, t, at.stores(root, c.Uninstall), at)
}

// folder is where the authority is kept.
func (c *trustCommand) folder(t *terminal) (string, error) {
	file := c.Config
	if file == "" {
		file = configSource
	}
	config, err := adminConfig(file)
	if errors.Is(err, fs.ErrNotExist) && c.Config == "" {
		var dir string
		dir, err = filepath.Abs(".")
		config = &Config{Dir: dir}
	}
	if err != nil {
		return "", err
	}
	state := choose("state", c.State, "EDGE_STATE", t.getenv("EDGE_STATE"), file, config.State, cleanedState(config))
	dir, err := filepath.Abs(state.value)
	return filepath.Join(dir, tlsFolder), err
}

// authority is the one that is there; to trust one that is not, it is made. One that
// is no good any more can still be taken back.
func (c *trustCommand) authority(dir string) (a *certs.Authority, err error) {
	switch {
	case c.Uninstall:
		a, err = certs.FindRoot(dir)
	case c.DryRun:
		a, err = certs.FindAuthority(dir)
	default:
		return certs.OpenAuthority(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority in %s; an edge with tls: internal makes one when it starts, and edge trust does; --state and --config name another edge", dir)
	}
	return a, err
}

// carryOut goes through the stores. One that fails does not keep the others from
// their turn.
func (c *trustCommand) carryOut(ctx context.Context, t *terminal, stores []trustStore, at *trustPlace) error {
	var errs []error
	for _, s := range stores {
		switch {
		case s.note != "":
			fmt.Fprintf(t.out, "%s: %s\n", s.name, s.note)
		case s.root && at.euid != 0:
			fmt.Fprintf(t.out, "%s: needs root. To do it:\n", s.name)
			for _, step := range s.steps {
				fmt.Fprintf(t.out, "  sudo %s\n", shellWords(step))
			}
		case c.DryRun:
			fmt.Fprintf(t.out, "%s: would run\n", s.name)
			for _, step := range s.steps {
				fmt.Fprintf(t.out, "  %s\n", shellWords(step))
			}
		default:
			if err := at.follow(ctx, s); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
				continue
			}
			fmt.Fprintf(t.out, "%s: done\n", s.name)
		}
	}
	return errors.Join(errs...)
}

// trustedRoot is the certificate that is to be trusted.
type trustedRoot struct {
	file, name  string
	fingerprint [sha256.Size]byte
}

// alias is what stores know it by: no other authority has the same.
func (r trustedRoot) alias() string { return "edge-" + hex.EncodeToString(r.fingerprint[:6]) }

// trustStore is one list of authorities that programs believe.
type trustStore struct {
	name string
	// steps are commands. Those that are not needed say so by ending well.
	steps [][]string
	root  bool   // they need root
	note  string // instead of steps: why there are none
}

// trustPlace is the machine as far as trust goes.
type trustPlace struct {
	goos, home string
	euid       int
	// prefix is put before the paths of the system; empty but in tests.
	prefix string
	look   func(program string) (string, error)
}

func thisMachine() *trustPlace {
	home, _ := os.UserHomeDir() // no home has no stores of its own
	return &trustPlace{goos: runtime.GOOS, home: home, euid: os.Geteuid(), look: exec.LookPath}
}

// follow runs a store's commands, each with nothing to read.
func (p *trustPlace) follow(ctx context.Context, s trustStore) error {
	for _, step := range s.steps {
		out, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", shellWords(step), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// shellWords is a command line that a person can copy.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !strings.ContainsRune("-_./:,=@%+", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
