package process

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"edge/sandboxmgr"
)

// Sizes of a machine's file systems in memory, in bytes. Where the machine's
// memory is bounded they stay well below the bound: the files count as memory,
// and a full /tmp shall be an error of the writer and not the end of the init.
const (
	maxTmp = 256 << 20
	maxShm = 64 << 20
)

// hostFolders are the host's programs.
var hostFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"}

// hostSettings are the parts of the host's /etc that programs need to run and
// that hold nothing about the host.
var hostSettings = []string{
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime",
	"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates",
	"/etc/crypto-policies", "/etc/protocols", "/etc/services", "/etc/mime.types", "/etc/terminfo",
}

// madeSettings are the files of /etc that are made.
func madeSettings(hostname string) map[string]string {
	return map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nsandbox:x:10001:10001:sandbox:/workspace:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":         "root:x:0:\ntty:x:5:\nsandbox:x:10001:\nnogroup:x:65534:\n",
		"/etc/hosts":         "127.0.0.1 localhost " + hostname + "\n::1 localhost ip6-localhost ip6-loopback\n",
		"/etc/hostname":      hostname + "\n",
		"/etc/resolv.conf":   "# network: none\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
		"/etc/shells":        "/bin/sh\n/bin/bash\n",
	}
}

// plan says what the machine is made of, the init and its files aside.
func plan(hostname string) (*order, error) {
	o := &order{
		Hostname: hostname,
		Files:    madeSettings(hostname),
		Links: map[string]string{
			"/dev/ptmx": "pts/ptmx", "/dev/fd": "/proc/self/fd",
			"/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
			"/var/tmp": "/tmp", "/var/run": "/run", "/etc/mtab": "/proc/self/mounts",
		},
		TmpBytes: maxTmp,
		ShmBytes: maxShm,
	}
	for _, folder := range hostFolders {
		info, err := os.Lstat(folder)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, err
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(folder)
			if err != nil {
				return nil, err
			}
			o.Links[folder] = target
		default:
			o.Mounts = append(o.Mounts, mount{Source: folder, Target: folder, Folder: true})
		}
	}
	for _, p := range hostSettings {
		// Follows links: what is mounted is what they lead to.
		if info, err := os.Stat(p); err == nil {
			o.Mounts = append(o.Mounts, mount{Source: p, Target: p, Folder: info.IsDir()})
		}
	}
	for _, d := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		o.Mounts = append(o.Mounts, mount{Source: "/dev/" + d, Target: "/dev/" + d, Kind: device})
	}
	return o, nil
}

// planMachine completes the plan for a machine whose files are in folder.
func planMachine(spec *sandboxmgr.MachineSpec, folder string) (*order, error) {
	o, err := plan(hostnameOf(spec.Name))
	if err != nil {
		return nil, err
	}
	if spec.MemoryBytes > 0 {
		o.TmpBytes = min(maxTmp, spec.MemoryBytes/4)
		o.ShmBytes = min(maxShm, spec.MemoryBytes/8)
	}
	search := make([]string, 0, len(spec.Tools)+1)
	add := func(source, target string, kind mountKind) error {
		info, err := os.Stat(source)
		if err != nil {
			return err
		}
		o.Mounts = append(o.Mounts, mount{Source: source, Target: target, Kind: kind, Folder: info.IsDir()})
		return nil
	}
	for i, tools := range spec.Tools {
		target := fmt.Sprintf("%s/%d", toolsTarget, i)
		if err := add(tools, target, readOnly); err != nil {
			return nil, fmt.Errorf("tools: %w", err)
		}
		search = append(search, target)
	}
	if err := errors.Join(
		add(spec.InitPath, initTarget, readOnly),
		add(spec.RunDir, runTarget, readOnly),
		add(filepath.Join(folder, workspaceFolder), workspaceTarget, writable),
	); err != nil {
		return nil, err
	}
	o.Args = append([]string{initTarget}, spec.InitArgs...)
	o.Env = environment(spec.Env, search)
	return o, nil
}

// environment is the init's: the tools come first on PATH, whether that is the
// binding's or the usual one.
func environment(given map[string]string, tools []string) []string {
	env := map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME": workspaceTarget,
		"LANG": "C.UTF-8",
		"USER": "sandbox",
	}
	for k, v := range given {
		env[k] = v
	}
	env["PATH"] = strings.Join(append(slices.Clone(tools), env["PATH"]), ":")
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// hostnameOf is the last part of a machine's name, which is the sandbox's id.
func hostnameOf(machine string) string {
	return strings.TrimPrefix(path.Ext(machine), ".")
}
