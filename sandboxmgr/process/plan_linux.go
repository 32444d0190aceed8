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
	"edge/sandboxmgr/process/stage"
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

// devices are the host's that are in every machine's /dev.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// ownNames are at the top of every machine and never a root folder's.
var ownNames = []string{".edge", "dev", "proc", "run", "sys", "tmp", "workspace"}

// madeSettings are the files of /etc that are made.
func madeSettings(hostname string) map[string]string {
	settings := machineSettings(hostname)
	settings["/etc/passwd"] = "root:x:0:0:root:/root:/bin/sh\nsandbox:x:10001:10001:sandbox:/workspace:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
	settings["/etc/group"] = "root:x:0:\ntty:x:5:\nsandbox:x:10001:\nnogroup:x:65534:\n"
	settings["/etc/nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"
	settings["/etc/shells"] = "/bin/sh\n/bin/bash\n"
	return settings
}

// machineSettings are those that depend on the machine.
func machineSettings(hostname string) map[string]string {
	return map[string]string{
		"/etc/hosts":       "127.0.0.1 localhost " + hostname + "\n::1 localhost ip6-localhost ip6-loopback\n",
		"/etc/hostname":    hostname + "\n",
		"/etc/resolv.conf": "# network: none\n",
	}
}

// plan says what the machine is made of, the init and its files aside: of the
// folder rootfs, or of the host's own programs if that is empty.
func plan(hostname, rootfs string) (*stage.Order, error) {
	o := &stage.Order{
		Hostname: hostname,
		Folders:  []string{"/run", "/dev"},
		Links: map[string]string{
			"/dev/ptmx": "pts/ptmx", "/dev/fd": "/proc/self/fd",
			"/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
		},
		TmpBytes: maxTmp,
		ShmBytes: maxShm,
	}
	for _, d := range devices {
		o.Mounts = append(o.Mounts, stage.Mount{Source: "/dev/" + d, Target: "/dev/" + d, Kind: stage.Device})
	}
	if rootfs != "" {
		return o, addRoot(o, rootfs)
	}
	return o, addHost(o)
}

// addHost makes the machine of the host's programs and a made /etc.
func addHost(o *stage.Order) error {
	o.Folders = append(o.Folders, "/etc", "/var", "/home", "/root", "/mnt")
	o.Files = madeSettings(o.Hostname)
	o.Links["/var/tmp"], o.Links["/var/run"], o.Links["/etc/mtab"] = "/tmp", "/run", "/proc/self/mounts"
	for _, folder := range hostFolders {
		if err := addEntry(o, folder, folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, p := range hostSettings {
		// Follows links: what is mounted is what they lead to.
		if info, err := os.Stat(p); err == nil {
			o.Mounts = append(o.Mounts, stage.Mount{Source: p, Target: p, Folder: info.IsDir()})
		}
	}
	return nil
}

// addRoot makes the machine of what is in a folder: each entry at its top is
// mounted read-only, so that the machine's own folders need not be there.
func addRoot(o *stage.Order, rootfs string) error {
	entries, err := rootEntries(rootfs)
	if err != nil {
		return fmt.Errorf("rootfs: %w", err)
	}
	for _, name := range entries {
		if err := addEntry(o, filepath.Join(rootfs, name), "/"+name); err != nil {
			return fmt.Errorf("rootfs: %w", err)
		}
	}
	if slices.Contains(entries, "etc") {
		o.Over = machineSettings(o.Hostname)
	} else {
		o.Files = madeSettings(o.Hostname)
	}
	return nil
}

// rootEntries are the names at the top of a root folder that machines get.
func rootEntries(rootfs string) ([]string, error) {
	if !filepath.IsAbs(rootfs) {
		return nil, fmt.Errorf("%q: want an absolute path", rootfs)
	}
	if filepath.Clean(rootfs) == "/" {
		return nil, errors.New(`"/" would show all of this computer; leave rootfs out to use its programs`)
	}
	entries, err := os.ReadDir(rootfs)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !slices.Contains(ownNames, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// addEntry puts a host path into the machine: a link as a link, a folder or a
// file as a mount. Nothing else can be there.
func addEntry(o *stage.Order, source, target string) error {
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode&os.ModeSymlink != 0:
		o.Links[target], err = os.Readlink(source)
		return err
	case mode.IsDir() || mode.IsRegular():
		o.Mounts = append(o.Mounts, stage.Mount{Source: source, Target: target, Folder: mode.IsDir()})
	}
	return nil
}

// planMachine completes the plan for a machine whose files are in folder.
func planMachine(spec *sandboxmgr.MachineSpec, folder string) (*stage.Order, error) {
	o, err := plan(hostnameOf(spec.Name), spec.Rootfs)
	if err != nil {
		return nil, err
	}
	o.Preset = spec.Preset
	if spec.MemoryBytes > 0 {
		o.TmpBytes = min(maxTmp, spec.MemoryBytes/4)
		o.ShmBytes = min(maxShm, spec.MemoryBytes/8)
	}
	search := make([]string, 0, len(spec.Tools)+1)
	add := func(source, target string, kind stage.Kind) error {
		info, err := os.Stat(source)
		if err != nil {
			return err
		}
		o.Mounts = append(o.Mounts, stage.Mount{Source: source, Target: target, Kind: kind, Folder: info.IsDir()})
		return nil
	}
	for i, tools := range spec.Tools {
		target := fmt.Sprintf("%s/%d", stage.ToolsTarget, i)
		if err := add(tools, target, stage.ReadOnly); err != nil {
			return nil, fmt.Errorf("tools: %w", err)
		}
		search = append(search, target)
	}
	if err := errors.Join(
		add(spec.InitPath, stage.InitTarget, stage.ReadOnly),
		add(spec.RunDir, stage.RunTarget, stage.ReadOnly),
		add(filepath.Join(folder, workspaceFolder), stage.WorkspaceTarget, stage.Writable),
	); err != nil {
		return nil, err
	}
	o.Args = append([]string{stage.InitTarget}, spec.InitArgs...)
	o.Env = environment(spec.Env, search)
	return o, nil
}

// environment is the init's: the tools come first on PATH, whether that is the
// binding's or the usual one.
func environment(given map[string]string, tools []string) []string {
	env := map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME": stage.WorkspaceTarget,
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
