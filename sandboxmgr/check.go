package sandboxmgr

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"edge/abi"
)

// Bounds of requests that the init would refuse later and less clearly.
const (
	maxCursor     = 128       // bytes
	maxCommand    = 128 << 10 // bytes: Linux takes no longer single argument
	maxArguments  = 4096
	maxStdin      = 16 << 20 // bytes
	maxEnv        = 1024     // variables
	maxLabels     = 64
	maxLabelBytes = 1024 // of one label's key and value together
	maxPattern    = 4096 // bytes
	maxGlobs      = 64
	maxUser       = 256  // bytes
	maxURL        = 4096 // bytes
	maxGrace      = 10 * time.Minute
	maxWait       = 24 * time.Hour
)

func invalid(format string, args ...any) error {
	return abi.Errorf(abi.CodeInvalidRequest, format, args...)
}

// checkText refuses what no system call takes: a NUL, or bytes that are not
// UTF-8 (which JSON would change on the way).
func checkText(what, s string, limit int) error {
	switch {
	case len(s) > limit:
		return invalid("%s has %d bytes; at most %d are possible", what, len(s), limit)
	case strings.ContainsRune(s, 0):
		return invalid("%s holds a NUL", what)
	case !utf8.ValidString(s):
		return invalid("%s is not UTF-8", what)
	}
	return nil
}

// checkProgram checks that exactly one of command and argv is there.
func checkProgram(command string, argv []string) error {
	switch {
	case command == "" && len(argv) == 0:
		return invalid("neither command nor argv is given")
	case command != "" && len(argv) > 0:
		return invalid("command and argv are both given; give one")
	case len(argv) > maxArguments:
		return invalid("argv has %d arguments; at most %d are possible", len(argv), maxArguments)
	case len(argv) > 0 && argv[0] == "":
		return invalid("argv[0] is empty")
	}
	for _, a := range argv {
		if err := checkText("an argument", a, maxCommand); err != nil {
			return err
		}
	}
	return checkText("command", command, maxCommand)
}

func checkEnv(env map[string]string) error {
	if len(env) > maxEnv {
		return invalid("env has %d variables; at most %d are possible", len(env), maxEnv)
	}
	for k, v := range env {
		if k == "" || strings.ContainsAny(k, "=\x00") || !utf8.ValidString(k) {
			return invalid("env: %.40q cannot be a variable's name", k)
		}
		if strings.HasPrefix(k, "EDGE_INIT_") {
			return invalid("env: %.40q is reserved for the edge", k)
		}
		if err := checkText("env: the value of "+k, v, maxCommand); err != nil {
			return err
		}
	}
	return nil
}

// checkEnvVars checks what setEnvVars sets; nil unsets.
func checkEnvVars(vars map[string]*string) error {
	env := make(map[string]string, len(vars))
	for k, v := range vars {
		env[k] = ""
		if v != nil {
			env[k] = *v
		}
	}
	return checkEnv(env)
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return invalid("labels: %d are given; at most %d are possible", len(labels), maxLabels)
	}
	for k, v := range labels {
		if k == "" || strings.HasPrefix(k, labelPrefix) {
			return invalid("label %.40q: a name that is not empty and does not begin with %q is needed", k, labelPrefix)
		}
		if err := checkText("label "+k, k+v, maxLabelBytes); err != nil {
			return err
		}
	}
	return nil
}

// checkDir checks a working directory; empty is the default one.
func checkDir(cwd string) error { return checkText("cwd", cwd, abi.MaxPathBytes) }

func checkPath(path string) error { return checkNamed("path", path) }

// checkNamed checks a path in the field of that name.
func checkNamed(what, path string) error {
	if path == "" {
		return invalid("%s is empty", what)
	}
	return checkText(what, path, abi.MaxPathBytes)
}

func checkSpan(what string, d, limit time.Duration) error {
	if d < 0 || d > limit {
		return invalid("%s is %s; want 0 to %s", what, d, limit)
	}
	return nil
}

// checkSignal checks a signal's form; which ones exist is the init's to know.
func checkSignal(sig abi.Signal) error {
	if sig == "" {
		return nil
	}
	if n, err := strconv.Atoi(string(sig)); err == nil {
		if n < 1 || n > 64 {
			return invalid("signal %d is not between 1 and 64", n)
		}
		return nil
	}
	if len(sig) > 16 || strings.ContainsFunc(string(sig), func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '-'
	}) {
		return invalid("signal %.40q: want a name like \"TERM\" or a number", string(sig))
	}
	return nil
}

func checkKill(sig abi.Signal, grace abi.Duration) error {
	if err := checkSignal(sig); err != nil {
		return err
	}
	return checkSpan("grace", grace.D(), maxGrace)
}

func checkOneOf(what, got string, want ...string) error {
	if got == "" || slices.Contains(want, got) {
		return nil
	}
	return invalid("%s %.40q: want %s", what, got, strings.Join(want, " or "))
}

func checkExec(req *abi.ExecRequest) error {
	if req.MaxOutput < 0 || req.MaxOutput > abi.MaxMaxOutput {
		return invalid("maxOutput is %d; want 0 to %d", req.MaxOutput, abi.MaxMaxOutput)
	}
	return firstError(
		checkProgram(req.Command, req.Argv), checkDir(req.Cwd), checkEnv(req.Env),
		checkOneOf("encoding", req.Encoding, "utf8", "base64"),
		checkText("stdin", strings.ReplaceAll(req.Stdin, "\x00", ""), maxStdin),
		checkSpan("timeout", req.Timeout.D(), maxWait), checkUser(req.User), checkSession(req.Session),
	)
}

func checkStartProcess(req *abi.StartProcessRequest) error {
	var id error
	if req.ProcessID != "" {
		id = abi.CheckProcessID(req.ProcessID)
	}
	return firstError(
		checkProgram(req.Command, req.Argv), id, checkDir(req.Cwd), checkEnv(req.Env),
		checkOneOf("ifRunning", string(req.IfRunning), string(abi.IfRunningError), string(abi.IfRunningReuse), string(abi.IfRunningRestart)),
		checkSpan("timeout", req.Timeout.D(), maxWait), checkUser(req.User), checkSession(req.Session),
	)
}

// checkAutostart checks what a binding starts by itself.
func checkAutostart(a *Autostart) error {
	if a.Port != 0 {
		if err := abi.CheckPort(a.Port); err != nil {
			return err
		}
	}
	return checkStartProcess(&a.StartProcessRequest)
}

func checkLogs(req *abi.LogsRequest) error {
	if req.Tail < 0 {
		return invalid("tail is %d; want 0 or more", req.Tail)
	}
	return firstError(abi.CheckProcessID(req.ProcessID), checkText("since", req.Since, maxCursor))
}

func checkWaitForLog(req *abi.WaitForLogRequest) error {
	if req.Pattern == "" {
		return invalid("pattern is empty")
	}
	return firstError(abi.CheckProcessID(req.ProcessID), checkText("pattern", req.Pattern, maxPattern),
		checkSpan("timeout", req.Timeout.D(), maxWait))
}

func checkWriteFile(req *abi.WriteFileRequest) error {
	size := len(req.Content)
	if req.Encoding == "base64" {
		size = base64.StdEncoding.DecodedLen(size)
		if strings.HasSuffix(req.Content, "=") {
			size -= len(req.Content) - len(strings.TrimRight(req.Content, "="))
		}
	}
	if size > abi.MaxFileResponse {
		return abi.Errorf(abi.CodeFileTooLarge, "the content has %d bytes; at most %d can be written in one request", size, abi.MaxFileResponse)
	}
	return firstError(checkMode(req.Mode), checkPath(req.Path), checkOneOf("encoding", req.Encoding, "utf8", "base64"))
}

// checkMode checks permission bits; empty is the default.
func checkMode(mode string) error {
	if mode == "" {
		return nil
	}
	if m, err := strconv.ParseUint(mode, 8, 32); err != nil || m > 0o777 {
		return invalid("mode %.20q: want permission bits in octal up to \"0777\", like \"0644\"", mode)
	}
	return nil
}

func checkLimit(n, most int) error {
	if n < 0 || n > most {
		return invalid("limit is %d; want 1 to %d", n, most)
	}
	return nil
}

func checkGlobs(what string, globs []string) error {
	if len(globs) > maxGlobs {
		return invalid("%s has %d globs; at most %d are possible", what, len(globs), maxGlobs)
	}
	for _, g := range globs {
		if g == "" {
			return invalid("%s holds an empty glob", what)
		}
		if err := checkText(what, g, maxPattern); err != nil {
			return err
		}
	}
	return nil
}

func checkSessionID(id string) error {
	if abi.CheckProcessID(id) != nil { // the same rule
		return invalid("session id %.60q: want 1 to %d characters, none of them a control character", id, abi.MaxSessionIDLength)
	}
	return nil
}

// checkSession checks a reference to a session; empty is none.
func checkSession(id string) error {
	if id == "" {
		return nil
	}
	return checkSessionID(id)
}

func checkUser(user string) error { return checkText("user", user, maxUser) }

func checkExecStream(req *abi.ExecStreamRequest) error {
	return checkExec(&abi.ExecRequest{
		Command: req.Command, Argv: req.Argv, Cwd: req.Cwd, Env: req.Env, Stdin: req.Stdin,
		Encoding: req.Encoding, Timeout: req.Timeout, User: req.User, Session: req.Session,
	})
}

func checkTerminal(req *abi.TerminalRequest) error {
	given := 0
	for _, set := range []bool{req.Shell != "", req.Command != "", len(req.Argv) > 0} {
		if set {
			given++
		}
	}
	var program, id error
	switch {
	case given > 1:
		return invalid("more than one of shell, command and argv is given; give one")
	case req.Command != "" || len(req.Argv) > 0:
		program = checkProgram(req.Command, req.Argv)
	}
	if req.ID != "" {
		if id = abi.CheckProcessID(req.ID); id != nil {
			id = invalid("terminal id %.60q: want 1 to %d characters, none of them a control character", req.ID, abi.MaxProcessIDLength)
		}
	}
	if req.Cols < 0 || req.Cols > abi.MaxWindow || req.Rows < 0 || req.Rows > abi.MaxWindow {
		return invalid("the window is %d by %d; want 1 to %d each", req.Cols, req.Rows, abi.MaxWindow)
	}
	if req.Since != nil && *req.Since < 0 {
		return invalid("since is %d; want 0 or more", *req.Since)
	}
	return firstError(program, id, checkText("shell", req.Shell, abi.MaxPathBytes), checkDir(req.Cwd), checkEnv(req.Env),
		checkUser(req.User), checkSession(req.Session))
}

// checkCheckout refuses what git would take for an option.
func checkCheckout(req *abi.CheckoutRequest) error {
	switch {
	case req.URL == "":
		return invalid("url is empty")
	case strings.HasPrefix(req.URL, "-") || strings.HasPrefix(req.Branch, "-"):
		return invalid("neither url nor branch begins with \"-\"")
	case req.Depth < 0:
		return invalid("depth is %d; want 0 or more", req.Depth)
	}
	return firstError(checkText("url", req.URL, maxURL), checkText("branch", req.Branch, maxPattern),
		checkText("targetDir", req.TargetDir, abi.MaxPathBytes), checkSpan("timeout", req.Timeout.D(), maxWait))
}

func checkReadFile(req *abi.ReadFileRequest) error {
	return firstError(checkPath(req.Path), checkOneOf("encoding", req.Encoding, "utf8", "base64"))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkPort refuses ports that are out of range or reserved by configuration.
func (m *Manager) checkPort(port int) error {
	if err := abi.CheckPort(port); err != nil {
		return err
	}
	if slices.Contains(m.config.ReservedPorts, port) {
		return abi.Errorf(abi.CodeInvalidPort, "port %d is reserved by the edge's configuration", port).
			WithSuggestion("use another port, or take %d out of reservedPorts", port)
	}
	return nil
}
