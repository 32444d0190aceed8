package initd

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"edge/abi"
)

// checkouts are the folders into which somebody is cloning right now.
type checkouts struct {
	mu      sync.Mutex
	targets map[string]bool
}

// claim takes a folder until release, unless somebody has it.
func (c *checkouts) claim(target string) (release func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.targets[target] {
		return nil, false
	}
	if c.targets == nil {
		c.targets = make(map[string]bool)
	}
	c.targets[target] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.targets, target)
	}, true
}

// checkout clones a repository with the sandbox's git.
func (s *server) checkout(ctx context.Context, req *abi.CheckoutRequest) (*abi.CheckoutResponse, error) {
	repo, target, err := checkCheckout(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, req.Timeout.Or(abi.DefaultExecTimeout))
	defer cancel()
	g := &gitRunner{sup: s.sup, redact: newRedactor(req.URL)}
	clone, err := g.prepare(cloneArgs(req, repo, target)...) // before anything is made
	if err != nil {
		return nil, err
	}
	release, ok := s.checkouts.claim(target)
	if !ok {
		return nil, abi.Errorf(abi.CodeFileExists, "another checkout into %.200s is under way", target)
	}
	defer release()
	undo, err := makeTarget(target)
	if err != nil {
		return nil, err
	}
	resp, err := g.clone(ctx, clone, repo, target)
	if err != nil {
		undo()
		return nil, err
	}
	return resp, nil
}

// checkCheckout checks a request and returns what is cloned, and where to.
func checkCheckout(req *abi.CheckoutRequest) (repo *repository, target string, err error) {
	if repo, err = parseRepository(req.URL); err != nil {
		return nil, "", err
	}
	switch {
	case strings.HasPrefix(req.Branch, "-"):
		return nil, "", abi.Errorf(abi.CodeInvalidRequest, "branch begins with \"-\"")
	case req.Depth < 0:
		return nil, "", abi.Errorf(abi.CodeInvalidRequest, "depth is %d; want 0 or more", req.Depth)
	case req.TargetDir == "" && repo.name == "":
		return nil, "", abi.Errorf(abi.CodeInvalidRequest, "url does not end in a name for the folder").WithSuggestion("set targetDir")
	case req.TargetDir == "":
		target, err = resolvePath(repo.name)
	default:
		target, err = resolvePath(req.TargetDir)
	}
	return repo, target, err
}

func cloneArgs(req *abi.CheckoutRequest, repo *repository, target string) []string {
	args := []string{"clone"}
	if req.Branch != "" {
		args = append(args, "--branch="+req.Branch)
	}
	if req.Depth > 0 {
		args = append(args, "--depth="+strconv.Itoa(req.Depth), "--single-branch")
		if repo.local { // links know no depth
			args = append(args, "--no-local")
		}
	}
	return append(args, "--", repo.url, target)
}

// makeTarget makes the folder, which may be there if it is empty. undo makes it
// what it was.
func makeTarget(target string) (undo func(), err error) {
	missing := firstMissing(target)
	if err := os.MkdirAll(target, folderMode); err != nil {
		if st, statErr := os.Stat(target); statErr == nil && !st.IsDir() {
			return nil, fileExists(target)
		}
		return nil, fileError(target, err)
	}
	entries, err := os.ReadDir(target)
	switch {
	case err != nil:
		return nil, fileError(target, err)
	case len(entries) > 0:
		return nil, fileError(target, syscall.ENOTEMPTY)
	}
	return func() {
		if missing != "" {
			discardTree(missing)
			return
		}
		entries, _ := os.ReadDir(target) // what was read counts
		for _, e := range entries {
			discardTree(filepath.Join(target, e.Name()))
		}
	}, nil
}

// firstMissing is the topmost folder that is to be made for a path; empty if none.
func firstMissing(path string) string {
	missing := ""
	for ; path != "/"; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		missing = path
	}
	return missing
}

// gitRunner runs git for one checkout.
type gitRunner struct {
	sup    *supervisor
	redact *redactor
}

// prepare makes a command of git's arguments. It never asks anybody: there is
// nobody.
func (g *gitRunner) prepare(args ...string) (*command, error) {
	cmd, err := g.sup.prepare(
		request{argv: append([]string{"git"}, args...), env: map[string]string{"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}},
		surroundings{defaults: map[string]string{"GIT_ASKPASS": "", "SSH_ASKPASS": "", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}})
	if errors.Is(err, abi.CodeCommandNotFound.Err()) {
		return nil, abi.Errorf(abi.CodeGitNotAvailable, "there is no git in the sandbox").
			WithSuggestion("use an image with git in it, or install it there (apt-get install git, apk add git)")
	}
	return cmd, err
}

// gitRun is how one run of git went.
type gitRun struct {
	out, errs tail
	code      int
}

// run runs git to its end. The end of ctx kills it with all that it has started.
func (g *gitRunner) run(ctx context.Context, cmd *command) (*gitRun, error) {
	r := &gitRun{}
	c, pumps, err := g.sup.launch(cmd, nil, &r.out, &r.errs)
	if err != nil {
		return nil, err
	}
	interrupted := await(ctx, c.done) != nil && !isClosed(c.done) // both: it did end
	if interrupted {
		g.sup.reaper.kill(ctx, []*child{c}, syscall.SIGKILL, 0)
	}
	_ = settleAll(context.Background(), pumps) // a tail never waits
	for _, p := range pumps {
		p.leave()
	}
	r.code, _ = c.exitOrKilled()
	switch {
	case !interrupted:
		return r, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, abi.Errorf(abi.CodeTimeout, "the checkout had not ended in time, and was undone").
			WithStarted(abi.StartedYes).WithDetails(g.failure(r)).WithSuggestion("raise timeout, or set depth")
	}
	return nil, errCallerGone()
}

// failure is what git said, without credentials.
func (g *gitRunner) failure(r *gitRun) abi.CheckoutFailure {
	return abi.CheckoutFailure{ExitCode: r.code, Stderr: g.redact.clean(r.errs.text())}
}

// clone clones, and tells what came of it.
func (g *gitRunner) clone(ctx context.Context, cmd *command, repo *repository, target string) (*abi.CheckoutResponse, error) {
	r, err := g.run(ctx, cmd)
	if err != nil {
		return nil, err
	}
	if r.code != 0 {
		return nil, g.cloneError(r, repo, target)
	}
	resp := &abi.CheckoutResponse{TargetDir: target}
	// Neither is there in an empty repository, and no branch for a tag.
	if resp.Commit, err = g.ask(ctx, target, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
		return nil, err
	}
	resp.Branch, err = g.ask(ctx, target, "symbolic-ref", "--short", "--quiet", "HEAD")
	return resp, err
}

// ask runs git in the clone and returns the line that it printed, or nothing if it
// did not know. Who owns the folder does not matter: it was just made.
func (g *gitRunner) ask(ctx context.Context, target string, args ...string) (string, error) {
	cmd, err := g.prepare(append([]string{"-c", "safe.directory=*", "-C", target}, args...)...)
	if err != nil {
		return "", err
	}
	r, err := g.run(ctx, cmd)
	if err != nil {
		return "", err
	}
	if r.code > 1 {
		return "", abi.Errorf(abi.CodeGitFailed, "git could not tell what it had cloned into %.200s", target).
			WithStarted(abi.StartedYes).WithDetails(g.failure(r))
	}
	return strings.TrimSpace(r.out.text()), nil
}

// cloneError says why a clone failed.
func (g *gitRunner) cloneError(r *gitRun, repo *repository, target string) error {
	details := g.failure(r)
	said := details.Stderr
	switch {
	case strings.Contains(said, "No space left on device"):
		return fileError(target, syscall.ENOSPC)
	case repo.remote() && !hasNetwork():
		return abi.Errorf(abi.CodeGitFailed, "the sandbox has no network, and so does not reach %.200s", repo.host).
			WithDetails(details).WithSuggestion("set network to egress in the sandbox's binding")
	}
	e := abi.Errorf(abi.CodeGitFailed, "git clone failed: %.500s", lastLine(said)).WithDetails(details)
	if strings.Contains(said, "terminal prompts disabled") || strings.Contains(said, "Authentication failed") {
		return e.WithSuggestion("put a token into the url, or set up a credential helper in the sandbox")
	}
	return e
}

// lastLine is the last line that says something, or what git says of itself.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "fatal: ") {
			return lines[i]
		}
	}
	return lines[len(lines)-1]
}

// hasNetwork tells whether the sandbox has a way out: an interface that is up and
// is not the loopback. What cannot be told counts as one.
func hasNetwork() bool {
	all, err := net.Interfaces()
	if err != nil {
		return true
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			return true
		}
	}
	return false
}

// tail keeps the last bytes of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write is io.Writer's and takes everything.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-stderrTail):]...)
	if beyond := len(t.buf) - stderrTail; beyond > 0 {
		t.buf = append(t.buf[:0], t.buf[beyond:]...)
	}
	return len(p), nil
}

// text returns what was kept as UTF-8, from the beginning of a line if it is not
// all.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := string(t.buf)
	if len(s) == stderrTail {
		if _, rest, ok := strings.Cut(s, "\n"); ok {
			s = rest
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
