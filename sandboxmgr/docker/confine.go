package docker

import (
	"cmp"
	"fmt"

	"github.com/docker/docker/api/types/container"

	"edge/sandboxmgr"
)

// The presets of MachineSpec.
const (
	presetStrict  = "strict"
	presetDefault = "default"
	presetTrusted = "trusted"
)

// The networks of MachineSpec.
const (
	networkNone     = "none"
	networkInternal = "internal"
	networkEgress   = "egress"
)

// Sizes of what lies in memory, which counts against the sandbox's limit.
const (
	tmpShare = 4 // the part of the memory limit that one such folder may take: a quarter
	maxTmp   = 64 << 20
	maxRun   = 1 << 20
)

// checkConfinement refuses what is not one of the ways in which a sandbox can be
// confined; an unknown word must not become a weaker one.
func checkConfinement(s *sandboxmgr.MachineSpec) error {
	switch s.Preset {
	case "", presetStrict, presetDefault, presetTrusted:
	default:
		return fmt.Errorf("preset %q: want strict, default or trusted", s.Preset)
	}
	switch s.Network {
	case "", networkNone, networkInternal, networkEgress:
		return nil
	}
	return fmt.Errorf("network %q: a sandbox has a network of its own, which is none, internal or egress", s.Network)
}

func (w wish) preset() string { return cmp.Or(w.Preset, presetDefault) }

func (w wish) trusted() bool { return w.preset() == presetTrusted }

func (w wish) strict() bool { return w.preset() == presetStrict }

// confine sets what keeps the sandbox's code from the rest of the computer. All
// of it is set at creation and nothing of it comes from a plugin.
func (w wish) confine(h *container.HostConfig) {
	h.Privileged = false
	h.IpcMode = container.IPCModePrivate
	h.CgroupnsMode = container.CgroupnsModePrivate
	h.SecurityOpt = []string{"no-new-privileges"}
	h.ShmSize = w.tmpSize()
	if !w.trusted() {
		h.CapDrop = []string{"ALL"}
		if profile := w.seccomp(); profile != "" {
			h.SecurityOpt = append(h.SecurityOpt, "seccomp="+profile)
		}
	}
	if w.strict() {
		h.ReadonlyRootfs = true
		h.Tmpfs = map[string]string{
			"/tmp": fmt.Sprintf("rw,nosuid,nodev,noexec,mode=1777,size=%d", w.tmpSize()),
			"/run": fmt.Sprintf("rw,nosuid,nodev,noexec,mode=1777,size=%d", maxRun),
		}
	}
	if w.Network == networkInternal {
		// The engine's own name server would ask those of its computer on behalf
		// of a sandbox that is to reach nothing outside. It goes on knowing the
		// names inside.
		h.DNS = []string{"127.0.0.1"}
	}
}

// seccomp is the profile as the engine wants it, or "" where it cannot be given:
// podman reads it from a file of its own computer.
func (w wish) seccomp() string {
	if w.engine.podman {
		return w.profileFile
	}
	return seccompProfile
}

// tmpSize bounds a folder in memory, well below the memory limit.
func (w wish) tmpSize() int64 {
	if w.MemoryBytes > 0 {
		return min(maxTmp, w.MemoryBytes/tmpShare)
	}
	return maxTmp
}
