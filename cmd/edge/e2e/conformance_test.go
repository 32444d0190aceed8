package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"edge/abi"
)

// inTime bounds what is to end by its timeout, but not before it has begun to print,
// or was asked once: a hundred times of what that takes.
const inTime = "2s"

// object is JSON as the table writes it.
type object = map[string]any

// step is one call of the conformance table.
type step struct {
	op string
	in object
	// want is a subset of the answer; of a stream, of its messages, in order and
	// all of them, unless events checks them.
	want   any
	events func(messages []message) error
	// code is the error that is wanted instead, and says a part of its text.
	code    abi.Code
	says    string
	details any // a subset of the error's details; the command line shows none
	// lose kills the sandbox first, and waits until that is known.
	lose bool
	// send and until are the input of a stream, see door.
	send  []message
	until string
}

// conformance walks every operation, in the order of the page that users read,
// on one sandbox that nobody used before. Each row stands here at least once as
// a success, and with the errors that are its own.
var conformance = slices.Concat(lifeSteps, execSteps, sessionSteps, processSteps, fileSteps, pathSteps(), terminalSteps, portSteps, lostSteps, endSteps)

var lifeSteps = []step{
	{op: "getState", want: object{"state": "absent", "generation": 0, "connections": 0, "processes": 0}},
	{op: "inspect", want: object{"binding": "Sandbox", "state": "absent", "network": "none", "persist": "all"}},
	{op: "getProcess", in: object{"processId": "web"}, code: abi.CodeProcessNotFound},
	{op: "getState", want: object{"state": "absent", "generation": 0}}, // that question started nothing
	{op: "setEnvVars", in: object{"envVars": object{"GREETING": "hello", "GONE": "soon"}}, want: object{}},
	{op: "setEnvVars", in: object{"envVars": object{"GONE": nil}}, want: object{}},
	{op: "setEnvVars", in: object{"envVars": object{"A=B": "x"}}, code: abi.CodeInvalidRequest, says: "A=B"},
	{op: "start", want: object{"state": "running", "generation": 1, "startedAt": check(some), "lastActivityAt": check(some)}},
	{op: "start", in: object{"force": true}, code: abi.CodeInvalidRequest, says: "force"},
	{op: "pause", want: object{"state": "running", "paused": true}},
	{op: "getState", want: object{"state": "running", "paused": true, "generation": 1}},
	{op: "resume", want: object{"state": "running", "paused": check(none)}},
	{op: "resume", want: object{"state": "running", "paused": check(none)}},
	{op: "touch", want: object{"state": "running", "sleepsAt": check(some)}},
	{op: "inspect", want: object{"state": "running", "machine": check(some), "preset": "default", "dial": "namespace", "limits": check(limited), "sleepAfter": 600_000}},
}

// limited wants every bound that has a name, and what enforces it.
func limited(got any) error {
	list, _ := got.([]any)
	names := map[string]bool{}
	for _, l := range list {
		limit, _ := l.(map[string]any)
		name, _ := limit["name"].(string)
		if limit["value"] == "" || limit["by"] == "" {
			return fmt.Errorf("%v has no value or nothing that enforces it", limit)
		}
		names[name] = true
	}
	for _, name := range []string{"memory", "cpus", "pids", "swap", "disk"} {
		if !names[name] {
			return fmt.Errorf("nothing is said of %s: %v", name, slices.Sorted(maps.Keys(names)))
		}
	}
	return nil
}

var execSteps = []step{
	{op: "exec", in: object{"command": "echo $GREETING$GONE; echo oops >&2; exit 3"},
		want: object{"success": false, "exitCode": 3, "stdout": "hello\n", "stderr": "oops\n", "truncated": false}},
	{op: "exec", in: object{"argv": []string{"cat", "-"}, "stdin": "grüße"}, want: object{"success": true, "stdout": "grüße"}},
	{op: "exec", in: object{"command": "pwd; echo $A", "cwd": "/tmp", "env": object{"A": "1"}}, want: object{"stdout": "/tmp\n1\n"}},
	{op: "exec", in: object{"command": "pwd"}, want: object{"stdout": "/workspace\n"}},
	{op: "exec", in: object{"command": `printf '\377\000'`, "encoding": "base64"}, want: object{"stdout": "/wA="}},
	{op: "exec", in: object{"command": "echo 123456", "maxOutput": 4}, want: object{"stdout": "1234", "truncated": true}},
	{op: "exec", in: object{"command": "kill -9 $$"}, want: object{"success": false, "exitCode": 137, "signal": "SIGKILL"}},
	{op: "exec", in: object{"command": "echo so far; sleep 600", "timeout": inTime}, code: abi.CodeTimeout, details: object{"stdout": "so far\n"}},
	{op: "exec", in: object{"argv": []string{"no-such-program"}}, code: abi.CodeCommandNotFound, says: "no-such-program"},
	{op: "exec", in: object{"command": "true", "cwd": "/no/such"}, code: abi.CodeFileNotFound, says: "/no/such"},
	{op: "exec", in: object{"command": "true", "cwd": "/etc/passwd"}, code: abi.CodeNotDirectory},
	{op: "exec", in: object{"command": "true", "session": "none"}, code: abi.CodeSessionNotFound, says: "none"},
	{op: "exec", in: object{}, code: abi.CodeInvalidRequest, says: "command"},
	{op: "exec", in: object{"command": "true", "argv": []string{"true"}}, code: abi.CodeInvalidRequest},
	{op: "exec", in: object{"command": "true", "maxOutput": abi.MaxMaxOutput}, want: object{"success": true}},
	{op: "exec", in: object{"command": "true", "maxOutput": abi.MaxMaxOutput + 1}, code: abi.CodeInvalidRequest, says: "maxOutput"},
	{op: "exec", in: object{"command": "true", "timeout": "soon"}, code: abi.CodeInvalidRequest, says: "soon"},
	{op: "exec", in: object{"command": "true", "user": "nobody-of-that-name"}, code: abi.CodeInvalidRequest, says: "nobody-of-that-name"},

	{op: "execStream", in: object{"command": "echo one; echo two >&2; printf three; exit 4"}, events: ran("one\nthree", "two\n", 4)},
	{op: "execStream", in: object{"argv": []string{"cat"}, "input": true}, send: []message{{Bytes: []byte("typed")}, text(`{"type":"end"}`)}, want: []any{
		object{"type": "start"}, object{"type": "stdout", "data": "typed"}, object{"type": "exit", "exitCode": 0},
	}},
	{op: "execStream", in: object{"command": "echo so far; sleep 60", "timeout": "200ms"}, code: abi.CodeTimeout},
	{op: "execStream", in: object{"argv": []string{"no-such-program"}}, code: abi.CodeCommandNotFound},
	{op: "execStream", in: object{"argv": []string{"true"}, "session": "none"}, code: abi.CodeSessionNotFound},
	{op: "execStream", in: object{"argv": []string{"true"}, "cwd": "/no/such"}, code: abi.CodeFileNotFound},
	{op: "execStream", in: object{"argv": []string{"true"}, "cwd": "/etc/passwd"}, code: abi.CodeNotDirectory},
}

// ran wants a command's start, then what it printed on each stream, then its exit.
// Between the two streams, which are two pipes, there is no order.
func ran(stdout, stderr string, exitCode int) func([]message) error {
	return func(messages []message) error {
		if len(messages) < 2 {
			return fmt.Errorf("got %d messages", len(messages))
		}
		last := len(messages) - 1
		got := map[abi.ExecEventType]string{}
		for _, m := range messages[1:last] {
			var ev abi.ExecEvent
			if err := json.Unmarshal(m.Text, &ev); err != nil {
				return err
			}
			got[ev.Type] += ev.Data
		}
		if got[abi.ExecStdout] != stdout || got[abi.ExecStderr] != stderr || len(got) != 2 {
			return fmt.Errorf("got %q", got)
		}
		return errors.Join(subset(object{"type": "start", "pid": check(some)}, decoded(messages[0])),
			subset(object{"type": "exit", "exitCode": exitCode}, decoded(messages[last])))
	}
}

var sessionSteps = []step{
	{op: "createSession", in: object{"id": "work", "cwd": "/tmp", "env": object{"B": "2"}},
		want: object{"id": "work", "cwd": "/tmp", "env": object{"B": "2"}, "createdAt": check(some)}},
	{op: "createSession", in: object{"id": "work"}, code: abi.CodeSessionAlreadyExists, says: "work"},
	{op: "createSession", in: object{"id": ""}, want: object{"id": check(some), "cwd": "/workspace"}},
	{op: "exec", in: object{"command": "pwd; echo $B$GREETING", "session": "work"}, want: object{"stdout": "/tmp\n2hello\n"}},
	{op: "startProcess", in: object{"processId": "of-session", "command": "sleep 1000", "session": "work"}, want: object{"session": "work"}},
	{op: "getSession", in: object{"id": "work"}, want: object{"id": "work", "cwd": "/tmp", "processes": 1}},
	{op: "startProcess", in: object{"processId": "of-nobody", "command": "sleep 1000"}, want: object{"id": "of-nobody"}},
	{op: "deleteSession", in: object{"id": "work"}, want: object{}},
	{op: "getProcess", in: object{"processId": "of-session"}, want: object{"status": "killed"}},
	{op: "getProcess", in: object{"processId": "of-nobody"}, want: object{"status": "running"}},
	{op: "getSession", in: object{"id": "work"}, code: abi.CodeSessionNotFound, says: "work"},
	{op: "deleteSession", in: object{"id": "work"}, code: abi.CodeSessionNotFound},
}

var processSteps = []step{
	{op: "startProcess", in: object{"processId": "web", "command": "echo ready 42; echo loud >&2; exec sleep 1000"},
		want: object{"id": "web", "pid": check(some), "command": holding("echo ready"), "startedAt": check(some)}},
	{op: "startProcess", in: object{"processId": "web", "command": "true"}, code: abi.CodeProcessAlreadyExists, says: "already exists"},
	{op: "startProcess", in: object{"processId": "web", "command": "true", "ifRunning": "reuse"}, want: object{"id": "web", "command": holding("echo ready")}},
	{op: "startProcess", in: object{"processId": "web", "command": "true", "ifRunning": "perhaps"}, code: abi.CodeInvalidRequest, says: "perhaps"},
	{op: "startProcess", in: object{"argv": []string{"no-such-program"}}, code: abi.CodeCommandNotFound},
	{op: "startProcess", in: object{"argv": []string{"true"}, "session": "none"}, code: abi.CodeSessionNotFound},
	{op: "startProcess", in: object{"argv": []string{"true"}, "cwd": "/no/such"}, code: abi.CodeFileNotFound},
	{op: "startProcess", in: object{"argv": []string{"true"}, "cwd": "/etc/passwd"}, code: abi.CodeNotDirectory},
	{op: "startProcess", in: object{"argv": []string{"true"}, "processId": strings.Repeat("p", abi.MaxProcessIDLength+1)}, code: abi.CodeInvalidRequest},
	{op: "waitForLog", in: object{"processId": "web", "pattern": "ready"}, want: object{"line": "ready 42", "match": []any{"ready"}, "elapsed": check(anything)}},
	{op: "waitForLog", in: object{"processId": "web", "pattern": `ready (\d+)`, "regexp": true}, want: object{"match": []any{"ready 42", "42"}}},
	{op: "waitForLog", in: object{"processId": "web", "pattern": "(?=x)", "regexp": true}, code: abi.CodeInvalidRequest},
	{op: "waitForLog", in: object{"processId": "web", "pattern": "never", "timeout": "50ms"}, code: abi.CodeProcessReadyTimeout},
	{op: "waitForLog", in: object{"processId": "nobody", "pattern": "x"}, code: abi.CodeProcessNotFound, says: "nobody"},
	{op: "waitForPort", in: object{"port": 9000, "processId": "nobody"}, code: abi.CodeProcessNotFound},
	{op: "waitForExit", in: object{"processId": "nobody"}, code: abi.CodeProcessNotFound},
	{op: "waitForLog", in: object{"processId": "web", "pattern": "loud"}, want: object{"line": "loud"}},
	{op: "getLogs", in: object{"processId": "web"}, want: object{"stdout": "ready 42\n", "stderr": "loud\n", "cursor": check(some), "dropped": 0}},
	{op: "getLogs", in: object{"processId": "web", "tail": 1}, want: object{"stdout": "ready 42\n"}},
	{op: "getLogs", in: object{"processId": "web", "since": "nonsense"}, code: abi.CodeInvalidRequest, says: "nonsense"},
	{op: "getLogs", in: object{"processId": "nobody"}, code: abi.CodeProcessNotFound},
	{op: "streamLogs", in: object{"processId": "web"}, events: logged("ready 42\n", "loud\n")},
	{op: "streamLogs", in: object{"processId": "nobody"}, code: abi.CodeProcessNotFound},
	{op: "listProcesses", want: object{"processes": check(listing("web"))}},
	{op: "getProcess", in: object{"processId": "web"}, want: object{"status": "running", "exitCode": check(none)}},
	{op: "killProcess", in: object{"processId": "web", "signal": "INT"}, want: object{"status": "killed", "signal": "SIGINT", "endedAt": check(some)}},
	{op: "killProcess", in: object{"processId": "nobody"}, code: abi.CodeProcessNotFound},
	{op: "killProcess", in: object{"processId": "web", "signal": 65}, code: abi.CodeInvalidRequest},
	{op: "waitForExit", in: object{"processId": "web"}, want: object{"exitCode": 130, "signal": "SIGINT"}},
	{op: "waitForExit", in: object{"processId": "of-nobody", "timeout": "50ms"}, code: abi.CodeTimeout},
	{op: "startProcess", in: object{"processId": "http", "command": `exec bun -e 'Bun.serve({port: 9000, fetch: r => new Response("no", {status: new URL(r.url).pathname == "/bad" ? 503 : 200})})'`},
		want: object{"id": "http"}},
	{op: "waitForPort", in: object{"port": 9000, "processId": "http"}, want: object{"port": 9000, "elapsed": check(anything)}},
	{op: "waitForPort", in: object{"port": 9000, "path": "/", "status": object{"min": 200, "max": 204}}, want: object{"port": 9000}},
	{op: "waitForPort", in: object{"port": 9000, "path": "/bad", "timeout": inTime}, code: abi.CodeProcessReadyTimeout, details: object{"diagnosis": "wrong_status:503"}},
	{op: "waitForPort", in: object{"port": 9001, "timeout": inTime}, code: abi.CodeProcessReadyTimeout, details: object{"diagnosis": "listening_on:[9000]"}},
	{op: "waitForPort", in: object{"port": 80}, code: abi.CodeInvalidPort, says: "80"},
	{op: "waitForPort", in: object{"port": 9002, "processId": "web"}, code: abi.CodeProcessExitedBeforeReady, details: object{"exitCode": 130, "signal": "SIGINT"}},
	{op: "waitForLog", in: object{"processId": "web", "pattern": "never"}, code: abi.CodeProcessExitedBeforeReady, details: object{"exitCode": 130}},
	{op: "killAllProcesses", want: object{"count": 2}},
	{op: "killAllProcesses", want: object{"count": 0}},
}

// anything is no condition.
func anything(any) error { return nil }

// listing wants a process of that id in a list.
func listing(id string) check {
	return func(got any) error {
		list, _ := got.([]any)
		for _, p := range list {
			if subset(object{"id": id}, p) == nil {
				return nil
			}
		}
		return fmt.Errorf("%s is not among %v", id, got)
	}
}

// logged wants a log stream with that output, and cursors.
func logged(stdout, stderr string) func([]message) error {
	return func(messages []message) error {
		got := map[abi.LogEventType]string{}
		for _, m := range messages {
			var ev abi.LogEvent
			if err := json.Unmarshal(m.Text, &ev); err != nil {
				return err
			}
			if ev.Cursor == "" {
				return fmt.Errorf("%s has no cursor", m.Text)
			}
			got[ev.Type] += ev.Data
		}
		if got[abi.LogStdout] != stdout || got[abi.LogStderr] != stderr || len(got) != 2 {
			return fmt.Errorf("got %q", got)
		}
		return nil
	}
}

var fileSteps = []step{
	{op: "writeFile", in: object{"path": "a/b.txt", "content": "one\nneedle two\n", "mode": "0640"}, want: object{"path": "/workspace/a/b.txt", "size": 15}},
	{op: "writeFile", in: object{"path": "a/raw", "content": "/wA=", "encoding": "base64"}, want: object{"size": 2}},
	{op: "writeFile", in: object{"path": "a", "content": ""}, code: abi.CodeIsDirectory},
	{op: "writeFile", in: object{"path": "a/b.txt/c", "content": ""}, code: abi.CodeNotDirectory},
	{op: "writeFile", in: object{"path": "/nope", "content": ""}, code: abi.CodePermissionDenied},
	{op: "writeFile", in: object{"path": "a\x00b", "content": ""}, code: abi.CodeInvalidRequest, says: "NUL"},
	{op: "writeFile", in: object{"path": strings.Repeat("p", abi.MaxPathBytes+1), "content": ""}, code: abi.CodeInvalidRequest},
	{op: "readFile", in: object{"path": "a/b.txt"}, want: object{"content": "one\nneedle two\n", "encoding": "utf8", "isBinary": false, "size": 15}},
	{op: "readFile", in: object{"path": "/workspace/a/raw"}, want: object{"content": "/wA=", "encoding": "base64", "isBinary": true}},
	{op: "readFile", in: object{"path": "none"}, code: abi.CodeFileNotFound, says: "none"},
	{op: "readFile", in: object{"path": "a"}, code: abi.CodeIsDirectory},
	{op: "readFile", in: object{"path": "a/../a/./b.txt"}, want: object{"size": 15}},
	{op: "writeFileStream", in: object{"path": "a/stream"}, send: []message{{Bytes: []byte("first ")}, {Bytes: []byte("second")}, text(`{"type":"end"}`)},
		want: []any{object{"path": "/workspace/a/stream", "size": 12}}},
	{op: "writeFileStream", in: object{"path": "a"}, code: abi.CodeIsDirectory},
	{op: "readFileStream", in: object{"path": "a/stream"}, events: bytesOf("first second")},
	{op: "readFileStream", in: object{"path": "a/stream", "offset": 6, "length": 3}, events: bytesOf("sec")},
	{op: "readFileStream", in: object{"path": "none"}, code: abi.CodeFileNotFound},
	{op: "exists", in: object{"path": "a/b.txt"}, want: object{"exists": true, "info": object{"type": "file", "size": 15, "mode": "0640"}}},
	{op: "exists", in: object{"path": "none"}, want: object{"exists": false}},
	{op: "mkdir", in: object{"path": "d/e/f"}, code: abi.CodeFileNotFound},
	{op: "mkdir", in: object{"path": "d/e/f", "recursive": true}, want: object{}},
	{op: "mkdir", in: object{"path": "d"}, code: abi.CodeFileExists},
	{op: "setPermissions", in: object{"path": "a/b.txt", "mode": "0600"}, want: object{}},
	{op: "setPermissions", in: object{"path": "a/b.txt", "mode": "0999"}, code: abi.CodeInvalidRequest, says: "0999"},
	{op: "setPermissions", in: object{"path": "none", "mode": "0600"}, code: abi.CodeFileNotFound},
	{op: "renameFile", in: object{"oldPath": "a/stream", "newPath": "a/renamed"}, want: object{}},
	{op: "renameFile", in: object{"oldPath": "none", "newPath": "a/x"}, code: abi.CodeFileNotFound},
	{op: "moveFile", in: object{"sourcePath": "a/renamed", "destinationPath": "d/e"}, want: object{}},
	{op: "moveFile", in: object{"sourcePath": "none", "destinationPath": "d"}, code: abi.CodeFileNotFound},
	{op: "exec", in: object{"command": "ln -s b.txt a/link; touch a/.hidden"}, want: object{"success": true}},
	{op: "listFiles", in: object{"path": "a"}, want: object{"truncated": false, "files": []any{
		object{"name": "b.txt", "path": "b.txt", "type": "file", "size": 15, "mode": "0600", "modifiedAt": check(some)},
		object{"name": "link", "type": "symlink", "target": "b.txt"},
		object{"name": "raw", "type": "file", "size": 2},
	}}},
	{op: "listFiles", in: object{"path": "d", "recursive": true}, want: object{"files": []any{
		object{"path": "e", "type": "directory"}, object{"path": "e/f", "type": "directory"}, object{"path": "e/renamed"},
	}}},
	{op: "listFiles", in: object{"path": "a", "includeHidden": true, "limit": 1}, want: object{"truncated": true, "files": []any{object{"name": ".hidden"}}}},
	{op: "listFiles", in: object{"path": "a", "limit": abi.MaxListLimit + 1}, code: abi.CodeInvalidRequest, says: "limit"},
	{op: "listFiles", in: object{"path": "a/b.txt"}, code: abi.CodeNotDirectory},
	{op: "searchFiles", in: object{"glob": "*.txt"}, want: object{"matches": []any{object{"path": "a/b.txt", "type": "file"}}, "truncated": false}},
	{op: "searchFiles", in: object{"path": "a", "text": "needle"}, want: object{"matches": []any{object{"path": "b.txt", "line": 2, "text": "needle two"}}}},
	{op: "searchFiles", in: object{"path": "a", "text": "["}, want: object{"matches": []any{}}},
	{op: "searchFiles", in: object{"path": "a", "text": "[", "regexp": true}, code: abi.CodeInvalidRequest},
	{op: "searchFiles", in: object{"path": "a"}, code: abi.CodeInvalidRequest},
	{op: "startProcess", in: object{"processId": "writer", "command": "while :; do touch d/new; rm d/new; sleep 0.02; done"}, want: object{}},
	{op: "watch", in: object{"path": "d"}, until: "create", events: beginningWith("ready")},
	{op: "watch", in: object{"path": "none"}, code: abi.CodeFileNotFound},
	{op: "killProcess", in: object{"processId": "writer"}, want: object{"status": "killed"}},
	{op: "deleteFile", in: object{"path": "a"}, code: abi.CodeIsDirectory},
	{op: "deleteFile", in: object{"path": "a", "recursive": true}, want: object{}},
	{op: "deleteFile", in: object{"path": "a"}, code: abi.CodeFileNotFound},
	{op: "exec", in: object{"command": "git init -q -b trunk /tmp/origin && cd /tmp/origin && git -c user.email=a@b -c user.name=a commit -q --allow-empty -m one"}, want: object{"exitCode": 0}},
	{op: "checkout", in: object{"url": "/tmp/origin", "targetDir": "clone"}, want: object{"targetDir": "/workspace/clone", "branch": "trunk", "commit": check(some)}},
	{op: "checkout", in: object{"url": "/tmp/origin", "targetDir": "clone"}, code: abi.CodeFileExists},
	{op: "checkout", in: object{"url": "/tmp/no-such-repository"}, code: abi.CodeGitFailed},
	{op: "checkout", in: object{"url": "--upload-pack=touch /tmp/pwned"}, code: abi.CodeInvalidRequest},
}

// bytesOf wants a file's info and then exactly these bytes.
func bytesOf(want string) func([]message) error {
	return func(messages []message) error {
		var got strings.Builder
		for i, m := range messages {
			if (m.Text != nil) != (i == 0) {
				return fmt.Errorf("message %d is %s", i, m.Text)
			}
			got.Write(m.Bytes)
		}
		if len(messages) == 0 || got.String() != want {
			return fmt.Errorf("got %q", got.String())
		}
		return subset(object{"type": "file", "size": 12}, decoded(messages[0]))
	}
}

// beginningWith wants a first event of that type.
func beginningWith(kind string) func([]message) error {
	return func(messages []message) error {
		if len(messages) < 2 {
			return errors.New("not enough messages")
		}
		return subset(object{"type": kind}, decoded(messages[0]))
	}
}

// pathSteps meet the errors that operations on paths have in common.
func pathSteps() []step {
	steps := []step{{op: "exec", in: object{"command": "touch file; mkdir -p full/sub locked; touch locked/x full/x; chmod 0 locked; truncate -s 33554433 large; mkfifo pipe"},
		want: object{"exitCode": 0}}}
	ops := map[string]func(path string) object{
		"writeFile":       func(p string) object { return object{"path": p, "content": "x"} },
		"writeFileStream": func(p string) object { return object{"path": p} },
		"readFile":        func(p string) object { return object{"path": p} },
		"readFileStream":  func(p string) object { return object{"path": p} },
		"mkdir":           func(p string) object { return object{"path": p} },
		"deleteFile":      func(p string) object { return object{"path": p} },
		"renameFile":      func(p string) object { return object{"oldPath": p, "newPath": "elsewhere"} },
		"moveFile":        func(p string) object { return object{"sourcePath": p, "destinationPath": "elsewhere"} },
		"exists":          func(p string) object { return object{"path": p} },
		"setPermissions":  func(p string) object { return object{"path": p, "mode": "0644"} },
		"listFiles":       func(p string) object { return object{"path": p} },
		"searchFiles":     func(p string) object { return object{"path": p, "glob": "*"} },
		"watch":           func(p string) object { return object{"path": p} },
	}
	for _, op := range slices.Sorted(maps.Keys(ops)) {
		steps = append(steps,
			step{op: op, in: ops[op]("file/x"), code: abi.CodeNotDirectory},
			step{op: op, in: ops[op]("locked/x"), code: abi.CodePermissionDenied},
			step{op: op, in: ops[op]("nul\x00"), code: abi.CodeInvalidRequest},
			step{op: op, in: ops[op](strings.Repeat("p/", abi.MaxPathBytes/2) + "x"), code: abi.CodeInvalidRequest})
	}
	return append(steps,
		step{op: "readFile", in: object{"path": "large"}, code: abi.CodeFileTooLarge, says: "large"},
		step{op: "readFileStream", in: object{"path": "full"}, code: abi.CodeIsDirectory},
		step{op: "readFileStream", in: object{"path": "pipe"}, code: abi.CodeInvalidRequest},
		step{op: "listFiles", in: object{"path": "none"}, code: abi.CodeFileNotFound},
		step{op: "searchFiles", in: object{"path": "none", "glob": "*"}, code: abi.CodeFileNotFound},
		step{op: "renameFile", in: object{"oldPath": "file", "newPath": "full"}, code: abi.CodeIsDirectory},
		step{op: "renameFile", in: object{"oldPath": "full/sub", "newPath": "file"}, code: abi.CodeNotDirectory},
		step{op: "exec", in: object{"command": "mkdir -p other/sub/kept"}, want: object{"exitCode": 0}},
		step{op: "renameFile", in: object{"oldPath": "full/sub", "newPath": "other"}, code: abi.CodeFileExists},
		step{op: "moveFile", in: object{"sourcePath": "full/sub", "destinationPath": "other"}, code: abi.CodeFileExists},
		step{op: "mkdir", in: object{"path": "full/file"}, want: object{}},
		step{op: "moveFile", in: object{"sourcePath": "file", "destinationPath": "full"}, code: abi.CodeIsDirectory},
		step{op: "deleteFile", in: object{"path": "/workspace", "recursive": true}, code: abi.CodeInvalidRequest},
		step{op: "checkout", in: object{"url": "/tmp/origin", "targetDir": "locked/x/y"}, code: abi.CodePermissionDenied},
		step{op: "checkout", in: object{"url": "/tmp/origin", "targetDir": "file/x"}, code: abi.CodeNotDirectory},
		step{op: "exec", in: object{"command": "chmod 700 locked; ln -s /etc/passwd out; ln -s loop loop"}, want: object{"exitCode": 0}},
		step{op: "readFile", in: object{"path": "out"}, want: object{"content": check(some)}}, // the sandbox's own
		step{op: "readFile", in: object{"path": "loop"}, code: abi.CodeInvalidRequest},
	)
}

var terminalSteps = []step{
	{op: "terminal", in: object{"argv": []string{"sh", "-c", "stty size; exit 7"}, "cols": 90, "rows": 30}, events: func(messages []message) error {
		var screen strings.Builder
		for _, m := range messages {
			screen.Write(m.Bytes)
		}
		if len(messages) < 3 || screen.String() != "30 90\r\n" {
			return fmt.Errorf("the screen is %q", screen.String())
		}
		return errors.Join(subset(object{"type": "ready", "offset": 0, "pid": check(some)}, decoded(messages[0])),
			subset(object{"type": "exit", "exitCode": 7}, decoded(messages[len(messages)-1])))
	}},
	{op: "terminal", in: object{"argv": []string{"no-such-program"}}, code: abi.CodeCommandNotFound},
	{op: "terminal", in: object{"argv": []string{"sh"}, "session": "none"}, code: abi.CodeSessionNotFound},
	{op: "terminal", in: object{"argv": []string{"sh"}, "cwd": "/no/such"}, code: abi.CodeFileNotFound},
	{op: "terminal", in: object{"argv": []string{"sh"}, "cwd": "/etc/passwd"}, code: abi.CodeNotDirectory},
	{op: "terminal", in: object{"cols": abi.MaxWindow + 1}, code: abi.CodeInvalidRequest},
	{op: "terminal", in: object{"shell": "sh", "command": "ls"}, code: abi.CodeInvalidRequest},
}

func decoded(m message) any {
	var v any
	_ = json.Unmarshal(m.Text, &v) // what is not JSON is no subset of anything
	return v
}

var portSteps = []step{
	{op: "exposePort", in: object{"port": 8080, "name": "web", "token": "abcdefgh"}, want: object{"port": 8080, "url": holding("8080-"), "exposedAt": holding("-abcdefgh."), "wsUrl": holding("ws://")}},
	{op: "exposePort", in: object{"port": 8080, "ifExposed": "error"}, code: abi.CodePortAlreadyExposed, says: "already exposed"},
	{op: "exposePort", in: object{"port": 80}, code: abi.CodeInvalidPort},
	{op: "getExposedPorts", want: object{"ports": []any{object{"port": 8080, "name": "web", "access": "token", "status": "inactive"}}}},
	{op: "getListeningPorts", want: object{"ports": check(isList)}},
	{op: "isPortExposed", in: object{"port": 8080}, want: object{"value": true}},
	{op: "validatePortToken", in: object{"port": 8080, "token": "abcdefgh"}, want: object{"value": true}},
	{op: "validatePortToken", in: object{"port": 8080, "token": "abcdefgi"}, want: object{"value": false}},
	{op: "unexposePort", in: object{"port": 8080}, want: object{}},
	{op: "closePort", in: object{"port": 8080}, want: object{}},
	{op: "isPortExposed", in: object{"port": 8080}, want: object{"value": false}},
	{op: "unexposePort", in: object{"port": 80}, code: abi.CodeInvalidPort},
	{op: "isPortExposed", in: object{"port": 80}, code: abi.CodeInvalidPort},
	{op: "validatePortToken", in: object{"port": 80, "token": "x"}, code: abi.CodeInvalidPort},
	{op: "exposePort", in: object{"port": 8081, "tokenIn": "request"}, want: object{"port": 8081, "token": check(some)}},
	{op: "createPreviewLink", in: object{"port": 8081, "path": "/x?a=1"}, want: object{"url": holding("/x?a=1&edge_link="), "expiresAt": check(some)}},
	{op: "createPreviewLink", in: object{"port": 8082}, code: abi.CodePortNotExposed},
	{op: "createPreviewLink", in: object{"port": 80}, code: abi.CodeInvalidPort},
	{op: "unexposePort", in: object{"port": 8081}, want: object{}},
}

// isList wants an array.
func isList(got any) error {
	if _, ok := got.([]any); !ok {
		return fmt.Errorf("got %v, want a list", got)
	}
	return nil
}

// lostSteps ask for what a run of the sandbox had that is gone.
var lostSteps = []step{
	{op: "getState", lose: true, want: object{"state": "lost", "generation": 1, "exitCode": 137, "why": check(some)}},
	{op: "getProcess", in: object{"processId": "web"}, code: abi.CodeSandboxLost, details: object{"generation": 1, "exitCode": 137}},
	{op: "killProcess", in: object{"processId": "web"}, code: abi.CodeSandboxLost},
	{op: "getLogs", in: object{"processId": "web"}, code: abi.CodeSandboxLost},
	{op: "streamLogs", in: object{"processId": "web"}, code: abi.CodeSandboxLost},
	{op: "waitForLog", in: object{"processId": "web", "pattern": "x"}, code: abi.CodeSandboxLost},
	{op: "waitForExit", in: object{"processId": "web"}, code: abi.CodeSandboxLost},
	{op: "waitForPort", in: object{"port": 9000, "processId": "web"}, code: abi.CodeSandboxLost},
	{op: "getSession", in: object{"id": "work"}, code: abi.CodeSandboxLost},
	{op: "deleteSession", in: object{"id": "work"}, code: abi.CodeSandboxLost},
	{op: "getState", want: object{"state": "lost", "generation": 1}}, // those questions started nothing
	{op: "exec", in: object{"command": "ls file"}, want: object{"stdout": "file\n"}},
}

var endSteps = []step{
	{op: "writeFile", in: object{"path": "kept", "content": "x"}, want: object{}},
	{op: "stop", want: object{"state": "stopped", "generation": 2, "why": check(some)}},
	{op: "stop", want: object{"state": "stopped"}},
	{op: "getLogs", in: object{"processId": "web"}, code: abi.CodeProcessNotFound},
	{op: "getSession", in: object{"id": "work"}, code: abi.CodeSessionNotFound},
	{op: "getState", want: object{"state": "stopped", "generation": 2}}, // those questions started nothing
	{op: "exec", in: object{"command": "cat kept; echo $GREETING"}, want: object{"stdout": "xhello\n"}},
	{op: "getState", want: object{"state": "running", "generation": 3}},
}

// destroySteps come when every door has walked the others: what is destroyed
// raises the generations that its binding gives afterwards.
var destroySteps = []step{
	{op: "destroy", want: object{}},
	{op: "destroy", want: object{}},
	{op: "getState", want: object{"state": "absent"}},
}

// TestConformance carries the table out on both runtimes through every door.
func TestConformance(t *testing.T) {
	t.Parallel()
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, settings{runtime: runtime, plugins: map[string]string{"probe": probeModule(t)}, routes: [][2]string{{"/probe/*", "probe"}}})
		for name, d := range doors(e) {
			t.Run(name, func(t *testing.T) {
				lose := func() { e.lose(t, d, runtime, "by-"+name) }
				walk(t, d, conformance, lose)
			})
		}
		for name, d := range doors(e) {
			t.Run(name+" destroys", func(t *testing.T) { walk(t, d, destroySteps, nil) })
		}
	})
}

func walk(t *testing.T, d door, steps []step, lose func()) {
	for i, s := range steps {
		if s.lose {
			lose()
		}
		if err := s.run(t, d); err != nil {
			t.Errorf("step %d, %s %.200s: %v", i, s.op, s.request(t), err)
		}
	}
}

// lose kills a sandbox from outside and waits until the edge knows.
func (e *edge) lose(t *testing.T, d door, runtime, id string) {
	t.Helper()
	e.killMachine(runtime, id)
	eventually(t, "the loss is known", func() error {
		b, failure := d.call(t, "getState", []byte("{}"))
		switch {
		case failure != nil:
			return failure
		case !strings.Contains(string(b), `"lost"`):
			return errors.New(string(b))
		}
		return nil
	})
}

// TestConformanceIsComplete wants every row of the table of operations walked,
// and every error that is a row's own met somewhere.
func TestConformanceIsComplete(t *testing.T) {
	t.Parallel()
	good := map[string]bool{}
	failures := map[string][]abi.Code{}
	for _, s := range slices.Concat(conformance, destroySteps) {
		name := abi.Lookup(s.op).Name()
		if s.code == "" {
			good[name] = true
		} else {
			failures[name] = append(failures[name], s.code)
		}
	}
	for _, row := range abi.Operations {
		if !good[row.Name()] {
			t.Errorf("%s is not walked", row.Name())
		}
		for _, code := range row.Errors() {
			if !slices.Contains(failures[row.Name()], code) && !slices.Contains(metElsewhere[row.Name()], code) {
				t.Errorf("%s: %s is met nowhere", row.Name(), code)
			}
		}
	}
}

func (s step) request(t *testing.T) []byte {
	t.Helper()
	if s.in == nil {
		return []byte("{}")
	}
	b, err := json.Marshal(s.in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run makes the call and returns what is wrong with what came of it.
func (s step) run(t *testing.T, d door) error {
	t.Helper()
	var got any
	var messages []message
	var failure *abi.Error
	if abi.Lookup(s.op).Kind() == abi.KindCall {
		var b []byte
		if b, failure = d.call(t, s.op, s.request(t)); failure == nil {
			if err := json.Unmarshal(b, &got); err != nil {
				return fmt.Errorf("%w: %.200s", err, b)
			}
		}
	} else {
		messages, failure = d.stream(t, s.op, s.request(t), s.send, s.until)
		list := []any{}
		for _, m := range messages {
			list = append(list, decoded(m))
		}
		got = list
	}
	switch {
	case s.code != "":
		return s.checkFailure(failure)
	case failure != nil:
		return fmt.Errorf("%w (details %s)", failure, failure.Details)
	case s.events != nil:
		return s.events(messages)
	}
	return subset(s.want, got)
}

func (s step) checkFailure(failure *abi.Error) error {
	switch {
	case failure == nil:
		return fmt.Errorf("no error, want %s", s.code)
	case failure.Code != s.code:
		return fmt.Errorf("got %w, want %s", failure, s.code)
	case !strings.Contains(failure.Message, s.says):
		return fmt.Errorf("the message %q does not say %q", failure.Message, s.says)
	case s.details != nil && len(failure.Details) > 0:
		var got any
		if err := json.Unmarshal(failure.Details, &got); err != nil {
			return err
		}
		return subset(s.details, got)
	}
	return nil
}

// metElsewhere are the errors that this table's sandbox cannot have: it has git,
// runs as a user who may not become another, its runtime can pause, and not every
// door takes 32 MiB at once. The tests of sandboxmgr and of its packages meet them.
var metElsewhere = map[string][]abi.Code{
	"pause":        {abi.CodeUnsupported}, // of a runtime that cannot
	"resume":       {abi.CodeUnsupported},
	"exec":         {abi.CodePermissionDenied},
	"execStream":   {abi.CodePermissionDenied},
	"startProcess": {abi.CodePermissionDenied},
	"terminal":     {abi.CodePermissionDenied, abi.CodeTooManyRequests},
	"writeFile":    {abi.CodeFileTooLarge},
	"checkout":     {abi.CodeGitNotAvailable},
}
