package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Secrets are a plugin's secrets by name. However they are printed or logged, that
// tells their names and nothing of their values.
type Secrets map[string]string

var (
	_ fmt.Formatter  = Secrets(nil)
	_ slog.LogValuer = Secrets(nil)
)

// String lists the names.
func (s Secrets) String() string {
	return "secrets[" + strings.Join(slices.Sorted(maps.Keys(s)), " ") + "]"
}

// Format prints the names, whatever the verb.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is the names.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is the names, for whatever writes JSON or YAML.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// maxSecret bounds a secret, and any other small file that the configuration
// names, in bytes.
const maxSecret = 64 << 10

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// readSecrets reads secrets from where the file says they are. What the file itself
// says never becomes part of a message here: it may be the secret.
func (c *Config) readSecrets(v value) Secrets {
	var secrets Secrets
	v.entries(func(name string, key, val value) {
		if !secretName.MatchString(name) {
			key.fail("a name of %d characters cannot name a secret; want letters, digits, \"_\", \".\" and \"-\", at most 64", len(name))
			return
		}
		if s, ok := c.readSecret(val); ok {
			if secrets == nil {
				secrets = Secrets{}
			}
			secrets[name] = s
		}
	})
	return secrets
}

func (c *Config) readSecret(v value) (secret string, ok bool) {
	if _, _, plain := v.scalar(); plain {
		v.fail("stands in the file itself; want {env: NAME} or {file: PATH}, so that the configuration can be shown")
		return "", false
	}
	before, given := len(v.doc.problems), 0
	v.object(map[string]func(value){
		"env":  func(v value) { given++; secret = c.secretOfEnv(v) },
		"file": func(v value) { given++; secret = c.secretOfFile(v) },
	})
	if given != 1 && len(v.doc.problems) == before {
		v.fail("names %d places; want one, {env: NAME} or {file: PATH}", given)
	}
	return secret, len(v.doc.problems) == before
}

func (c *Config) secretOfEnv(v value) string {
	name, ok := v.text("the name of an environment variable")
	if !ok {
		return ""
	}
	s, there := "", false
	if c.lookupEnv != nil {
		s, there = c.lookupEnv(name)
	}
	switch {
	case !there:
		v.fail("the environment variable %s is not set", name)
	case s == "":
		v.fail("the environment variable %s is empty", name)
	case len(s) > maxSecret:
		v.fail("the environment variable %s holds more than %s", name, formatSize(maxSecret))
	}
	return s
}

// secretOfFile reads a file and cuts the newline at its end, which editors put
// there.
func (c *Config) secretOfFile(v value) string {
	name, ok := v.text("a file's path")
	if !ok {
		return ""
	}
	path := c.abs(name)
	content, err := readSmallFile(path)
	if err != nil {
		v.fail("%s: %s", name, reason(err))
		return ""
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if s == "" {
		v.fail("%s is empty", name)
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		c.warn(v, "the secret's file %s can be read or written by others than its owner (mode %04o); chmod 600 keeps it to the owner", name, st.Mode().Perm())
	}
	return s
}

// readSmallFile reads a regular file of at most maxSecret bytes. It never waits for
// one that is none, such as a named pipe.
func readSmallFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case st.Size() > maxSecret:
		return nil, fmt.Errorf("it holds more than %d bytes", maxSecret)
	}
	return os.ReadFile(path)
}
