package initd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"edge/abi"
)

const (
	shell       = "/bin/sh"
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// envPrefix begins the init's own variables, which children do not get.
	envPrefix = "EDGE_INIT_"
	// markName is the environment variable by which everything that a child
	// has started is found again, whatever group or session it went to.
	markName = "EDGE_PROCESS"
	// markSession begins the end of a mark, which tells the session.
	markSession = "@"
)

// command is a command ready to be started.
type command struct {
	text string // as listings show it
	path string
	argv []string
	dir  string
	env  []string
	// user is who runs it; nil is the init's own.
	user *identity
	// session is what it belongs to; nil is none.
	session *session
}

// request is what the operations say of their command.
type request struct {
	command string
	argv    []string
	cwd     string
	env     map[string]string
}

// resolve checks a request and finds its program, in the PATH that the program
// will have. base is the environment that env is added to.
func resolve(req request, base []string) (*command, error) {
	if (req.command == "") == (len(req.argv) == 0) {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "exactly one of command and argv must be given")
	}
	for _, s := range append([]string{req.command, req.cwd}, req.argv...) {
		if strings.IndexByte(s, 0) >= 0 {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "the command or its cwd holds a NUL byte")
		}
	}
	env, err := environment(base, req.env)
	if err != nil {
		return nil, err
	}
	dir, err := workingDir(req.cwd)
	if err != nil {
		return nil, err
	}
	c := &command{text: req.command, argv: req.argv, dir: dir, env: env}
	if req.command != "" {
		c.argv = []string{shell, "-c", req.command}
		c.path = shell
		if !executable(shell) {
			return nil, abi.Errorf(abi.CodeCommandNotFound, "there is no %s in the sandbox", shell).
				WithSuggestion("use argv, which needs no shell")
		}
	} else {
		c.text = strings.Join(req.argv, " ")
		if c.path, err = lookPath(req.argv[0], pathOf(env)); err != nil {
			return nil, err
		}
	}
	if len(c.text) > maxCommand {
		c.text = string(wholeRunes([]byte(c.text[:maxCommand])))
	}
	return c, nil
}

// workingDir returns the absolute working directory: /workspace by default, or
// / where the image has none.
func workingDir(cwd string) (string, error) {
	if cwd == "" {
		if st, err := os.Stat(abi.DefaultCwd); err != nil || !st.IsDir() {
			return "/", nil
		}
		return abi.DefaultCwd, nil
	}
	dir, err := resolvePath(cwd)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", abi.Errorf(abi.CodeFileNotFound, "cwd %.200q does not exist", dir)
	case errors.Is(err, syscall.ENOTDIR), err == nil && !st.IsDir():
		return "", abi.Errorf(abi.CodeNotDirectory, "cwd %.200q is not a directory", dir)
	case err != nil:
		return "", abi.Errorf(abi.CodePermissionDenied, "cwd %.200q cannot be entered", dir)
	}
	return dir, nil
}

// environment returns base with vars in place of or beside its own.
func environment(base []string, vars map[string]string) ([]string, error) {
	env := make([]string, 0, len(base)+len(vars)+1)
	for _, entry := range base {
		name := nameOf(entry)
		if _, replaced := vars[name]; !replaced && !strings.HasPrefix(name, envPrefix) && name != markName {
			env = append(env, entry)
		}
	}
	for name, value := range vars {
		if err := checkVariable(name, value); err != nil {
			return nil, err
		}
		if name != markName {
			env = append(env, name+"="+value)
		}
	}
	return env, nil
}

// nameOf returns the name in "name=value".
func nameOf(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return name
}

// checkVariable refuses what no environment can hold.
func checkVariable(name, value string) error {
	if name == "" || strings.ContainsAny(name, "=\x00") || strings.IndexByte(value, 0) >= 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "environment variable %.60q: a name must not be empty or hold \"=\", and neither may hold NUL", name)
	}
	return nil
}

// pathOf returns the PATH in an environment, or the usual one.
func pathOf(env []string) string {
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, "PATH="); ok {
			return v
		}
	}
	return defaultPath
}

// lookPath finds a program as execvp does. One with a slash is left as it is,
// relative to the working directory.
func lookPath(name, path string) (string, error) {
	if name == "" {
		return "", abi.Errorf(abi.CodeInvalidRequest, "argv[0] is empty")
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		if p := filepath.Join(dir, name); filepath.IsAbs(p) && executable(p) {
			return p, nil
		}
	}
	return "", abi.Errorf(abi.CodeCommandNotFound, "%.200s: command not found in PATH %.500s", name, path)
}

// executable tells whether the file can be one that is run. Whether it really
// can is known when it is tried.
func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}
